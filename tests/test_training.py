import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tiny import OVERRIDES
from torch import Tensor

from spatialnets import Experiment
from spatialnets.compiled import HAS_NUMBA
from spatialnets.cores import RNN
from spatialnets.errors import RunError, UserError
from spatialnets.geometries import Grid
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import L1, Both, Communicability, Distance
from spatialnets.tasks import OneChoice
from spatialnets.training.checkpoint import updates_in
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard
from spatialnets.training.trainer import Trainer, train
from spatialnets.training.trials import Batch, FreshTrials

GOLDEN = np.load(Path(__file__).parent / "data" / "golden.npz")
GRID = StoredGeometry(Grid().positions(), Grid().distances(), "step")
SHORT = Training(epochs=2, trials_per_epoch=256, batch_size=64, validation_trials=128)
SMALL_GRID = StoredGeometry(Grid((3, 3, 2)).positions(), Grid((3, 3, 2)).distances(), "step")


def shard(seeds: tuple[int, ...] = (0, 1, 2), strength: tuple[float, ...] | float = 0.05) -> Shard:
    return Shard(
        index=0,
        group="sernn",
        networks=tuple(range(len(seeds))),
        seeds=seeds,
        geometry="grid",
        core=RNN(),
        regularizer=Both(strength=strength),
        task=OneChoice(),
        training=SHORT,
    )


# Oracle: the authors' own code


@pytest.mark.parametrize("which", [0, 1, 2])
def test_ten_updates_equal_those_of_the_authors(which: int) -> None:
    def golden(name: str) -> NDArray[np.float32]:
        return GOLDEN[f"train{which}__{name}"]

    strength = float(golden("strength"))
    regularizer = {"both": Both(strength), "distance": Distance(strength), "l1": L1(strength)}[str(golden("kind"))]
    trainer = Trainer(replace(shard(seeds=(0,)), regularizer=regularizer), GRID)
    parameters = {name.rpartition(".")[2]: value for name, value in trainer.ensemble.named_parameters()}
    names = {
        "input": "input",
        "recurrent": "recurrent",
        "bias": "hidden_bias",
        "readout": "readout",
        "readout_bias": "readout_bias",
    }
    assert set(parameters) == set(names)
    with torch.no_grad():
        for ours, theirs in names.items():
            parameters[ours][0] = torch.tensor(golden(f"{theirs}_before"))
    inputs, targets = torch.tensor(GOLDEN["task__inputs"]), torch.tensor(GOLDEN["task__targets"])
    with torch.no_grad():
        states = trainer.ensemble.recurrent(inputs[None])[0]
    # float32 rounding over 50 steps
    np.testing.assert_allclose(states.numpy(), golden("states_before"), rtol=1e-4, atol=1e-5)
    losses = []
    for problems in torch.tensor(golden("problems")):
        mask = torch.ones(1, len(problems), 1)
        batch = Batch(inputs[None, problems], targets[None, problems, None], mask, trainer.training_trials.steps)
        loss, _ = trainer.update(batch)
        losses.append(float(loss))
    # not closer, because Adam divides gradients that are zero up to rounding by their own size
    np.testing.assert_allclose(losses, golden("loss"), rtol=1e-4)
    for ours, theirs in names.items():
        error = np.abs(parameters[ours][0].detach().numpy() - golden(f"{theirs}_after"))
        assert np.quantile(error, 0.99) < 2e-4  # a fifth of one step of size 0.001, for the same reason


# Properties


def test_a_network_is_the_same_alone_and_in_an_ensemble_of_fifty() -> None:
    strengths = tuple(0.01 * (index + 1) for index in range(50))
    together = train(shard(seeds=tuple(range(3, 53)), strength=strengths), GRID)
    alone = train(replace(shard(seeds=(5,), strength=strengths[2]), networks=(2,)), GRID)
    np.testing.assert_array_equal(alone["weights"].sel(epoch=0)[0], together["weights"].sel(epoch=0)[2])
    # where a gradient is nearly zero, Adam may enlarge rounding to one step (0.001); most weights agree closely
    error = np.abs(alone["weights"][0, -1].to_numpy() - together["weights"][2, -1].to_numpy())
    assert np.quantile(error, 0.99) < 1e-4
    np.testing.assert_allclose(alone["loss"][0], together["loss"][2], rtol=1e-4)


