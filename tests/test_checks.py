"""Components that violate a rule are refused before training, with a message that names the rule."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from broken import Core, Penalty, Place, Price, Problem
from conftest import Outcome
from scipy.sparse.csgraph import floyd_warshall
from scipy.spatial.distance import cdist
from tiny import CUBE, OVERRIDES, SHARD, random, tiny

from spatialnets import Experiment, UserError
from spatialnets.networks.metric import triangle_violation
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import Distance, Repulsion, TargetConnectome
from spatialnets.training.trainer import Trainer


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("flat positions", r"Place.positions\(\) has shape \(24,\); expected \(unit, 3\)"),
        ("wrong shape", r"Place.distances\(\) has shape \(7, 8\)"),
        ("asymmetric", "must be symmetric"),
        ("not finite", "must be finite; row 2 is not"),
        ("negative", "must not be negative"),
        ("detour", r"not a metric: units 1, [0-7] and 6 violate the triangle inequality \(d\(1, 6\) = 40 > [\d.]+ = "),
        ("refuses", "Place: this place does not exist"),
    ],
)
def test_an_invalid_geometry_is_refused(defect: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        StoredGeometry.of(Place(defect=defect))


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("no weights", r"Core.projections\(\) must contain 'recurrent'; it contains nothing"),
        ("no recurrent", "must contain 'recurrent'; it contains input"),
        ("a list", "must contain 'recurrent'"),
        (
            "no gate",
            r"projection 'recurrent' must have shape \(network, gate, pre, post\) = \(2, 1, 8, 8\), not \(2, 8, 8\)",
        ),
        (
            "short states",
            r"states must have shape \(network, trial, time, unit\) = \(2, 2, 5, 8\), not \(2, 2, 4, 8\)",
        ),
        ("no states", r"states must have shape \(network, trial, time, unit\) = \(2, 2, 5, 8\), not \(\)"),
        ("nan states", "states must be finite, but before any training they are not, from time step 0 on"),
        ("raises", "Core failed with RuntimeError: .*; test it with spatialnets.testing.check_core"),
        ("network last", r"parameter 'extra' must have the network as first dimension, but its shape is \(7,\)"),
        ("short trace", r"Core.trace\(\) must have shape \(network, trial, time, unit\)"),
        ("refuses", r"Core.build\(\): the number of units must be even"),
    ],
)
def test_an_invalid_core_is_refused(defect: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Trainer(tiny(core=Core(defect=defect)), CUBE)


SHORT = {"goal_steps": 2, "delay_steps": 1, "choice_steps": 2}


@pytest.mark.parametrize(
    ("defect", "message"),
    [
        ("no targets", r"targets of trials must have shape \(trial, time, output\) = \(4, 5, 4\), not \(\)"),
        ("few outputs", r"= \(4, 5, 4\), not \(4, 5, 3\)"),
        ("empty mask", "must be above 0 where an output is required"),
        ("nan inputs", "inputs of trials must be finite; trial 1 has values that are not"),
        ("nan targets", "targets of trials must be finite; trial 2"),
        ("rare nan", "targets of trials must be finite; at least one of 32 trials is not"),
        ("no trials", r"Problem.trials\(\) failed with AttributeError"),
        ("held out", "inputs of trials must be finite"),
        ("one loss", r"Problem.loss\(\) must have shape \(network,\) = \(1,\), not \(\)"),
        ("nan loss", r"Problem.loss\(\) must be finite; for outputs of 0 it is nan"),
    ],
)
def test_an_invalid_task_is_refused(defect: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Trainer(tiny(task=Problem(defect=defect, **SHORT)), CUBE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Penalty(defect="one number"), r"Penalty: the penalty must have shape \(network,\) = \(2,\), not \(\)"),
        (Penalty(defect="none"), r"not \(\)"),
        (Penalty(), "Penalty: this penalty needs states"),
        (Price(0.1), "Price failed with RuntimeError.*test it with spatialnets.testing.check_regularizer"),
        (
            Distance(0.1, projection="input"),
            "Distance of projection 'input': .*only a geometry such as with_ends gives positions",
        ),
        (Distance(0.1, projection="input", schedule=((3, 0), (4, 1))), "only a geometry such as with_ends"),
        (Repulsion(0.1), "kind: learnable"),
        (TargetConnectome(0.1, source=np.eye(3)), r"TargetConnectome: source has shape \(3, 3\)"),  # type: ignore[arg-type]
    ],
    ids=lambda part: type(part).__name__ if not isinstance(part, str) else "",
)
def test_an_invalid_regularizer_is_refused(part: Penalty, message: str) -> None:
    with pytest.raises(UserError, match=message):
        Trainer(tiny(regularizer=part), CUBE)


def test_checks_do_not_change_what_is_trained() -> None:
    assert Core() != Core(defect="refuses")
    ours, plain = Trainer(tiny(core=Core()), CUBE), Trainer(SHARD, CUBE)
    np.testing.assert_array_equal(ours.dataset()["weights"], plain.dataset()["weights"])


def test_infinite_states_are_refused_only_if_all_networks_have_them() -> None:
    trainer = Trainer(SHARD, CUBE)
    with torch.no_grad():
        trainer.ensemble.projections()["recurrent"][0] = 1e38
    trainer._check()
    with torch.no_grad():
        trainer.ensemble.projections()["recurrent"][:] = 1e38
    with pytest.raises(UserError, match="before any training they are not, from time step [1-4] on"):
        trainer._check()


# From the command line


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("geometry=broken:Place", "geometry.defect=detour"), "is not a metric: units 1, "),
        (("geometry=broken:Place", "geometry.defect=wrong shape"), "Place.distances() has shape (7, 8)"),
        (("geometry.shape=[2,2,2]", "core=broken:Core", "core.defect=no weights"), "must contain 'recurrent'"),
        (("geometry.shape=[2,2,2]", "core=broken:Core", "core.defect=nan states"), "states must be finite"),
        (
            ("geometry.shape=[2,2,2]", "task=broken:Problem", "task.defect=no targets"),
            "targets of trials must have shape",
        ),
        (("geometry.shape=[2,2,2]", "regularizer=broken:Penalty", "regularizer.defect=one number"), "the penalty must"),
    ],
)
def test_the_command_prints_the_message_and_exits_with_2(
    overrides: tuple[str, ...], message: str, command: Callable[..., Outcome]
) -> None:
    broken_task = any(override.startswith("task=") for override in overrides)
    rest = [override for override in OVERRIDES if not (broken_task and override.startswith("task."))]
    outcome = command("run", "preset=sernn_demo", *overrides, *rest, "--workers", "1", "--out", "run")
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.err.splitlines()[-1].startswith("error: ")


def test_a_run_in_python_raises_the_same_message(tmp_path: Path) -> None:
    experiment = Experiment.from_preset("sernn_demo").override("geometry.shape=[2,2,2]", *OVERRIDES)
    with pytest.raises(UserError, match="must contain 'recurrent'"):
        experiment.replace(core=Core(defect="no recurrent")).run(tmp_path / "run", workers=1, report=False)


# The triangle inequality


def test_shortest_path_lengths_are_a_metric_and_lengths_with_shortcuts_are_not() -> None:
    for seed in range(5):
        lengths = np.abs(random(30, 30, seed=seed))
        lengths = lengths + lengths.T
        np.fill_diagonal(lengths, 0)
        shortest = floyd_warshall(lengths)
        assert triangle_violation(shortest) is None
        violation = triangle_violation(lengths)
        assert (violation is None) == np.allclose(shortest, lengths, rtol=1e-6)
        assert violation is not None
        start, middle, stop = violation
        assert len({start, middle, stop}) == 3
        assert lengths[start, stop] > lengths[start, middle] + lengths[middle, stop]


def test_the_largest_violation_is_returned() -> None:
    lengths = np.ones((6, 6)) - np.eye(6)
    lengths[2, 4] = lengths[4, 2] = 2.5
    lengths[1, 5] = lengths[5, 1] = 7.0
    violation = triangle_violation(lengths)
    assert violation is not None
    assert (violation[0], violation[2]) == (1, 5)


def test_rounding_is_not_a_violation() -> None:
    line = np.abs(np.subtract.outer(np.arange(50.0), np.arange(50.0)))
    assert triangle_violation(line.astype(np.float32).astype(np.float64)) is None
    assert triangle_violation(line * (1 + 1e-9 * np.sin(line))) is None
    assert triangle_violation(np.zeros((1, 1))) is None


def test_many_units_are_checked_from_a_sample() -> None:
    points = random(1500, 2)
    lengths = cdist(points, points)
    assert triangle_violation(lengths) is None
    lengths[:300, :300] *= 9
    violation = triangle_violation(lengths)
    assert violation is not None
    start, middle, stop = violation
    assert max(start, stop) < 300
    assert lengths[start, stop] > lengths[start, middle] + lengths[middle, stop]
