import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spatialnets.errors import UserError
from spatialnets.networks.checks import check_task as check_task_before_training
from spatialnets.protocols import Task, Trials
from spatialnets.rng import numpy_stream
from spatialnets.tasks import Arrays, GoNoGo, NBack, OneChoice, SequentialDigits
from spatialnets.testing import check_task
from spatialnets.training.trials import FreshTrials, TrialSet

SMALL = OneChoice(goal_steps=1, delay_steps=0, choice_steps=1)
TABLE = Arrays(str(Path(__file__).parent / "data" / "tiny_arrays.npz"))
TASKS = (SMALL, replace(SMALL, labels="shuffled"), GoNoGo(delay_steps=(1, 3)), SequentialDigits(), TABLE)
LIKE = (torch.float32, torch.device("cpu"))


class Continuous(OneChoice):
    """A task in which no two trials are equal."""

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        trials = super().trials(count, generator)
        noise = generator.normal(size=trials.inputs.shape).astype(np.float32)
        mask = np.ones_like(trials.mask)
        return Trials(trials.inputs + noise, trials.targets, mask, trials.conditions, trials.periods)


@dataclass(frozen=True)
class Rarely(OneChoice):
    """A task that extends another one, whose trials have numbers, and changes a trial in a hundred."""

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        trials = super().trials(count, generator)
        trials.inputs[generator.random(count) < 0.01] = 7
        return trials


def _set(task: Task, count: int = 300, seeds: tuple[int, ...] = (4, 5)) -> TrialSet:
    streams = [numpy_stream(seed, "training trials") for seed in seeds]
    return TrialSet(task, count, streams, *LIKE)


def test_equal_trials_are_stored_once() -> None:
    assert len(_set(OneChoice()).inputs) == 8
    assert len(_set(OneChoice(problems="hard")).inputs) == 16
    assert len(_set(Continuous()).inputs) == 600


def test_a_batch_contains_the_trials_of_each_network_in_order() -> None:
    for task in (OneChoice(), OneChoice(labels="shuffled"), Continuous()):
        trials = _set(task)
        for network, seed in enumerate((4, 5)):
            drawn = task.trials(300, numpy_stream(seed, "training trials"))
            inputs, targets, mask, _ = trials.batch(64, 128)
            np.testing.assert_array_equal(inputs[network], drawn.inputs[64:128])
            np.testing.assert_array_equal(targets[network], drawn.targets[64:128][:, trials.steps])
            np.testing.assert_array_equal(mask[network], drawn.mask[64:128][:, trials.steps])


def test_only_steps_that_require_an_output_are_stored() -> None:
    assert _set(OneChoice()).steps == [49]
    assert _set(Continuous()).steps == list(range(50))


def test_counts_add_up_to_the_trials() -> None:
    trials = _set(OneChoice())
    assert trials.counts.sum(dim=1).tolist() == [300, 300]
    for network in range(2):
        expected = torch.bincount(trials.index[network], minlength=8)
        actual = torch.zeros(8).index_add(0, trials.rows[network], trials.counts[network])
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_the_distinct_trials_are_those_that_any_network_draws_once_each_in_the_order_of_their_bytes(task: Task) -> None:
    def bytes_of(inputs: NDArray[np.float32], targets: NDArray[np.float32], mask: NDArray[np.float32]) -> list[bytes]:
        return [b"".join(part.tobytes() for part in trial) for trial in zip(inputs, targets, mask, strict=True)]

    trials = _set(task)
    drawn = [task.trials(300, numpy_stream(seed, "training trials")) for seed in (4, 5)]
    every = [
        each for one in drawn for each in bytes_of(one.inputs, one.targets[:, trials.steps], one.mask[:, trials.steps])
    ]
    stored = bytes_of(trials.inputs.numpy(), trials.targets.numpy(), trials.mask.numpy())
    assert set(stored) == set(every)
    assert len(stored) == len(set(stored))
    # the steps that are not stored have the same targets in all trials of these tasks
    assert stored == sorted(stored)


