import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml

from spatialnets import DeclarationError, Experiment, UserError
from spatialnets.cores import RNN
from spatialnets.experiments.declaration import preset_names
from spatialnets.geometries import Grid, Sphere
from spatialnets.protocols import Regularizer, Sum, WiringRegularizer
from spatialnets.regularizers import L1, Both, Communicability, Distance
from spatialnets.training.settings import Training

BASE = {
    "name": "mine",
    "networks": 4,
    "base": {
        "geometry": {"kind": "grid", "shape": [2, 2, 2]},
        "core": "rnn",
        "task": "one_choice",
        "regularizer": {"kind": "l1", "strength": 0.1},
    },
}


def declared(**changes: object) -> Experiment:
    return Experiment.from_declaration({**BASE, **changes})


def strengths(regularizer: Regularizer) -> list[float]:
    assert isinstance(regularizer, WiringRegularizer)
    assert isinstance(regularizer.strength, tuple)
    return list(regularizer.strength)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_preset_of_the_paper_has_its_settings() -> None:
    paper = Experiment.from_preset("sernn_paper")
    assert {name: group.networks for name, group in paper.groups.items()} == {"sernn": 1000, "l1": 1000}
    sernn, l1 = (paper.groups[name].ensembles[0] for name in ("sernn", "l1"))
    assert sernn.geometry == Grid((5, 5, 4))
    assert sernn.core == RNN(nonlinearity="relu")
    assert isinstance(sernn.regularizer, Both)
    assert isinstance(l1.regularizer, L1)
    np.testing.assert_allclose(sernn.regularizer.strength, np.linspace(1e-6, 1, 1000))
    np.testing.assert_allclose(l1.regularizer.strength, np.linspace(1e-5, 0.04, 1000))
    assert sernn.training == Training()
    assert sernn.seeds == l1.seeds == range(1000)
    assert paper.updates == 2000 * 10 * 40


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_can_be_written_out_and_read_again(name: str, tmp_path: Path) -> None:
    preset = Experiment.from_preset(name)
    again = Experiment.from_yaml(write(tmp_path / "x.yaml", preset.to_yaml()))
    assert again.digest == preset.digest
    assert again.to_yaml() == preset.to_yaml()
    assert list(again.shards(4)) == list(preset.shards(4))
    # readers of YAML 1.1 also read numbers as numbers
    strength = yaml.safe_load(preset.to_yaml())["groups"][next(iter(preset.groups))]["regularizer"]["strength"]
    assert all(
        isinstance(value, float) for value in (strength["linspace"] if isinstance(strength, dict) else [strength])
    )


def test_the_presets_of_controls_have_those_of_the_paper() -> None:
    controls = Experiment.from_preset("sernn_controls").groups
    names: tuple[str, ...] = ("distance_only", "communicability_only", "hard", "shuffled_labels")
    names += ("short_delay", "long_delay", "low_noise", "high_noise")
    assert {name: group.networks for name, group in controls.items()} == dict.fromkeys(("sernn", "l1", *names), 100)
    both = Experiment.from_preset("sernn_replication").groups
    assert {name: group.networks for name, group in both.items()} == {
        "sernn": 1000,
        "l1": 1000,
        **dict.fromkeys(names, 100),
    }
    for name in names:  # the same networks in both presets
        assert both[name].ensembles[0] == controls[name].ensembles[0]
    assert isinstance(controls["distance_only"].ensembles[0].regularizer, Distance)
    assert isinstance(controls["communicability_only"].ensembles[0].regularizer, Communicability)


def test_the_preset_of_a_sphere_has_the_mean_distance_of_the_grid() -> None:
    sphere = Experiment.from_preset("sernn_sphere").groups["sernn"].ensembles[0].geometry
    assert abs(sphere.distances().sum() / Grid().distances().sum() - 1) < 1e-4  # the radius is given to five digits


