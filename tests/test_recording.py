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
from spatialnets.training.shard import Shard, Training
from spatialnets.training.trainer import Trainer
from spatialnets.training.trials import TrialSet

GRID = StoredGeometry(Grid((3, 2, 2)).positions(), Grid((3, 2, 2)).distances(), "step")
TASK = OneChoice(goal_steps=4, delay_steps=2, choice_steps=4)


class GatedModule(nn.Module):
    """States that are let through by a gate; weights lie (post, gate and pre) as torch has them."""

    def __init__(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> None:
        super().__init__()

        def drawn(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.stack([torch.randn(*shape, generator=one) / 4 for one in generators]))

        self.weight_hidden = drawn(2, n_units, n_units)
        self.input = drawn(2, n_inputs, n_units)
        self.offset = drawn(2, n_units)

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
    """Of its weights, a run keeps the magnitudes alone."""

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


def test_rebuilt_networks_score_what_was_stored(trainer: Trainer) -> None:
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
        # counts of right answers: equal, or wrong; float32 division
        np.testing.assert_allclose(accuracy.numpy(), stored, atol=1e-6)
    assert len(np.unique(shard["validation_accuracy"])) > 3  # or all epochs would be alike


def test_recorded_states_are_those_of_the_trained_networks(trainer: Trainer) -> None:
    recording = record(trainer.dataset(), 2, trainer.shard.core, TASK, trials=50)
    assert recording.states.shape == (3, 50, 10, 12)
    assert recording.states.dtype == np.float32
    inputs = torch.from_numpy(np.stack([trials.inputs for trials in recording.trials]))
    with torch.no_grad():
        states = trainer.ensemble.recurrent(inputs).numpy()
    np.testing.assert_allclose(recording.states, states, atol=1e-5)  # products in another order, over 10 steps


def test_with_noise_every_trial_differs(trainer: Trainer) -> None:
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
def test_a_network_is_recorded_alone_as_in_company(input_noise: float) -> None:
    trainer = trained(RNN())
    shard = trainer.dataset()
    together = record(shard, 1, RNN(), TASK, 30, input_noise)
    alone = record(shard.isel(network=[2]), 1, RNN(), TASK, 30, input_noise)
    np.testing.assert_array_equal(together.trials[2].inputs, alone.trials[0].inputs)
    np.testing.assert_allclose(together.states[2], alone.states[0], atol=1e-6)  # batches of another size round apart


def test_networks_see_different_trials() -> None:
    first, second, _ = record(trained(RNN()).dataset(), 0, RNN(), TASK, 30).trials
    assert not np.array_equal(first.inputs, second.inputs)


def test_a_network_that_diverged_is_nan_and_disturbs_nobody() -> None:
    shard = trained(RNN(), strength=(0.001, 1e38, 0.001)).dataset()
    assert shard["status"].to_numpy().tolist() == ["trained", "diverged", "trained"]
    recording = record(shard, 2, RNN(), TASK, 30)
    assert np.isnan(recording.states[1]).all()
    assert np.isfinite(recording.states[[0, 2]]).all()
    alone = record(shard.isel(network=[2]), 2, RNN(), TASK, 30)
    np.testing.assert_allclose(recording.states[2], alone.states[0], atol=1e-6)


def test_a_network_with_any_weight_that_is_not_finite_counts_as_diverged() -> None:
    shard = trained(RNN()).dataset()
    shard["weights_readout"][1, 2, 0, 0] = np.nan  # states do not feel it
    recording = record(shard, 2, RNN(), TASK, 10)
    assert np.isnan(recording.states).all(axis=(1, 2, 3)).tolist() == [False, True, False]


def test_what_does_not_belong_to_the_core_is_refused() -> None:
    shard = trained(RNN()).dataset()
    with pytest.raises(ValueError, match="holds no parameter_weight_hidden"):
        rebuild(shard, 0, Gated(), TASK)
    with pytest.raises(ValueError, match=r"weights_input is \(3, 1, 8, 12\) in the shard"):
        rebuild(shard, 0, RNN(), Wider())
    with pytest.raises(ValueError, match="is computed"):
        rebuild(shard, 0, Positive(), TASK)


class Wider(OneChoice):
    @property
    def n_inputs(self) -> int:
        return 9


def test_a_name_that_two_parameters_share_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    shard = trained(Gated()).dataset()

    def build(core: Gated, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> GatedModule:
        module = GatedModule(n_inputs, n_units, generators)
        module.add_module("other", nn.ParameterDict({"offset": module.offset.detach().clone()}))
        return module

    monkeypatch.setattr(Gated, "build", build)
    with pytest.raises(ValueError, match="two parameters share a name"):
        rebuild(shard, 0, Gated(), TASK)


@pytest.mark.parametrize(("trials", "noise", "said"), [(0, 0.0, "trials must be"), (5, -1.0, "input_noise must be")])
def test_recordings_that_cannot_be_are_refused(trials: int, noise: float, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        record(xr.Dataset(), 0, RNN(), TASK, trials, noise)


def test_windows_are_means_of_a_few_steps() -> None:
    states = np.random.default_rng(0).normal(size=(2, 3, 12, 4))
    found = windows(states)
    assert found.shape == (2, 3, 3, 4)
    np.testing.assert_allclose(found[1, 2, 1], states[1, 2, 5:10].mean(axis=0))
    np.testing.assert_allclose(found[:, :, 2], states[:, :, 10:].mean(axis=2))  # the last is shorter
    for bad, steps in ((states, 0), (np.zeros(5), 2)):
        with pytest.raises(ValueError, match="steps must be|expected states"):
            windows(bad, steps)


def test_without_codes_conditions_are_taken_one_hot() -> None:
    trials = OneChoice().trials(30, np.random.default_rng(0))
    bare = Trials(trials.inputs, trials.targets, trials.mask, trials.conditions, trials.periods)
    found = codes_of(bare)
    assert {name: columns.shape for name, columns in found.items()} == {
        "problem": (30, 8),
        "goal": (30, 4),
        "choices": (30, 5),
        "correct": (30, 4),
        "label": (30, 4),
    }
    assert all((columns.sum(axis=1) == 1).all() for columns in found.values())
    for label, column in zip(np.unique(trials.conditions["goal"]), found["goal"].T, strict=True):
        np.testing.assert_array_equal(column == 1, trials.conditions["goal"] == label)
    assert codes_of(trials) is trials.codes
