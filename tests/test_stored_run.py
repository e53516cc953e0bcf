"""A run folder that an earlier version wrote (tests/data/run_format_4) opens, is reported and compared as before.

It holds two groups of two networks of eight units, both complete; the second shard still has its checkpoint after one
of the two updates of its second epoch. Nothing in it names a module of the package, so that modules can move. The
version that wrote it measured ``run_format_4_metrics.csv``.
"""

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Outcome

import spatialnets
from spatialnets import DeclarationError, Experiment, Geometry, Run, RunError, registry
from spatialnets.experiments.blocks import identity
from spatialnets.files.atomic import write_checked
from spatialnets.report.measured import metrics_table
from spatialnets.runs.folder import FORMAT, begin, write_plan
from spatialnets.training.checkpoint import updates_in
from spatialnets.training.history import SCORES
from spatialnets.workflow import compare, train

STORED = Path(__file__).parent / "data" / "run_format_4"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "run"))


def test_its_experiment_has_the_hash_that_was_stored(folder: Path) -> None:
    run = Run.open(folder)
    assert run.plan["format"] == 4
    assert run.experiment().digest == run.plan["experiment"]
    assert set(run.experiment().geometries) == set(run.plan["geometries"])


def test_no_file_of_it_names_a_module_of_the_package(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            assert not re.search(rb"spatialnets[./]\w", path.read_bytes()), path


def test_it_opens_with_weights_scores_and_geometry(folder: Path) -> None:
    run = Run.open(folder)
    assert [(shard.group, shard.networks, shard.done) for shard in run.shards] == [
        ("sernn", (0, 1), True), ("l1", (0, 1), True),
    ]  # fmt: skip
    assert run.finished
    data = run["sernn"]
    assert data["weights"].dims == ("network", "epoch", "pre", "post")
    assert data["weights"].shape == (2, 3, 8, 8)
    assert np.isfinite(data["validation_loss"]).all()
    np.testing.assert_array_equal(data["distances"], run.geometry_of("sernn").distances)
    with pytest.raises(RunError, match="has no network 99 of group 'sernn'"):
        run.geometry_of("sernn", network=99)


def test_its_report_has_the_measures_of_the_version_that_wrote_it(folder: Path) -> None:
    run = Run.open(folder)
    written = pd.read_csv(STORED.with_name("run_format_4_metrics.csv"))
    table = metrics_table(run, run.experiment().analyses).reset_coords().to_dataframe().reset_index()
    for name in written.columns:
        if name == "group" or name in SCORES:  # read, not computed
            assert table[name].tolist() == written[name].tolist(), name
        else:  # sums over 64 weights in float64, in any order
            np.testing.assert_allclose(table[name], written[name], rtol=1e-9, err_msg=name)


def test_its_groups_can_be_compared(folder: Path) -> None:
    run = Run.open(folder)
    comparison = compare(run)
    assert [sample.group for sample in comparison.samples] == ["sernn", "l1"]
    assert run.compare().reasons == comparison.reasons == spatialnets.compare(run).reasons


def test_a_network_of_it_can_be_exported_and_shown(folder: Path, command: Callable[..., Outcome]) -> None:
    assert len(Run.open(folder).to_networkx("l1", 1)) == 8
    assert "l1" in command("show", str(folder)).out
    assert "4 of 4 networks, in 2 shards" in command("status", str(folder)).out


@pytest.fixture
def unfinished(folder: Path) -> Path:
    """Return a copy without the second shard, of which there is a checkpoint."""
    for path in (folder / "shards").glob("00001.nc*"):
        path.unlink()
    return folder


def test_an_unfinished_one_shows_its_progress(unfinished: Path, command: Callable[..., Outcome]) -> None:
    run = Run.open(unfinished)
    assert [shard.index for shard in run.missing] == [1]
    assert updates_in(run.checkpoint(1)) == 3
    out = command("status", str(unfinished)).out
    assert "2 of 4 networks, in 2 shards" in out
    assert "shard 1 (group 'l1'): epoch 2, 3 of 4 updates" in out


@pytest.mark.parametrize("words", [("resume",), ("work", "1")])
def test_an_unfinished_one_is_refused_for_training_and_left_as_it_is(
    unfinished: Path, command: Callable[..., Outcome], words: tuple[str, ...]
) -> None:
    before = {path: path.read_bytes() for path in unfinished.rglob("*") if path.is_file()}
    outcome = command(words[0], str(unfinished), *words[1:])
    assert outcome.code == 2
    assert "cannot be continued, because noise is drawn from another stream since then" in outcome.err
    assert f"spatialnets run {unfinished / 'experiment.yaml'} --out FOLDER" in outcome.err
    assert "Traceback" not in outcome.err
    after = {path: path.read_bytes() for path in unfinished.rglob("*") if path.is_file()}
    assert {path: content for path, content in after.items() if path in before} == before
    assert {path.relative_to(unfinished).parts[0] for path in set(after) - set(before)} <= {".lock", "engine"}


def test_its_experiment_can_be_trained_again_elsewhere(folder: Path, tmp_path: Path) -> None:
    again = train(Experiment.from_yaml(folder / "experiment.yaml"), tmp_path / "again", workers=1, report=False)
    assert again.finished
    assert again.plan["format"] == FORMAT
    assert again.plan["experiment"] == Run.open(folder).plan["experiment"]
    assert [shard.networks for shard in again.shards if shard.group == "sernn"]


def test_a_run_of_a_later_format_opens_and_is_refused_for_resuming(tmp_path: Path) -> None:
    experiment = Run.open(STORED).experiment()
    run = begin(experiment, tmp_path, 2)
    write_plan(run)
    write_checked(tmp_path / "plan.json", json.dumps({**run.plan, "format": FORMAT + 1}).encode())
    assert [shard.networks for shard in Run.open(tmp_path).shards] == [(0, 1), (0, 1)]
    with pytest.raises(RunError, match=rf"begun by a later version \(format {FORMAT + 1}, not {FORMAT}\)"):
        train(experiment, tmp_path, workers=1, report=False)


# The hash of an experiment identifies its runs: it must survive new fields and other spellings.


def place(*fields: tuple[str, type, Any]) -> type[Geometry]:
    """Return a class `Place` with some fields, as two versions of a package might define it."""
    methods = {
        "positions": lambda self: np.arange(24.0).reshape(8, 3),
        "distances": lambda self: np.abs(np.subtract.outer(np.arange(8.0), np.arange(8.0))),
    }
    made = make_dataclass("Place", fields, bases=(Geometry,), namespace=methods, frozen=True, kw_only=True)
    made.__module__ = __name__
    return made


EARLIER = place(("width", float, 1.0))
LATER = place(("width", float, 1.0), ("depth", float, field(default=2.0, metadata={"added": "0.2"})))
UNMARKED = place(("width", float, 1.0), ("depth", float, 2.0))


def digest_on(geometry: Geometry) -> str:
    return Experiment.from_preset("sernn_demo").replace(geometry=geometry).digest


def test_a_field_that_was_added_later_enters_the_hash_only_when_it_is_not_at_its_default() -> None:
    assert digest_on(LATER()) == digest_on(LATER(depth=2.0)) == digest_on(EARLIER())  # type: ignore[call-arg]
    assert digest_on(LATER(depth=3.0)) != digest_on(EARLIER())  # type: ignore[call-arg]
    assert digest_on(LATER(width=3.0)) == digest_on(EARLIER(width=3.0)) != digest_on(EARLIER())  # type: ignore[call-arg]
    assert digest_on(UNMARKED()) != digest_on(EARLIER())


def test_a_field_that_was_added_later_is_left_out_of_nested_components_and_axes() -> None:
    classes = {"place": LATER}
    block = {"kind": "place", "width": 1.0, "depth": 2.0, "rescale": "mean"}
    earlier = {"kind": "place", "width": 1.0, "rescale": "mean"}
    assert identity("geometry", block, classes) == earlier
    assert identity("geometry", {"list": [block, {**block, "depth": 3.0}]}, classes) == {
        "list": [earlier, {**block, "depth": 3.0}]
    }
    assert identity("geometry", {"kind": "union", "areas": [block, block]}, classes) == {
        "kind": "union",
        "areas": [earlier, earlier],
    }
    assert identity("geometry", {**block, "depth": {"linspace": [2.0, 3.0]}}, classes) != earlier


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("regularizer=distance_communicability", "regularizer=both"),
        (
            "core={kind: torch_module, module_factory: torch.nn:GRU}",
            "core={kind: wrapped, module_factory: torch.nn:GRU}",
        ),
        ("core={kind: gru, penalized_gates: [candidate]}", "core={kind: gru, paying_gates: [candidate]}"),
        ("core.constraints=[no_self_connections]", "core.constraints=[no_self]"),
    ],
)
def test_an_alias_is_the_same_experiment_as_the_name_that_runs_store(alias: str, name: str) -> None:
    preset = Experiment.from_preset("sernn_demo")
    experiment, original = (preset.override(word, "regularizer.strength=0.1") for word in (alias, name))
    assert experiment.digest == original.digest
    assert experiment.to_yaml() == original.to_yaml()


def test_every_alias_leads_to_a_registered_component() -> None:
    for family, aliases in registry.ALIASES.items():
        for alias, name in aliases.items():
            assert name in registry.names(family)
            assert alias not in registry.names(family)
            assert registry.load(family, alias) is registry.load(family, name)


def test_a_field_given_under_two_names_is_refused() -> None:
    words = "core={kind: gru, paying_gates: [candidate], penalized_gates: [reset]}"
    with pytest.raises(DeclarationError, match="paying_gates: is given twice, under two names"):
        Experiment.from_preset("sernn_demo").override(words)