def test_the_digest_does_not_depend_on_how_the_experiment_is_written(tmp_path: Path) -> None:
    first = declared().override("training.epochs=3", "description=text")
    file = write(
        tmp_path / "x.yaml",
        "networks: 4\nname: mine\n"
        "base: {training: {epochs: 3}, core: {nonlinearity: relu, kind: rnn}, task: {kind: one_choice},\n"
        "  regularizer: {strength: 1e-1, kind: l1}, geometry: {shape: [2, 2, 2], spacing: 1, kind: grid}}\n",
    )
    assert Experiment.from_yaml(file).digest == first.digest
    assert declared().digest != first.digest
    assert declared(networks=5).digest != declared().digest
    assert declared(seed=1).digest != declared().digest


def test_components_are_replaced_in_all_groups_or_in_one() -> None:
    paper = Experiment.from_preset("sernn_paper")
    both = paper.replace(geometry=Sphere(n=50))
    assert {group.ensembles[0].geometry for group in both.groups.values()} == {Sphere(n=50)}
    one = paper.replace(geometry=Sphere(n=50), group="l1", networks=3)
    assert [group.ensembles[0].geometry for group in one.groups.values()] == [Grid(), Sphere(n=50)]
    assert one.networks == 6
    with pytest.raises(UserError, match="there is no group 'l2': did you mean 'l1'"):
        paper.replace(geometry=Grid(), group="l2")


def test_sums_and_products_can_be_declared_and_replaced() -> None:
    penalty = Distance(0.1) * Communicability(1.0) + L1(0.01)
    experiment = declared().replace(regularizer=penalty)
    assert experiment.groups["mine"].ensembles[0].regularizer == penalty
    again = Experiment.from_declaration(yaml.safe_load(experiment.to_yaml()))
    assert again.digest == experiment.digest
    assert again.groups["mine"].ensembles[0].regularizer == penalty


@dataclass(frozen=True)
class Ring(Sphere):
    """A component that is not registered."""


def test_a_class_that_is_not_registered_can_be_used() -> None:
    @dataclass(frozen=True)
    class Local(Grid):
        pass

    for geometry in (Ring(n=20), Local((3, 3))):
        experiment = declared().replace(geometry=geometry).override("networks=2")
        assert experiment.groups["mine"].ensembles[0].geometry == geometry
    assert Experiment.from_declaration(yaml.safe_load(declared().replace(geometry=Ring(n=20)).to_yaml())).groups[
        "mine"
    ].ensembles[0].geometry == Ring(n=20)


# Axes


def test_strengths_differ_between_the_networks_of_one_ensemble() -> None:
    experiment = declared().override("regularizer.strength=linspace(0, 0.3)")
    (ensemble,) = experiment.groups["mine"].ensembles
    np.testing.assert_allclose(strengths(ensemble.regularizer), [0, 0.1, 0.2, 0.3])
    first, second = experiment.shards(3)
    assert first.networks == (0, 1, 2)
    assert second.networks == (3,)
    assert second.seeds == (3,)
    np.testing.assert_allclose(strengths(second.regularizer), [0.3])
    np.testing.assert_allclose(second.axes["regularizer.strength"], [0.3])


def test_an_axis_of_delays_divides_a_group_into_ensembles() -> None:
    experiment = declared().override("task.delay_steps=list(5, 10)", "regularizer.strength=linspace(0, 0.3)")
    ensembles = experiment.groups["mine"].ensembles
    assert [ensemble.task.delay_steps for ensemble in ensembles] == [5, 10]  # type: ignore[attr-defined]
    assert [ensemble.numbers for ensemble in ensembles] == [range(4), range(4, 8)]
    assert ensembles[0].seeds == ensembles[1].seeds == range(4)


def test_axes_of_noise_and_learning_rate_share_one_ensemble() -> None:
    experiment = declared().override("training.input_noise=list(0, 0.1)", "training.learning_rate=list(1e-3, 1e-2)")
    (ensemble,) = experiment.groups["mine"].ensembles
    assert len(ensemble.numbers) == 16
    assert ensemble.training.input_noise == (0.0,) * 8 + (0.1,) * 8
    assert ensemble.training.learning_rate == ((0.001,) * 4 + (0.01,) * 4) * 2


