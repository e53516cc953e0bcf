import itertools
import json
import math
import random
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Any

import numpy as np
import pytest

from spatialnets import DeclarationError, Experiment
from spatialnets.experiments.axes import MAX_NETWORKS, Axis, columns_of, read_axis
from spatialnets.experiments.declaration import BLOCKS
from spatialnets.files.yaml_nodes import from_plain


def axis(**content: object) -> Axis:
    return read_axis(from_plain(content, "here"))


def test_axes_have_the_declared_values() -> None:
    assert axis(linspace=[0, 1]).values(3) == (0.0, 0.5, 1.0)
    assert axis(linspace=[0, 1, 2]).values(9) == (0.0, 1.0)
    np.testing.assert_allclose(axis(logspace=[0.01, 1, 3]).values(9), [0.01, 0.1, 1])
    assert axis(range=[3]).values(9) == (0, 1, 2)
    assert axis(range=[5, 1, -2]).values(9) == (5, 3)
    assert axis(list=["a", 2]).values(9) == ("a", 2)
    assert axis(linspace=[0.2, 1]).values(1) == (0.2,)


@pytest.mark.parametrize(
    "content",
    [
        {"linspace": [0]},
        {"linspace": 3},
        {"linspace": [0, "b"]},
        {"linspace": [0, 1, 0]},
        {"linspace": [0, 1, 2.5]},
        {"linspace": [0, float("nan")]},
        {"logspace": [0, 1]},
        {"logspace": [-1, 1]},
        {"range": []},
        {"range": [1.5]},
        {"range": [0, 5, 0]},
        {"range": [5, 0]},
        {"list": []},
        {"list": 3},
    ],
)
def test_an_axis_with_invalid_arguments_is_refused_with_the_expected_form(content: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected {"):
        axis(**content)


def test_the_length_of_an_axis_is_the_number_of_its_values() -> None:
    for content in ({"linspace": [0, 1, 4]}, {"range": [7, 1, -2]}, {"list": [1, 2]}, {"logspace": [1, 2, 1]}):
        assert axis(**content).length == len(axis(**content).values(0))
    assert axis(linspace=[0, 1]).length is axis(logspace=[1, 2]).length is Axis("along", (1, 2)).length is None


def network_values(axes: Mapping[str, Axis], zipped: Sequence[Sequence[str]], networks: int) -> list[dict[str, Any]]:
    """Return the value of every axis for each network, one by one, as `columns_of` defines them all at once."""
    columns, count = columns_of(axes, zipped, networks)
    assert list(columns) == list(axes)
    by_path = {path: column.of(range(count)) for path, column in columns.items()}
    return [{path: by_path[path][number] for path in axes} for number in range(count)]


def slow_values(axes: Mapping[str, Axis], zipped: Sequence[Sequence[str]], networks: int) -> list[dict[str, Any]]:
    """Return the same by a loop over combinations and networks, which is easily seen to be right."""
    bundles: list[list[dict[str, Any]]] = []
    bundled: set[str] = set()
    for path, one in axes.items():
        if one.length is None or path in bundled:
            continue
        together = next((list(paths) for paths in zipped if path in paths), [path])
        bundled.update(together)
        values = {other: axes[other].values(networks) for other in together}
        bundles.append([{other: values[other][index] for other in together} for index in range(one.length)])
    running = {path: one.values(networks) for path, one in axes.items() if one.length is None}
    result = []
    for combination in itertools.product(*bundles):
        fixed = {path: value for bundle in combination for path, value in bundle.items()}
        for index in range(networks):
            result.append({path: fixed[path] if path in fixed else running[path][index] for path in axes})
    return result


KINDS: tuple[dict[str, list[Any]], ...] = (
    {"linspace": [0.1, 1]}, {"linspace": [1, 1]}, {"logspace": [0.01, 3]}, {"linspace": [0, 1, 3]},
    {"logspace": [1, 2, 2]}, {"range": [1, 3]}, {"range": [3, 0, -1]}, {"list": [0.1, 2, 0.1]}, {"list": [5]},
)  # fmt: skip


def test_values_of_random_axes_are_those_of_a_loop_over_networks() -> None:
    generator = random.Random(1)
    tried = 0
    while tried < 300:
        axes = {name: axis(**generator.choice(KINDS)) for name in "abcd"[: generator.randrange(5)]}
        explicit = [name for name, one in axes.items() if one.length is not None]
        alike = [pair for pair in itertools.permutations(explicit, 2) if len({axes[name].length for name in pair}) == 1]
        zipped = generator.sample(alike, min(len(alike), generator.randrange(3)))  # two may share an axis
        networks = generator.randrange(1, 5)
        assert network_values(axes, zipped, networks) == slow_values(axes, zipped, networks)
        tried += 1


# A whole experiment, against a loop over its networks

BASE: dict[str, Any] = {
    "geometry": {"kind": "grid", "shape": [2, 2, 2]},
    "core": "rnn",
    "task": "one_choice",
    "training": {"epochs": 1},
    "regularizer": "l1",
}
AXES: dict[str, tuple[Any, ...]] = {
    "regularizer.strength": KINDS,
    "training.learning_rate": ({"linspace": [0.1, 1]}, {"list": [0.1, 1, 0.1]}),
    "core.gain": ({"linspace": [1, 2]}, {"linspace": [1, 1]}, {"list": [1, 1.0, 2]}),  # splits a group
    "task.delay_steps": ({"range": [1, 4]}, {"list": [2, 1, 2]}),
}
SEEDS = (0, 7, 2**62, {"range": [3]}, {"list": [5, 2**62, 5]})


@pytest.mark.parametrize("number", range(40))
def test_ensembles_have_the_numbers_seeds_and_values_of_a_loop_over_networks(number: int) -> None:
    generator = random.Random(number)
    declared = {path: generator.choice(kinds) for path, kinds in AXES.items() if generator.random() < 0.6}
    base: dict[str, Any] = {family: dict(as_dict(block)) for family, block in BASE.items()}
    base["regularizer"]["strength"] = 0.1
    for path, content in declared.items():
        family, _, name = path.partition(".")
        base[family][name] = content
    seed, networks = generator.choice(SEEDS), generator.randrange(1, 4)
    root = {"name": "x", "networks": networks, "seed": seed, "base": base}
    (group,) = Experiment.from_declaration(root).groups.values()

    in_order = [path for path in ("seed", *AXES) if path in declared or (path == "seed" and isinstance(seed, dict))]
    in_order.sort(key=lambda path: ("seed", *BLOCKS).index(path.partition(".")[0]))
    axes = {path: axis(**(seed if path == "seed" else declared[path])) for path in in_order}
    expected: dict[str, list[tuple[int, int, dict[str, Any]]]] = {}
    for place, values in enumerate(slow_values(axes, [], networks)):
        fixed = {path: value for path, value in values.items() if path in ("core.gain", "task.delay_steps")}
        own = int(values.get("seed", seed if isinstance(seed, int) else 0)) + place % networks
        expected.setdefault(json.dumps(fixed), []).append((place, own, values))
    assert [
        list(
            zip(
                ensemble.numbers,
                ensemble.seeds,
                [{path: column[place] for path, column in ensemble.axes.items()} for place in range(len(ensemble.numbers))],
                strict=True,
            )
        )
        for ensemble in group.ensembles
    ] == [list(members) for members in expected.values()]
    for ensemble in group.ensembles:
        strength = ensemble.axes.get("regularizer.strength", 0.1)
        assert ensemble.regularizer.strength == strength  # type: ignore[attr-defined]
        assert {ensemble.task.delay_steps} == set(  # type: ignore[attr-defined]
            ensemble.axes.get("task.delay_steps", (10,))
        )


def as_dict(block: Any) -> dict[str, Any]:
    return {"kind": block} if isinstance(block, str) else block


def test_explicit_axes_are_crossed_and_others_run_along_the_networks() -> None:
    axes = {"a": axis(list=[1, 2]), "b": axis(linspace=[0, 1]), "c": axis(list=["x", "y"])}
    values = network_values(axes, [], networks=2)
    assert [tuple(value.values()) for value in values] == [
        (1, 0.0, "x"), (1, 1.0, "x"), (1, 0.0, "y"), (1, 1.0, "y"),
        (2, 0.0, "x"), (2, 1.0, "x"), (2, 0.0, "y"), (2, 1.0, "y"),
    ]  # fmt: skip


def test_zipped_axes_advance_together() -> None:
    axes = {"a": axis(list=[1, 2]), "b": axis(list=[10, 20]), "c": axis(range=[2])}
    values = network_values(axes, [["a", "b"]], networks=1)
    assert [tuple(value.values()) for value in values] == [(1, 10, 0), (1, 10, 1), (2, 20, 0), (2, 20, 1)]


def test_zipped_axes_of_unequal_length_are_refused() -> None:
    with pytest.raises(ValueError, match="need the same explicit length: a has 2, b has 3"):
        network_values({"a": axis(list=[1, 2]), "b": axis(range=[3])}, [["a", "b"]], networks=1)
    with pytest.raises(ValueError, match="b has none"):
        network_values({"a": axis(list=[1, 2]), "b": axis(linspace=[0, 1])}, [["a", "b"]], networks=1)


def test_a_plain_list_needs_one_value_for_each_network() -> None:
    with pytest.raises(ValueError, match="expected 2 values, one for each network, got 3"):
        network_values({"s": Axis("along", (1, 2, 3))}, [], networks=2)


def test_without_axes_no_field_differs_between_networks() -> None:
    assert network_values({}, [], networks=3) == [{}, {}, {}]


def test_a_zipped_path_that_is_no_axis_is_reported() -> None:
    preset = Experiment.from_preset("sernn_demo").override("training.input_noise=list(0.1, 0.2)")
    with pytest.raises(DeclarationError, match=r"'task\.delay_steps' is not an axis of this group"):
        preset.override("groups.l1.zip=[training.input_noise, task.delay_steps]")


def test_more_networks_than_a_group_may_have_are_refused_before_they_are_listed() -> None:
    axes = {"a": Axis("range", (MAX_NETWORKS,)), "b": Axis("range", (MAX_NETWORKS,))}
    with pytest.raises(ValueError, match="more than 1,000,000 networks"):
        columns_of(axes, [], networks=MAX_NETWORKS)


def test_a_group_of_200_000_networks_is_declared_without_a_step_of_python_for_each() -> None:
    """Counts calls of functions, of which a loop that builds something for each network would make one or more.

    Generator expressions and lambdas are left out: components check and convert their numbers with them.
    """

    def calls(networks: int) -> int:
        count = 0

        def note(frame: FrameType, event: str, argument: object) -> None:
            nonlocal count
            count += event == "call" and frame.f_code.co_name not in ("<genexpr>", "<lambda>")

        before = sys.getprofile()
        sys.setprofile(note)
        try:
            experiment = Experiment.from_preset("sernn_paper").override(f"networks={networks}")
            shards = experiment.shards(16)
            assert (len(shards), shards[-1].networks[-1]) == (2 * math.ceil(networks / 16), networks - 1)
        finally:
            sys.setprofile(before)
        return count

    calls(1)  # imports
    assert calls(200_000) < 1.2 * calls(1_000)


def test_the_numbers_and_seeds_of_a_large_group_are_ranges() -> None:
    experiment = Experiment.from_preset("sernn_paper").override("networks=200000", "seed=5")
    for group in experiment.groups.values():
        (ensemble,) = group.ensembles
        assert ensemble.numbers == range(200_000)
        assert ensemble.seeds == range(5, 200_005)