@pytest.mark.parametrize("task", [*TASKS, NBack(items=3), Rarely(goal_steps=1)], ids=repr)
def test_trials_of_every_task_are_those_that_it_draws_from_the_same_generators(task: Task) -> None:
    fixed, fresh = _set(task), FreshTrials(task, (4, 5), *LIKE).batch(300, update=2)
    for network, seed in enumerate((4, 5)):
        for purpose, batch in ((("training trials",), fixed.batch(0, 300)), (("training trials", 2), fresh)):
            drawn = task.trials(300, numpy_stream(seed, *purpose))
            np.testing.assert_array_equal(batch.inputs[network], drawn.inputs)
            np.testing.assert_array_equal(batch.targets[network], drawn.targets[:, batch.steps])
            np.testing.assert_array_equal(batch.mask[network], drawn.mask[:, batch.steps])


def test_numbered_trials_are_built_once_for_all_networks() -> None:
    built: list[int] = []

    class Counted(OneChoice):
        def numbered(self, numbers: NDArray[np.int64]) -> Trials:
            built.append(len(numbers))
            return super().numbered(numbers)

    task = Counted()
    assert task.draws_numbers
    _set(task, seeds=tuple(range(20)))
    assert built == [8]
    FreshTrials(task, range(20), *LIKE).batch(300, update=0)
    assert built == [8, 8]


def test_a_data_set_is_stored_once_however_many_networks_draw_from_it() -> None:
    task = SequentialDigits()
    assert len(_set(task, count=5000, seeds=tuple(range(8))).inputs) <= len(task.labels()) == 1438


def test_a_task_that_draws_other_trials_than_the_one_it_extends_has_no_numbers() -> None:
    assert OneChoice.draws_numbers
    assert SequentialDigits.draws_numbers
    assert not Continuous.draws_numbers
    assert not GoNoGo.draws_numbers
    with pytest.raises(NotImplementedError, match="trials of GoNoGo have no numbers"):
        GoNoGo().draw_numbers(3, np.random.default_rng(0))
    with pytest.raises(NotImplementedError, match="trials of GoNoGo have no numbers"):
        GoNoGo().numbered(np.arange(3))


def test_trials_whose_length_differs_between_networks_are_refused() -> None:
    class Longer(OneChoice):
        def trials(self, count: int, generator: np.random.Generator) -> Trials:
            steps = 1 + int(generator.integers(20))
            return replace(self, goal_steps=steps).numbered(self.draw_numbers(count, generator))

    with pytest.raises(UserError, match=r"Longer: all trials must have the same shapes; .* of shape \(\d+, 8\)"):
        _set(Longer())


class Shifted(OneChoice):
    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        return super().numbered(super().draw_numbers(count, generator))

    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return (super().draw_numbers(count, generator) + 9) % 64


class Ordered(OneChoice):
    """Numbered trials that depend on their neighbours."""

    def numbered(self, numbers: NDArray[np.int64]) -> Trials:
        trials = super().numbered(numbers)
        trials.inputs[0] += 1
        return trials


class Unlabelled(Shifted):
    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return OneChoice.draw_numbers(self, count, generator)

    def numbered(self, numbers: NDArray[np.int64]) -> Trials:
        return replace(super().numbered(numbers), codes={})


class Fractional(Unlabelled):
    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return super().draw_numbers(count, generator).astype(float)


class Few(Unlabelled):
    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return super().draw_numbers(count, generator)[1:]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Shifted, "inputs of numbered trials must be those of the trials that the same generator draws"),
        (Ordered, "inputs of numbered trials must be those of the trials"),
        (Unlabelled, "codes of numbered trials must be those of the trials"),
        (Fractional, "the numbers of trials must be int64, not float64"),
        (Few, "draw_numbers must return one number for each trial, not (63,)"),
    ],
)
def test_the_contract_rejects_wrong_numbers(task: Callable[[], Task], message: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(message)):
        check_task(task())


def test_a_task_with_wrong_numbers_is_refused_before_training() -> None:
    for task in (Shifted(), Few()):
        with pytest.raises(UserError, match="the trials of the numbers that draw_numbers"):
            check_task_before_training(task)
    with pytest.raises(UserError, match=r"Fractional.numbered\(\) failed with IndexError.*testing.check_task"):
        check_task_before_training(Fractional())