def test_geometries_can_be_an_axis() -> None:
    experiment = declared().override("geometry={list: [{kind: sphere, n: 8}, {kind: grid, shape: [2, 2, 2]}]}")
    assert [ensemble.geometry for ensemble in experiment.groups["mine"].ensembles] == [
        Sphere(8),
        Grid((2, 2, 2)),
    ]
    assert len(experiment.geometries) == 2
    assert all(name.split("-")[0] in ("sphere", "grid") for name in experiment.geometries)


def test_seeds_can_be_an_axis() -> None:
    experiment = declared(networks=1).override("seed=range(10, 13)")
    assert experiment.groups["mine"].ensembles[0].seeds == range(10, 13)


def test_terms_of_a_sum_can_have_axes() -> None:
    terms = [{"kind": "l1", "strength": {"linspace": [0, 0.3]}}, {"kind": "distance", "strength": 0.1}]
    experiment = declared().override(f"regularizer={json.dumps({'kind': 'sum', 'terms': terms})}")
    (ensemble,) = experiment.groups["mine"].ensembles
    assert isinstance(ensemble.regularizer, Sum)
    np.testing.assert_allclose(strengths(ensemble.regularizer.terms[0]), [0, 0.1, 0.2, 0.3])


def test_an_override_can_zip_axes() -> None:
    overrides = ("task.delay_steps=list(5, 10)", "training.input_noise=list(0.1, 0.2)")
    zipped = "groups={a: {zip: [task.delay_steps, training.input_noise]}}"
    experiment = declared().override(*overrides, zipped)
    assert [ensemble.training.input_noise for ensemble in experiment.groups["a"].ensembles] == [
        (0.1,) * 4,
        (0.2,) * 4,
    ]


# Mistakes