def test_networks_depend_on_seed_and_strength() -> None:
    data = train(shard(seeds=(1, 1, 2), strength=(0.05, 0.5, 0.05)), SMALL_GRID)
    first = data["weights"].sel(epoch=0).to_numpy()
    last = data["weights"].sel(epoch=2).to_numpy()
    np.testing.assert_array_equal(first[0], first[1])
    assert not np.allclose(first[0], first[2])
    assert np.abs(last[1]).sum() < np.abs(last[0]).sum()


def test_networks_learn_the_task() -> None:
    task = OneChoice(goal_steps=2, delay_steps=1, choice_steps=2)
    training = Training(epochs=10, trials_per_epoch=2560, batch_size=64, learning_rate=0.003)
    data = train(replace(shard(strength=1e-4), task=task, training=training, regularizer=Distance(1e-4)), SMALL_GRID)
    assert float(data["validation_accuracy"][:, 0].mean()) < 0.6
    assert float(data["validation_accuracy"][:, -1].mean()) > 0.9
    assert float(data["loss"][:, -1].mean()) < float(data["loss"][:, 0].mean())


def test_stored_penalties_are_those_of_the_stored_weights() -> None:
    data = train(shard(strength=(0.05, 0.1, 0.2)), GRID)
    from spatialnets import Snapshot

    for epoch in (0, 2):
        weights = torch.from_numpy(data["weights"].sel(epoch=epoch).to_numpy())
        snapshot = Snapshot(weights=weights, distances=torch.from_numpy(GRID.distances))
        penalty = Both((0.05, 0.1, 0.2)).penalty(snapshot).numpy()
        np.testing.assert_allclose(data["penalty"].sel(epoch=epoch), penalty, rtol=1e-5)  # float32
    assert data["weights"].dims == ("network", "epoch", "pre", "post")
    assert data["weights_input"].dims == ("network", "epoch", "input", "post")
    assert data["weights_readout"].dims == ("network", "epoch", "pre", "output")
    assert data["weights"].dtype == np.float32
    assert data.attrs["length_unit"] == "step"
    np.testing.assert_array_equal(data["strength"], [0.05, 0.1, 0.2])


def test_training_resumed_after_an_epoch_is_bit_identical(tmp_path: Path) -> None:
    whole = train(shard(), GRID)
    checkpoint = tmp_path / "checkpoint.npz"
    first = Trainer(shard(), GRID)
    first.run_epoch(lambda updates, epoch: None)
    first.save(checkpoint)
    continued = train(shard(), GRID, checkpoint)
    assert whole.identical(continued)


class Stopped(Exception):
    """Training is stopped between two updates."""


@pytest.mark.parametrize(
    ("more", "method"),
    [
        ({}, "exact"),
        ({"recurrent_noise": 0.1}, "stochastic"),
        ({"fresh_trials": True, "recurrent_noise": 0.1}, "exact"),
    ],
    ids=["plain", "noisy", "fresh"],
)
def test_training_resumed_within_an_epoch_is_bit_identical(
    tmp_path: Path, more: dict[str, Any], method: Literal["exact", "stochastic"]
) -> None:
    noisy = replace(shard(), training=replace(SHORT, **more), regularizer=Both(0.1, method=method))
    whole, checkpoint = train(noisy, SMALL_GRID), tmp_path / "checkpoint.npz"
    for stop_after in range(1, SHORT.updates_per_epoch):
        trainer = Trainer(noisy, SMALL_GRID)

        def stop(trainer: Trainer = trainer, stop_after: int = stop_after) -> None:
            if trainer.epoch == 2 and trainer.updates_done == stop_after:
                trainer.save(checkpoint)
                raise Stopped

        trainer.run_epoch(lambda updates, epoch: None, stop)
        with pytest.raises(Stopped):
            trainer.run_epoch(lambda updates, epoch: None, stop)
        assert updates_in(checkpoint) == SHORT.updates_per_epoch + stop_after
        resumed = Trainer(noisy, SMALL_GRID)
        resumed.restore(checkpoint)
        assert (resumed.epoch, resumed.updates_done) == (2, stop_after)
        assert whole.identical(train(noisy, SMALL_GRID, checkpoint))


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_training import CHANCE, SMALL_GRID
from spatialnets.training import trainer

