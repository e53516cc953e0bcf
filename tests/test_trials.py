import numpy as np
import torch

from spatialnets.protocols import Trials
from spatialnets.rng import numpy_stream
from spatialnets.tasks import OneChoice
from spatialnets.training.trials import TrialSet


class Continuous(OneChoice):
    """A task in which no two trials are equal."""

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        trials = super().trials(count, generator)
        noise = generator.normal(size=trials.inputs.shape).astype(np.float32)
        mask = np.ones_like(trials.mask)
        return Trials(trials.inputs + noise, trials.targets, mask, trials.conditions, trials.periods)


def _set(task: OneChoice, count: int = 300, seeds: tuple[int, ...] = (4, 5)) -> TrialSet:
    streams = [numpy_stream(seed, "training trials") for seed in seeds]
    return TrialSet(task, count, streams, torch.float32, torch.device("cpu"))


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
    rows, counts = trials.counted()
    assert counts.sum(dim=1).tolist() == [300, 300]
    for network in range(2):
        expected = torch.bincount(trials.index[network], minlength=8)
        actual = torch.zeros(8).index_add(0, rows[network], counts[network])
        np.testing.assert_array_equal(actual, expected)