def test_all_mistakes_are_reported_at_once_each_with_its_line(tmp_path: Path) -> None:
    path = write(
        tmp_path / "broken.yaml",
        "extends: sernn_paper\n"
        "networks: few\n"
        "base:\n"
        "  geometry: {kind: sphere, n_shells: 3, radius: big}\n"
        "  training:\n"
        "    epocs: 30\n"
        "groups:\n"
        "  l1: {regularizer: {kind: l3}}\n"
        "analyses: [wirings]\n",
    )
    with pytest.raises(DeclarationError) as caught:
        Experiment.from_yaml(path)
    problems = "\n".join(caught.value.problems)
    for line in (
        f"{path}:2: networks: expected a whole number, 1 or more, got 'few'",
        f"{path}:4: geometry.n_shells: unknown key: ",
        f"{path}:4: geometry.radius: expected a number, got 'big'",
        f"{path}:6: training.epocs: unknown key: did you mean 'epochs'?",
        f"{path}:8: regularizer.kind: there is no regularizer 'l3': did you mean 'l2'",
        f"{path}:9: analyses.0.kind: there is no analysis 'wirings': did you mean 'wiring'?",
    ):
        assert line in problems
    assert len(caught.value.problems) == 6  # each only once, although both groups inherit the base


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("networks=0", "networks: expected a whole number, 1 or more, got 0"),
        ("networks=true", "expected a whole number"),
        ("networks=2.5", "expected a whole number"),
        ("networks=99999999999", "expected a whole number"),
        ("seed=list(a, b)", "seed: expected whole numbers, 0 or more"),
        ("seed=list(1, -1)", "seed: expected whole numbers, 0 or more"),
        ("analyses=[3]", "expected an analysis by name or as a mapping with its kind, got 3"),
        ("seed=-1", "seed: expected a whole number, 0 or more, got -1"),
        ("name=a/b", "name: expected a name of letters, digits"),
        ("geometry=sfere", "there is no geometry 'sfere': did you mean 'sphere'"),
        ("geometry=3", "expected a geometry by name or as a mapping with its kind, got 3"),
        ("geometry.shape=[5, five]", "geometry.shape: expected a whole number at index 1, got"),
        ("geometry.shape=5", "geometry.shape: expected a list, got 5"),
        ("geometry.shape=[0, 5]", "shape must be one to three positive whole numbers"),
        ("geometry.spacing=-1", "spacing must be positive and finite"),
        ("geometry.spacing=.nan", "spacing must be positive and finite"),
        ("geometry={kind: points, coordinates: absent.csv}", "there is no file absent.csv"),
        ("geometry={kind: points, coordinates: [[0, 0], [0, .nan]]}", "must be finite"),
        ("geometry=points", "geometry.coordinates: is required by geometry points"),
        ("geometry=nowhere:Helix", "cannot be imported"),
        ("geometry=spatialnets.regularizers:L1", "L1 is not a geometry: expected a dataclass that extends Geometry"),
        ("regularizer.strength=-0.1", "strength must be finite and not negative, not -0.1"),
        ("regularizer.strength=.inf", "strength must be finite"),
        ("regularizer.strength=much", "regularizer.strength: expected a number or a list, got 'much'"),
        ("regularizer.strength=[0.1, 0.2]", "expected 4 values, one for each network, got 2"),
        ("regularizer.strength={linspace: [1]}", r"regularizer.strength: got .linspace: \[1\]., expected"),
        ("regularizer.strenght=1", "regularizer.strenght: unknown key: did you mean 'strength'"),
        ("regularizer=both", "regularizer.strength: is required by regularizer both"),
        ("regularizer={kind: both, strength: 1, power: 0}", "power must be positive and finite"),
        ("core.nonlinearity=rellu", "expected one of relu, tanh .did you mean 'relu'"),
        ("core.n_units=99", "core.n_units: 99 units, but the geometry grid has 8"),
        ("task.delay_steps=-1", "delay_steps must be 0 or more, not -1"),
        ("task.delay_steps=1.5", "task.delay_steps: expected a whole number, got 1.5"),
        ("training.epochs=0", "epochs must be 1 or more, not 0"),
        ("training.learning_rate=0", "learning_rate must be positive and finite, not 0"),
        ("training.batch_size=9999", "batch_size 9999 is larger than trials_per_epoch"),
        ("training.precision=float16", "expected one of float32, float64"),
        ("analyses=wiring", "analyses: expected a list"),
        ("groups={}", "groups: expected a mapping with one or more groups"),
        ("groups={a b: {}}", "groups.a b: .*name .*letters, digits, _ and -, at most 100"),
        ("groups={a: {colour: 3}}", "groups.a.colour: unknown key"),
        ("groups={a: {zip: [task.delay_steps]}}", "'task.delay_steps' is not an axis of this group"),
        ("base=3", "base: expected a mapping"),
    ],
)
def test_a_mistake_is_reported_with_what_was_expected(override: str, message: str) -> None:
    with pytest.raises(DeclarationError, match=message):
        declared().override(override)


def test_a_missing_family_is_named_with_its_installed_components() -> None:
    with pytest.raises(DeclarationError, match="core: is required: .*rnn"):
        Experiment.from_declaration({**BASE, "base": {"geometry": "grid"}})


def test_a_command_names_one_experiment() -> None:
    assert Experiment.from_command(None, ["preset=sernn_demo", "networks=2"]).networks == 4
    for arguments in ([], ["preset=sernn_demo", "preset=sernn_paper"]):
        with pytest.raises(UserError, match="expected one experiment"):
            Experiment.from_command(None, arguments)


def test_mistakes_in_several_overrides_are_reported_together() -> None:
    with pytest.raises(DeclarationError) as caught:
        declared().override("netwroks=3", "groups.x.task=y")
    assert len(caught.value.problems) == 2


def test_an_axis_under_a_key_with_a_dot_is_an_unknown_key() -> None:
    with pytest.raises(DeclarationError, match=r"regularizer\.\.: unknown key"):
        Experiment.from_preset("sernn_demo").override(
            "groups.l1.regularizer={kind: l1, '.': {linspace: [0.001, 0.01]}}"
        )