trainer.CHECKPOINT_SECONDS = 0.0  # a checkpoint after every update
done = 0

def advance(networks, epoch):
    global done
    done += 1
    if done == 6:  # the second of four updates of the second epoch, of which the first is in the checkpoint
        os.kill(os.getpid(), signal.SIGKILL)

trainer.train(CHANCE, SMALL_GRID, Path(sys.argv[2]), advance)
"""
CHANCE = replace(
    shard(),
    training=replace(SHORT, fresh_trials=True, recurrent_noise=0.1),
    regularizer=Both(0.1, method="stochastic") + Communicability(0.1, method="stochastic"),
)
"""A shard with everything that is drawn at random in every update."""


@pytest.mark.skipif(not HAS_NUMBA, reason="numba is not installed, so there is nothing to compare")
def test_training_is_bit_identical_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = train(CHANCE, SMALL_GRID)
    monkeypatch.setattr("spatialnets.compiled.HAS_NUMBA", False)
    assert compiled.identical(train(CHANCE, SMALL_GRID))


def test_a_run_is_bit_identical_whatever_number_of_threads_pytorch_had(tmp_path: Path) -> None:
    experiment = Experiment.from_preset("sernn_demo").override(*OVERRIDES, "training.recurrent_noise=0.1")
    before, groups = torch.get_num_threads(), []
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            run = experiment.run(tmp_path / str(threads), workers=1, report=False)
            groups.append([run[group] for group in run.groups])
    finally:
        torch.set_num_threads(before)
    assert all(one.identical(other) for one, other in zip(*groups, strict=True))


@pytest.mark.slow
def test_training_killed_within_an_epoch_is_bit_identical_whatever_it_draws(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parent), str(checkpoint)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    assert updates_in(checkpoint) == 5
    assert train(CHANCE, SMALL_GRID).identical(train(CHANCE, SMALL_GRID, checkpoint))


def test_a_checkpoint_is_written_every_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10**6, 25))  # every call advances it by 25 seconds
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    saved: list[tuple[int, int]] = []
    monkeypatch.setattr(Trainer, "save", lambda trainer, path: saved.append((trainer.epoch, trainer.updates_done)))
    train(shard(), SMALL_GRID, tmp_path / "checkpoint.npz")
    assert any(updates for _, updates in saved)
    gaps = np.diff([epoch * SHORT.updates_per_epoch + updates for epoch, updates in saved])
    assert 1 <= min(gaps) <= max(gaps) <= 3  # updates; the clock is read once for each and twice for a checkpoint


# at most a minute is lost
@pytest.mark.parametrize(("cost", "expected"), [(0.01, [*range(1, 13)]), (0.2, [1, 5, 9]), (1e3, [1, 11])])
def test_checkpoints_after_epochs_take_at_most_a_hundredth_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cost: float, expected: list[int]
) -> None:
    now, saved = 0.0, []

    def save(trainer: Trainer, path: Path) -> None:
        nonlocal now
        now += cost
        saved.append(trainer.epoch)

    def advance(updates: int, epoch: int) -> None:
        nonlocal now
        now += 6.0 / SHORT.updates_per_epoch  # six seconds an epoch

    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(Trainer, "save", save)
    train(replace(shard(), training=replace(SHORT, epochs=12)), SMALL_GRID, tmp_path / "checkpoint.npz", advance)
    assert saved == expected


def test_a_damaged_checkpoint_is_renamed_and_training_starts_again(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    trainer = Trainer(shard(), SMALL_GRID)
    trainer.run_epoch(lambda updates, epoch: None)
    trainer.save(checkpoint)
    damaged = checkpoint.read_bytes()[:1000]
    checkpoint.write_bytes(damaged)
    messages: list[str] = []
    assert train(shard(), SMALL_GRID, checkpoint, say=messages.append).identical(train(shard(), SMALL_GRID))
    assert len(messages) == 1
    assert "was renamed to checkpoint.npz.damaged, and training of its networks starts again" in messages[0]
    assert (tmp_path / "checkpoint.npz.damaged").read_bytes() == damaged


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    trainer = Trainer(shard(), SMALL_GRID)
    trainer.save(checkpoint)
    content = checkpoint.read_bytes()
    trainer.restore(checkpoint)
    for position in np.random.default_rng(0).integers(len(content), size=100):
        damaged = bytearray(content)
        damaged[position] ^= 1 << int(position) % 8
        checkpoint.write_bytes(damaged)
        with pytest.raises(RunError, match="cannot be read: it does not match its checksum"):
            trainer.restore(checkpoint)
    checkpoint.write_bytes(content)
    other = Trainer(replace(shard(seeds=(0,)), networks=(0,)), SMALL_GRID)
    with pytest.raises(RunError, match="belongs to other networks"):
        other.restore(checkpoint)


def test_a_diverged_network_does_not_affect_the_others() -> None:
    strengths = (0.05, 1e38, 0.1)
    data = train(shard(strength=strengths), GRID)
    assert data["status"].to_numpy().tolist() == ["trained", "diverged", "trained"]
    assert "no longer finite in epoch 1" in str(data["reason"][1].item())
    assert data["reason"].to_numpy().tolist()[::2] == ["", ""]
    assert np.isnan(data["weights"][1, -1]).all()
    assert np.isfinite(data["weights"][1, 0]).all()
    assert np.isnan(data["validation_accuracy"][1, -1])
    alone = train(replace(shard(seeds=(0, 2), strength=(0.05, 0.1)), networks=(0, 2)), GRID)
    error = np.abs(alone["weights"][1, -1].to_numpy() - data["weights"][2, -1].to_numpy())
    assert np.quantile(error, 0.99) < 1e-4  # as above


def test_a_network_whose_squared_gradient_overflows_counts_as_diverged() -> None:
    data = train(shard(strength=(0.05, 1e25, 0.1)), SMALL_GRID)  # the loss is finite, but the squared gradient is not
    assert data["status"].to_numpy().tolist() == ["trained", "diverged", "trained"]


def test_input_noise_affects_only_training() -> None:
    silent = replace(shard(), training=replace(SHORT, input_noise=0.0))
    data, noiseless = train(shard(), SMALL_GRID), train(silent, SMALL_GRID)
    np.testing.assert_array_equal(data["validation_loss"][:, 0], noiseless["validation_loss"][:, 0])
    assert not np.allclose(data["loss"][:, 1], noiseless["loss"][:, 1])
    mixed = replace(shard(), training=replace(SHORT, input_noise=(0.05, 0.0, 0.0)))
    np.testing.assert_allclose(train(mixed, SMALL_GRID)["loss"][:1], data["loss"][:1], rtol=1e-5)
    np.testing.assert_allclose(train(mixed, SMALL_GRID)["loss"][1:], noiseless["loss"][1:], rtol=1e-5)


def test_training_in_float64_is_close_to_float32() -> None:
    double = replace(shard(), training=replace(SHORT, precision="float64"), regularizer=Communicability(0.1))
    single = replace(shard(), regularizer=Communicability(0.1))
    np.testing.assert_allclose(
        train(double, SMALL_GRID)["loss"], train(single, SMALL_GRID)["loss"], rtol=1e-3
    )  # rounding, enlarged by Adam


def test_noise_is_drawn_again_for_every_update_and_epoch_and_leaves_the_stored_trials_as_they_are() -> None:
    seen: list[Tensor] = []
    trainer = Trainer(shard(), SMALL_GRID)
    stored, update = trainer.training_trials.inputs.clone(), trainer.update

    def watch(batch: Batch, noise: Tensor | None = None, epoch: float = 0.0) -> tuple[Tensor, Tensor]:
        first = (len(seen) % SHORT.updates_per_epoch) * SHORT.batch_size
        seen.append(batch.inputs - trainer.training_trials.batch(first, first + SHORT.batch_size).inputs)
        return update(batch, noise, epoch)

    trainer.update = watch  # type: ignore[method-assign]
    for _ in range(2):
        trainer.run_epoch(lambda updates, epoch: None)
    assert torch.equal(trainer.training_trials.inputs, stored)
    noise = torch.stack(seen).view(2 * SHORT.updates_per_epoch * 3, -1)  # of each update and network
    # 25,600 numbers each: the standard error of a standard deviation is 0.4 %
    torch.testing.assert_close(noise.std(dim=1), torch.full((len(noise),), 0.05), rtol=0.02, atol=0)
    correlations = torch.corrcoef(noise).fill_diagonal_(0)
    assert float(correlations.abs().max()) < 4.5 / 25_600**0.5  # normal deviates; the seeds are fixed


# Fresh trials and recurrent noise


def test_fresh_trials_depend_only_on_seed_and_update() -> None:
    task, like = OneChoice(), (torch.float32, torch.device("cpu"))
    fresh = FreshTrials(task, (3, 4), *like)
    first, later = fresh.batch(16, 0), fresh.batch(16, 7)
    again = FreshTrials(task, (4, 3), *like)  # networks and updates in another order
    for batch, update in ((later, 7), (first, 0)):
        swapped = again.batch(16, update)
        for one, other in zip(batch[:3], swapped[:3], strict=True):
            assert torch.equal(one.flip(0), other)
        assert batch.steps == swapped.steps
    assert not torch.equal(first.inputs, later.inputs)
    assert not torch.equal(first.inputs[0], first.inputs[1])


def test_fresh_trials_change_training_and_depend_only_on_the_network() -> None:
    fresh = replace(shard(), training=replace(SHORT, fresh_trials=True))
    data, fixed = train(fresh, SMALL_GRID), train(shard(), SMALL_GRID)
    np.testing.assert_array_equal(data["weights"][:, 0], fixed["weights"][:, 0])
    assert not np.allclose(data["weights"][:, 1], fixed["weights"][:, 1])
    np.testing.assert_array_equal(data["validation_loss"][:, 0], fixed["validation_loss"][:, 0])
    alone = train(replace(shard(seeds=(1,)), training=fresh.training, networks=(1,)), SMALL_GRID)
    np.testing.assert_allclose(alone["loss"][0], data["loss"][1], rtol=1e-4)  # float32


def test_training_with_fresh_trials_and_noise_is_bit_identical_when_resumed(tmp_path: Path) -> None:
    noisy = replace(shard(), training=replace(SHORT, fresh_trials=True, recurrent_noise=0.1))
    first = Trainer(noisy, SMALL_GRID)
    first.run_epoch(lambda updates, epoch: None)
    first.save(tmp_path / "checkpoint.npz")
    assert train(noisy, SMALL_GRID).identical(train(noisy, SMALL_GRID, tmp_path / "checkpoint.npz"))


def test_recurrent_noise_affects_only_the_training_of_its_own_network() -> None:
    noisy = replace(shard(), training=replace(SHORT, recurrent_noise=(0.2, 0.0, 0.0)))
    data, silent = train(noisy, SMALL_GRID), train(shard(), SMALL_GRID)
    np.testing.assert_array_equal(data["validation_loss"][:, 0], silent["validation_loss"][:, 0])
    assert not np.allclose(data["loss"][0, 1:], silent["loss"][0, 1:])
    np.testing.assert_allclose(data["loss"][1:], silent["loss"][1:], rtol=1e-4)  # float32


def test_recurrent_noise_is_refused_for_a_core_without_noise() -> None:
    noisy = replace(shard(), core=Noiseless(), training=replace(SHORT, recurrent_noise=(0.0, 0.1, 0.0)))
    with pytest.raises(UserError, match="Noiseless does not support recurrent noise: write training.recurrent_noise=0"):
        Trainer(noisy, SMALL_GRID)
    Trainer(replace(noisy, training=SHORT), SMALL_GRID)
    with pytest.raises(ValueError, match="recurrent_noise must be finite and not negative"):
        replace(SHORT, recurrent_noise=-0.1)


@dataclass(frozen=True)
class Noiseless(RNN):
    takes_noise: ClassVar[bool] = False
