from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
import xarray as xr
from torch import Tensor, nn

from spatialnets.cores import RNN
from spatialnets.cores.modules.rnn import RNNModule
from spatialnets.geometries import Grid
from spatialnets.networks.recording import codes_of, rebuild, record, windows
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Recurrent, RecurrentCore, Trials
from spatialnets.regularizers import L1
from spatialnets.rng import numpy_stream
from spatialnets.tasks import OneChoice
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard
from spatialnets.training.trainer import Trainer
from spatialnets.training.trials import TrialSet

GRID = StoredGeometry(Grid((3, 2, 2)).positions(), Grid((3, 2, 2)).distances(), "step")
TASK = OneChoice(goal_steps=4, delay_steps=2, choice_steps=4)


class GatedModule(nn.Module):
    """States that a gate updates; recurrent weights are stored as (gate, post, pre), as in PyTorch."""

    def __init__(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()

        def initial(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.stack([torch.randn(*shape, generator=one) / 4 for one in generators]))

        self.weight_hidden = initial(2, n_units, n_units)
        self.input = initial(2, n_inputs, n_units)
        self.offset = initial(2, n_units)

    def forward(self, inputs: Tensor) -> Tensor:
        state = inputs.new_zeros(*inputs.shape[:2], self.offset.shape[-1])
        states = []
        for step in inputs.unbind(2):
            drive = torch.einsum("nti,ngij->ngtj", step, self.input) + self.offset[:, :, None]
            gate, new = (drive + torch.einsum("nti,ngji->ngtj", state, self.weight_hidden)).unbind(1)
            state = torch.lerp(state, new.tanh(), gate.sigmoid())
            states.append(state)
        return torch.stack(states, 2)

    def projections(self) -> dict[str, Tensor]:
        return {"recurrent": self.weight_hidden.mT, "input": self.input}


@dataclass(frozen=True)
class Gated(RecurrentCore):
    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        return GatedModule(n_inputs, n_units, generators)


class PositiveModule(RNNModule):
    def projections(self) -> dict[str, Tensor]:
        return {"recurrent": self.recurrent.abs()[:, None], "input": self.input[:, None]}


@dataclass(frozen=True)
class Positive(RNN):
    """A core of whose weights a run stores only the magnitudes."""

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        return PositiveModule(n_inputs, n_units, generators, self.nonlinearity, self.gain)


@cache
def trained(core: RecurrentCore, strength: float | tuple[float, ...] = 0.001) -> Trainer:
    shard = Shard(
        index=0,
        group="l1",
        networks=(0, 1, 2),
        seeds=(5, 6, 7),
        geometry="grid",
        core=core,
        regularizer=L1(strength),
        task=TASK,
        training=Training(epochs=2, trials_per_epoch=128, batch_size=32, validation_trials=200, learning_rate=0.02),
    )
    trainer = Trainer(shard, GRID)
    for _ in range(2):
        trainer.run_epoch(lambda updates, epoch: None)
    return trainer


@pytest.fixture(scope="module", params=[RNN(), Gated()], ids=["rnn", "gated"])
def trainer(request: pytest.FixtureRequest) -> Trainer:
    return trained(request.param)


# Oracle: the trainer


def test_rebuilt_networks_have_the_stored_accuracy(trainer: Trainer) -> None:
    shard = trainer.dataset()
    validation = TrialSet(
        TASK, 200, [numpy_stream(seed, "validation trials") for seed in (5, 6, 7)], torch.float32, torch.device("cpu")
    )
    inputs, targets, mask, _ = validation.batch(0, 200)
    for epoch in range(3):
        ensemble = rebuild(shard, epoch, trainer.shard.core, TASK)
        with torch.no_grad():
            accuracy = TASK.accuracy(ensemble(inputs, validation.steps), targets, mask)
        stored = shard["validation_accuracy"].sel(epoch=epoch).to_numpy()
        # counts of correct trials are equal; float32 division
        np.testing.assert_allclose(accuracy.numpy(), stored, atol=1e-6)
    assert len(np.unique(shard["validation_accuracy"])) > 3  # epochs differ


def test_recorded_states_are_those_of_the_trained_networks(trainer: Trainer) -> None:
    recording = record(trainer.dataset(), 2, trainer.shard.core, TASK, trials=50)
    assert recording.states.shape == (3, 50, 10, 12)
    assert recording.states.dtype == np.float32
    inputs = torch.from_numpy(np.stack([trials.inputs for trials in recording.trials]))
    with torch.no_grad():
        states = trainer.ensemble.recurrent(inputs).numpy()
    np.testing.assert_allclose(recording.states, states, atol=1e-5)  # sums in a different order, over 10 steps


def test_input_noise_makes_all_trials_differ(trainer: Trainer) -> None:
    shard, core = trainer.dataset(), trainer.shard.core
    quiet, noisy = record(shard, 2, core, TASK, trials=40), record(shard, 2, core, TASK, trials=40, input_noise=0.05)
    assert len(np.unique(quiet.states[0].reshape(40, -1), axis=0)) <= 8  # problems
    assert len(np.unique(noisy.states[0].reshape(40, -1), axis=0)) == 40
    np.testing.assert_array_equal(quiet.trials[1].inputs, noisy.trials[1].inputs)
    assert 0 < np.abs(noisy.states - quiet.states).mean() < 0.2
    again = record(shard, 2, core, TASK, trials=40, input_noise=0.05)
    np.testing.assert_array_equal(noisy.states, again.states)


# Properties


@pytest.mark.parametrize("input_noise", [0.0, 0.05])
def test_a_recording_does_not_depend_on_the_other_networks(input_noise: float) -> None:
    trainer = trained(RNN())
    shard = trainer.dataset()
    together = record(shard, 1, RNN(), TASK, 30, input_noise)
    alone = record(shard.isel(network=[2]), 1, RNN(), TASK, 30, input_noise)
    np.testing.assert_array_equal(together.trials[2].inputs, alone.trials[0].inputs)
    np.testing.assert_allclose(
        together.states[2], alone.states[0], atol=1e-6
    )  # rounding depends on the size of the batch


def test_networks_see_different_trials() -> None:
    first, second, _ = record(trained(RNN()).dataset(), 0, RNN(), TASK, 30).trials
    assert not np.array_equal(first.inputs, second.inputs)


def test_a_diverged_network_is_nan_and_does_not_affect_the_others() -> None:
    shard = trained(RNN(), strength=(0.001, 1e38, 0.001)).dataset()
    assert shard["status"].to_numpy().tolist() == ["trained", "diverged", "trained"]
    recording = record(shard, 2, RNN(), TASK, 30)
    assert np.isnan(recording.states[1]).all()
    assert np.isfinite(recording.states[[0, 2]]).all()
    alone = record(shard.isel(network=[2]), 2, RNN(), TASK, 30)
    np.testing.assert_allclose(recording.states[2], alone.states[0], atol=1e-6)


def test_a_network_with_one_weight_that_is_not_finite_counts_as_diverged() -> None:
    shard = trained(RNN()).dataset()
    shard["weights_readout"][1, 2, 0, 0] = np.nan  # states do not depend on it
    recording = record(shard, 2, RNN(), TASK, 10)
    assert np.isnan(recording.states).all(axis=(1, 2, 3)).tolist() == [False, True, False]


def test_weights_that_do_not_fit_the_core_are_refused() -> None:
    shard = trained(RNN()).dataset()
    with pytest.raises(ValueError, match="has no parameter_weight_hidden, which Gated.* needs"):
        rebuild(shard, 0, Gated(), TASK)
    with pytest.raises(ValueError, match=r"weights_input has shape \(3, 1, 8, 12\) in the shard, but \(3, 1, 9, 12\)"):
        rebuild(shard, 0, RNN(), Wider())
    with pytest.raises(ValueError, match="is not a view of its parameters"):
        rebuild(shard, 0, Positive(), TASK)


class Wider(OneChoice):
    @property
    def n_inputs(self) -> int:
        return 9


def test_parameters_that_share_a_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = trained(Gated()).dataset()

    def build(core: Gated, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> GatedModule:
        module = GatedModule(n_inputs, n_units, generators)
        module.add_module("other", nn.ParameterDict({"offset": module.offset.detach().clone()}))
        return module

    monkeypatch.setattr(Gated, "build", build)
    with pytest.raises(ValueError, match="two parameters share a name"):
        rebuild(shard, 0, Gated(), TASK)


@pytest.mark.parametrize(("trials", "noise", "message"), [(0, 0.0, "trials must be"), (5, -1.0, "input_noise must be")])
def test_invalid_arguments_of_recordings_are_refused(trials: int, noise: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        record(xr.Dataset(), 0, RNN(), TASK, trials, noise)


def test_windows_are_means_of_a_few_steps() -> None:
    states = np.random.default_rng(0).normal(size=(2, 3, 12, 4))
    means = windows(states)
    assert means.shape == (2, 3, 3, 4)
    np.testing.assert_allclose(means[1, 2, 1], states[1, 2, 5:10].mean(axis=0))
    np.testing.assert_allclose(means[:, :, 2], states[:, :, 10:].mean(axis=2))  # the last window is shorter
    for invalid, steps in ((states, 0), (np.zeros(5), 2)):
        with pytest.raises(ValueError, match="steps must be|expected states"):
            windows(invalid, steps)


def test_without_codes_conditions_are_one_hot_encoded() -> None:
    trials = OneChoice().trials(30, np.random.default_rng(0))
    without_codes = Trials(trials.inputs, trials.targets, trials.mask, trials.conditions, trials.periods)
    codes = codes_of(without_codes)
    assert {name: columns.shape for name, columns in codes.items()} == {
        "problem": (30, 8),
        "goal": (30, 4),
        "choices": (30, 5),
        "correct": (30, 4),
        "label": (30, 4),
    }
    assert all((columns.sum(axis=1) == 1).all() for columns in codes.values())
    for label, column in zip(np.unique(trials.conditions["goal"]), codes["goal"].T, strict=True):
        np.testing.assert_array_equal(column == 1, trials.conditions["goal"] == label)
    assert codes_of(trials) is trials.codes
