"""The training loop: networks of a shard in, their weights and scores at every stored epoch out."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn.utils import parametrize

from spatialnets.aliases import PerNetwork
from spatialnets.errors import RunError, UserError
from spatialnets.networks.checks import check_states, check_task, component_errors
from spatialnets.networks.ensemble import Ensemble
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.rng import numpy_stream
from spatialnets.training.adam import Adam
from spatialnets.training.checkpoint import (
    HistoryMark,
    history_path,
    read_checkpoint,
    read_history,
    rename_damaged_checkpoint,
    write_checkpoint,
)
from spatialnets.training.history import History, section
from spatialnets.training.noise import Noise
from spatialnets.training.penalties import Penalties
from spatialnets.training.shard import Shard
from spatialnets.training.trials import Batch, FreshTrials, TrialSet

__all__ = ["Trainer", "train"]

CHECKPOINT_SECONDS = 60.0  # the most work that can be lost
CHECKPOINT_SHARE = 0.01  # of the time, spent on checkpoints of short epochs


def train(
    shard: Shard,
    geometry: StoredGeometry,
    checkpoint: Path | None = None,
    advance: Callable[[int, int], None] = lambda updates, epoch: None,
    say: Callable[[str], None] = lambda line: None,
) -> xr.Dataset:
    """Train the networks of a shard and return their weights and scores.

    Parameters
    ----------
    shard
        The networks and all of their components.
    geometry
        The geometry of their units.
    checkpoint
        File in which the state is stored after the first epoch, after later ones as long as this takes at most a
        hundredth of the time, and every minute; with the history in another file beside it. If it exists, training
        continues from it; a damaged one is renamed.
    advance
        Called after each update with the number of networks updated and the current epoch.
    say
        Called with messages for the user.

    Returns
    -------
    xarray.Dataset
        As described at `Run.__getitem__`.
    """
    trainer = Trainer(shard, geometry)
    if checkpoint is not None and checkpoint.exists():
        try:
            trainer.restore(checkpoint)
        except RunError as error:
            renamed = rename_damaged_checkpoint(checkpoint)
            say(f"{error}; it was renamed to {renamed.name}, and training of its networks starts again")
            trainer = Trainer(shard, geometry)
    stored, cost = time.monotonic(), 0.0

    def store(epoch_completed: bool) -> None:
        nonlocal stored, cost
        wait = min(CHECKPOINT_SECONDS, cost / CHECKPOINT_SHARE) if epoch_completed else CHECKPOINT_SECONDS
        if checkpoint is not None and (begun := time.monotonic()) - stored >= wait:
            trainer.save(checkpoint)
            stored = time.monotonic()
            cost = stored - begun

    while not trainer.finished:
        trainer.run_epoch(advance, lambda: store(epoch_completed=False))
        store(epoch_completed=True)
    return trainer.dataset()


class Trainer:
    """The networks of a shard during training, their optimizer, and what has been stored so far.

    Each network sees its own trials: drawn once and presented in the same order in every epoch, or drawn again for
    every update. Noise depends on the network's seed and the number of the update, so that a checkpoint needs no
    generator state.

    Parameters
    ----------
    shard, geometry
        As in `train`.

    Attributes
    ----------
    epoch
        The current epoch; 0 before training.
    updates_done
        Updates made in the current epoch; 0 once it is complete.

    Raises
    ------
    UserError
        If a component does not do what training requires of it (see `spatialnets.networks.checks`).
    """

    def __init__(self, shard: Shard, geometry: StoredGeometry) -> None:
        training, task = shard.training, shard.task
        self.shard, self.geometry = shard, geometry
        check_task(task)
        dtype = torch.float64 if training.precision == "float64" else torch.float32
        device = torch.device(training.device_here)
        self.ensemble = Ensemble(
            shard.core, task.n_inputs, len(geometry.positions), task.n_outputs, shard.seeds, geometry
        ).to(device, dtype)
        count = len(shard.seeds)
        like = torch.zeros((), dtype=dtype, device=device)
        self.penalties = Penalties(shard, geometry, self.ensemble)
        self.input_noise = Noise(_per_network(training.input_noise, count, like), "input noise", shard.seeds)
        self.recurrent_noise = Noise(
            _per_network(training.recurrent_noise, count, like), "recurrent noise", shard.seeds
        )
        if self.recurrent_noise and not shard.core.takes_noise:
            raise UserError(
                f"{type(shard.core).__name__} does not support recurrent noise: write training.recurrent_noise=0"
            )
        self.optimizer = Adam(
            dict(self.ensemble.named_parameters()),
            _per_network(training.learning_rate, count, like),
            training.beta1,
            training.beta2,
            training.epsilon,
        )
        self.fresh = FreshTrials(task, shard.seeds, dtype, device) if training.fresh_trials else None
        self.validation_trials = TrialSet(
            task.held_out(),
            training.validation_trials,
            [numpy_stream(seed, "validation trials") for seed in shard.seeds],
            dtype,
            device,
        )
        self.training_trials = (
            self.validation_trials
            if self.fresh
            else TrialSet(
                task,
                training.trials_per_epoch,
                [numpy_stream(seed, "training trials") for seed in shard.seeds],
                dtype,
                device,
            )
        )
        self.epoch, self.updates_done = 0, 0
        self.loss_sum, self.accuracy_sum = like.new_zeros(count), like.new_zeros(count)
        self._check()
        self.reasons = [""] * count
        self.history, self.mark = History(len(training.kept_epochs)), HistoryMark()
        with torch.no_grad():
            task_loss, accuracy = self._evaluate(self.training_trials)
            self._keep(task_loss, accuracy)

    def _check(self) -> None:
        """Check core and regularizer on a few trials."""
        inputs = self.training_trials.batch(0, 2).inputs
        core = self.shard.core
        with torch.no_grad():
            with component_errors(type(core).__name__, "check_core"):
                states = self.ensemble.states(inputs)
            check_states(core, states, (*inputs.shape[:3], len(self.geometry.positions)))
            self.penalties.check(states)

    def _batch(self, update: int) -> Batch:
        training = self.shard.training
        start = update * training.batch_size
        stop = min(start + training.batch_size, training.trials_per_epoch)
        if self.fresh is not None:
            return self.fresh.batch(stop - start, (self.epoch - 1) * training.updates_per_epoch + update)
        return self.training_trials.batch(start, stop)

    @property
    def finished(self) -> bool:
        """Whether all epochs are complete."""
        return self.epoch == self.shard.training.epochs and not self.updates_done

    def run_epoch(self, advance: Callable[[int, int], None], between: Callable[[], None] = lambda: None) -> None:
        """Train for one epoch, or the rest of one, and store weights and scores if the settings say so.

        Parameters
        ----------
        advance
            As in `train`.
        between
            Called between two updates, where `save` may be called.
        """
        training, count = self.shard.training, len(self.shard.seeds)
        if not self.updates_done:
            self.epoch += 1
            self.loss_sum.zero_()
            self.accuracy_sum.zero_()
        n_units = len(self.geometry.positions)
        for update in range(self.updates_done, training.updates_per_epoch):
            batch = self._batch(update)
            self.input_noise.add_to(batch.inputs, update, self.epoch)  # a batch is a copy of its trials
            noise = None
            if self.recurrent_noise:
                noise = self.recurrent_noise.draw((*batch.inputs.shape[1:3], n_units), update, self.epoch)
            loss, accuracy = self.update(batch, noise, self.epoch - 1 + update / training.updates_per_epoch)
            self._stop_diverged(loss, update)
            self.loss_sum += loss
            self.accuracy_sum += accuracy
            self.updates_done = update + 1
            advance(count, self.epoch)
            if self.updates_done < training.updates_per_epoch:
                between()
        self.updates_done = 0
        if self.epoch in training.kept_epochs:
            with torch.no_grad():
                self._keep(self.loss_sum / training.updates_per_epoch, self.accuracy_sum / training.updates_per_epoch)

    def update(self, batch: Batch, noise: Tensor | None = None, epoch: float = 0.0) -> tuple[Tensor, Tensor]:
        """Make one step of Adam; return the loss with penalty and the accuracy before the step, ``(network,)`` each.

        Parameters
        ----------
        batch
            Trials, with input noise.
        noise
            Noise added to the input of each unit, ``(network, trial, time, unit)``.
        epoch
            Epochs completed, possibly fractional.
        """
        task = self.shard.task
        self.optimizer.zero_grad()
        with parametrize.cached():
            states, outputs = self.ensemble.states_and_outputs(batch.inputs, batch.steps, noise)
            penalties = self.penalties.for_update(states, epoch, self.optimizer.updates)
            loss = sum(penalties.values(), start=task.loss(outputs, batch.targets, batch.mask))
        loss.sum().backward()
        with torch.no_grad():
            accuracy = task.accuracy(outputs, batch.targets, batch.mask)
        self.optimizer.step()
        return loss.detach(), accuracy

    def _stop_diverged(self, loss: Tensor, update: int) -> None:
        """Set networks that are no longer finite to zero and note the reason; the others continue."""
        size = loss.clone()
        for parameter in self.ensemble.parameters():
            size += parameter.detach().reshape(len(size), -1).sum(dim=1)
            if parameter.grad is not None:  # a square that overflows stops Adam permanently, without NaN
                size += parameter.grad.reshape(len(size), -1).square().sum(dim=1)
        finite = torch.isfinite(size)
        if bool(finite.all()):
            return
        for network in (~finite).nonzero().flatten().tolist():
            if not self.reasons[network]:
                what = "the loss" if not bool(torch.isfinite(loss[network])) else "the gradient or a weight"
                self.reasons[network] = f"{what} was no longer finite in epoch {self.epoch}, update {update + 1}"
            with torch.no_grad():
                for name, parameter in self.ensemble.named_parameters():
                    parameter[network] = 0
                    self.optimizer.first[name][network] = 0
                    self.optimizer.second[name][network] = 0

    def _evaluate(self, trials: TrialSet) -> tuple[Tensor, Tensor]:
        """Return task loss and accuracy of each network without noise, ``(network,)`` each."""
        self.ensemble.eval()  # for modules that differ between training and evaluation, such as dropout
        try:
            return self._scores(trials)
        finally:
            self.ensemble.train()

    def _scores(self, trials: TrialSet) -> tuple[Tensor, Tensor]:
        rows, counts = trials.rows, trials.counts
        task, size = self.shard.task, self.shard.training.batch_size
        total = counts.new_zeros(len(rows))
        losses, accuracies = torch.zeros_like(total), torch.zeros_like(total)
        for start in range(0, rows.shape[1], size):
            which, count = rows[:, start : start + size], counts[:, start : start + size]
            outputs = self.ensemble(trials.inputs[which], trials.steps)
            mask = trials.mask[which] * count[:, :, None]
            share = mask.sum(dim=(1, 2))
            present = share > 0
            targets = trials.targets[which]
            losses += torch.where(present, task.loss(outputs, targets, mask) * share, 0)
            accuracies += torch.where(present, task.accuracy(outputs, targets, mask) * share, 0)
            total += share
        return losses / total, accuracies / total

    def _keep(self, loss: Tensor, accuracy: Tensor) -> None:
        """Store weights and scores of the epoch."""
        validation_loss, validation_accuracy = self._evaluate(self.validation_trials)
        terms = self._validation_penalties()
        penalty = sum(terms.values(), start=torch.zeros_like(validation_loss))
        if self.epoch == 0:
            loss = loss + penalty
        scores = {
            "accuracy": accuracy,
            "validation_accuracy": validation_accuracy,
            "loss": loss,
            "validation_loss": validation_loss + penalty,
            "penalty": penalty,
            **({f"penalty_{name}": term for name, term in terms.items()} if len(terms) > 1 else {}),
        }
        if self.shard.regularizer.estimated:
            scores["penalty_standard_error"] = self.penalties.standard_error(self.epoch)
        self.history.append(scores, self._weights(), np.array([bool(reason) for reason in self.reasons]))

    def _validation_penalties(self) -> dict[str, Tensor]:
        """Return the penalties to store; those on states use the first batch of validation trials, without noise."""
        states = None
        if self.penalties.needs_states:
            self.ensemble.eval()
            states = self.ensemble.states(self.validation_trials.batch(0, self.shard.training.batch_size).inputs)
            self.ensemble.train()
        return self.penalties.to_store(states, self.epoch)

    def _weights(self) -> dict[str, Tensor]:
        """Return all blocks to store: projections as ``weights…``, other parameters as ``parameter_…``, positions."""
        projections = self.ensemble.projections()
        blocks = {"weights" if name == "recurrent" else f"weights_{name}": block for name, block in projections.items()}
        for name, parameter in self.ensemble.own_parameters().items():
            blocks[f"parameter_{name}"] = parameter
        if self.geometry.learnable:
            blocks["positions"] = self.ensemble.places() / self.geometry.steps_per_unit
        return blocks

    def save(self, path: Path) -> None:
        """Write a checkpoint: new epochs to its history, and then the state, atomically."""
        content = {"sums/loss": self.loss_sum.cpu().numpy(), "sums/accuracy": self.accuracy_sum.cpu().numpy()}
        for name, value in self.ensemble.state_dict().items():
            content[f"state/{name}"] = value.cpu().numpy()
        for moment, values in (("first", self.optimizer.first), ("second", self.optimizer.second)):
            for name, value in values.items():
                content[f"{moment}/{name}"] = value.cpu().numpy()
        progress = {
            "epoch": self.epoch,
            "made": self.updates_done,
            "updates": self.optimizer.updates,
            "reasons": self.reasons,
        }
        self.mark = write_checkpoint(path, progress, content, self.history, self.mark)

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint.

        Raises
        ------
        RunError
            If a file cannot be read or belongs to other networks.
        """
        progress, content = read_checkpoint(path)
        try:
            self.ensemble.load_state_dict(section(content, "state", torch.from_numpy))
            for moment, values in (("first", self.optimizer.first), ("second", self.optimizer.second)):
                for name, value in section(content, moment, torch.from_numpy).items():
                    values[name].copy_(value)
            self.loss_sum.copy_(torch.from_numpy(content["sums/loss"]))
            self.accuracy_sum.copy_(torch.from_numpy(content["sums/accuracy"]))
            self.epoch, self.updates_done = progress["epoch"], progress["made"]
            history = History(len(self.shard.training.kept_epochs))
            history.restore(read_history(history_path(path), HistoryMark(*progress["history"])))
            if len(history) != sum(
                kept <= self.epoch - bool(self.updates_done) for kept in self.shard.training.kept_epochs
            ):
                raise ValueError(f"its history has {len(history)} epochs")
            self.history, self.mark = history, HistoryMark()
            self.optimizer.updates = progress["updates"]
            self.reasons = progress["reasons"]
        except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
            raise RunError(f"checkpoint {path} belongs to other networks: {error}") from error

    def dataset(self) -> xr.Dataset:
        """Return everything stored so far as a labelled dataset."""
        return self.history.dataset(self.shard, self.geometry, self.epoch, self.reasons)


def _per_network(value: PerNetwork, count: int, like: Tensor) -> Tensor:
    values = value if isinstance(value, tuple) else (value,) * count
    if len(values) != count:
        raise ValueError(f"expected {count} values, one for each network, got {len(values)}")
    return torch.tensor(values, dtype=like.dtype, device=like.device)
