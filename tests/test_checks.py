"""Parts that break a promise are refused where the run begins, in words that name it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from broken import Core, Penalty, Place, Price, Problem
from conftest import Outcome
from scipy.sparse.csgraph import floyd_warshall
from scipy.spatial.distance import cdist
from tiny import CUBE, SHARD, WORDS, random, tiny

from spatialnets import Experiment, UserError
from spatialnets.networks.metric import shorter_detour
from spatialnets.regularizers import Distance, Repulsion, TargetConnectome
from spatialnets.runs.folder import stored
from spatialnets.training.trainer import Trainer

# One promise each


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("flat positions", r"Place.positions\(\) has shape \(24,\); expected \(unit, 3\)"),
        ("wrong shape", r"Place.distances\(\) has shape \(7, 8\)"),
        ("one way", "must be symmetric"),
        ("not finite", "not finite, first in row 2"),
        ("negative", "must not be negative"),
        ("detour", "no metric: from unit 1 to unit 6 it is 40, but by way of unit [0-7] only"),
        ("refuses", "Place: there is no such place"),
    ],
)
def test_a_geometry_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        stored(Place(wrong=wrong))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("no weights", r"Core.projections\(\) must hold 'recurrent', the weights by that name; it holds nothing"),
        ("no recurrent", "must hold 'recurrent', the weights by that name; it holds input"),
        ("a list", "must hold 'recurrent'"),
        (
            "no gate",
            r"projection 'recurrent' must be \(network, gate, pre, post\), here \(2, 1, 8, 8\), not \(2, 8, 8\)",
        ),
        ("short states", r"states must be \(network, trial, time, unit\), here \(2, 2, 5, 8\), not \(2, 2, 4, 8\)"),
        ("no states", r"states must be \(network, trial, time, unit\), here \(2, 2, 5, 8\), not \(\)"),
        ("nan states", "states must be finite; before any training they are not, from step 0 on"),
        ("raises", "Core failed with RuntimeError: .*; spatialnets.testing.check_core shows where"),
        ("network last", r"parameter 'own' must have the network first; it is \(7,\)"),
        ("short trace", r"Core.trace\(\) must be \(network, trial, time, unit\)"),
        ("refuses", r"Core.build\(\): units must be even in number"),
    ],
)
def test_a_core_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Trainer(tiny(core=Core(wrong=wrong)), CUBE)


SHORT = {"goal_steps": 2, "delay_steps": 1, "choice_steps": 2}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("no targets", r"targets of trials must be \(trial, time, output\), here \(4, 5, 4\), not \(\)"),
        ("few outputs", r"here \(4, 5, 4\), not \(4, 5, 3\)"),
        ("nothing asked", "above zero where something is asked"),
        ("nan inputs", "inputs of trials must be finite; trial 1 has values that are not"),
        ("nan targets", "targets of trials must be finite; trial 2"),
        ("rare nan", "targets of trials must be finite; one trial of 32"),
        ("no trials", r"Problem.trials\(\) failed with AttributeError"),
        ("held out", "inputs of trials must be finite"),
        ("one loss", r"Problem.loss\(\) must be \(network,\), here \(1,\), not \(\)"),
        ("nan loss", r"Problem.loss\(\) must be finite; for outputs of zero it is nan"),
    ],
)
def test_a_task_is_refused(wrong: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Trainer(tiny(task=Problem(wrong=wrong, **SHORT)), CUBE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (Penalty(wrong="one number"), r"Penalty: the penalty must be \(network,\), here \(2,\), not \(\)"),
        (Penalty(wrong="no number"), r"not \(\)"),
        (Penalty(), "Penalty: this needs something that is not here"),
        (Price(0.1), "Price failed with RuntimeError.*check_regularizer shows where"),
        (Distance(0.1, projection="input"), "Distance of projection 'input': .*kind with_ends has places"),
        (Distance(0.1, projection="input", schedule=((3, 0), (4, 1))), "kind with_ends has places"),
        (Repulsion(0.1), "kind: learnable"),
        (TargetConnectome(0.1, source=np.eye(3)), r"TargetConnectome: source has shape \(3, 3\)"),  # type: ignore[arg-type]
    ],
    ids=lambda part: type(part).__name__ if not isinstance(part, str) else "",
)
def test_a_regularizer_is_refused(part: Penalty, said: str) -> None:
    with pytest.raises(UserError, match=said):
        Trainer(tiny(regularizer=part), CUBE)


def test_parts_that_keep_their_promises_are_not_changed_by_being_tried() -> None:
    assert Core() != Core(wrong="refuses")
    ours, plain = Trainer(tiny(core=Core()), CUBE), Trainer(SHARD, CUBE)
    np.testing.assert_array_equal(ours.dataset()["weights"], plain.dataset()["weights"])


def test_one_network_that_begins_beyond_all_numbers_does_not_stop_the_others() -> None:
    trainer = Trainer(SHARD, CUBE)
    with torch.no_grad():
        trainer.ensemble.projections()["recurrent"][0] = 1e38
    trainer._admit()
    with torch.no_grad():
        trainer.ensemble.projections()["recurrent"][:] = 1e38
    with pytest.raises(UserError, match="states must be finite; before any training they are not, from step [1-4] on"):
        trainer._admit()


# From the command line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("geometry=broken:Place", "geometry.wrong=detour"), "is no metric: from unit 1 to unit 6"),
        (("geometry=broken:Place", "geometry.wrong=wrong shape"), "Place.distances() has shape (7, 8)"),
        (("geometry.shape=[2,2,2]", "core=broken:Core", "core.wrong=no weights"), "must hold 'recurrent'"),
        (("geometry.shape=[2,2,2]", "core=broken:Core", "core.wrong=nan states"), "states must be finite"),
        (("geometry.shape=[2,2,2]", "task=broken:Problem", "task.wrong=no targets"), "targets of trials must be"),
        (("geometry.shape=[2,2,2]", "regularizer=broken:Penalty", "regularizer.wrong=one number"), "the penalty must"),
    ],
)
def test_the_command_says_what_is_wrong_and_leaves_with_2(
    words: tuple[str, ...], said: str, command: Callable[..., Outcome]
) -> None:
    rest = tuple(word for word in WORDS if not (word.startswith("task.") and any("task=" in each for each in words)))
    outcome = command("run", "preset=sernn_demo", *words, *rest, "--workers", "1", "--out", "run")
    assert outcome.code == 2
    assert said in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: ")


def test_a_library_user_reads_the_same(tmp_path: Path) -> None:
    experiment = Experiment.from_preset("sernn_demo").override("geometry.shape=[2,2,2]", *WORDS)
    with pytest.raises(UserError, match="must hold 'recurrent'"):
        experiment.replace(core=Core(wrong="no recurrent")).run(tmp_path / "run", workers=1, report=False)


# The triangle inequality


def test_shortest_ways_are_a_metric_and_lengths_with_a_shortcut_are_none() -> None:
    for seed in range(5):
        lengths = np.abs(random(30, 30, seed=seed))
        lengths = lengths + lengths.T
        np.fill_diagonal(lengths, 0)
        shortest = floyd_warshall(lengths)
        assert shorter_detour(shortest) is None
        found = shorter_detour(lengths)
        assert (found is None) == np.allclose(shortest, lengths, rtol=1e-6)
        assert found is not None
        start, middle, stop = found
        assert len({start, middle, stop}) == 3
        assert lengths[start, stop] > lengths[start, middle] + lengths[middle, stop]


def test_the_longest_shortcut_is_the_one_that_is_named() -> None:
    lengths = np.ones((6, 6)) - np.eye(6)
    lengths[2, 4] = lengths[4, 2] = 2.5
    lengths[1, 5] = lengths[5, 1] = 7.0
    found = shorter_detour(lengths)
    assert found is not None
    assert (found[0], found[2]) == (1, 5)


def test_rounding_is_no_detour() -> None:
    line = np.abs(np.subtract.outer(np.arange(50.0), np.arange(50.0)))
    assert shorter_detour(line.astype(np.float32).astype(np.float64)) is None
    assert shorter_detour(line * (1 + 1e-9 * np.sin(line))) is None
    assert shorter_detour(np.zeros((1, 1))) is None


def test_of_many_units_ways_from_some_are_compared() -> None:
    points = random(1500, 2)
    lengths = cdist(points, points)
    assert shorter_detour(lengths) is None
    lengths[:300, :300] *= 9
    found = shorter_detour(lengths)
    assert found is not None
    start, middle, stop = found
    assert max(start, stop) < 300
    assert lengths[start, stop] > lengths[start, middle] + lengths[middle, stop]
