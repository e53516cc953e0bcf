"""Training: a shard in, its weights and scores at every epoch out."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import parametrize

from spatialnets.errors import RunError, UserError, nearest
from spatialnets.files.atomic import set_aside
from spatialnets.graph.repulsion import lengths, repulsion
from spatialnets.networks.checks import admit_states, admit_task, admit_term, asked
from spatialnets.networks.ensemble import Ensemble
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import PerNetwork, PricedRegularizer, Regularizer, Snapshot
from spatialnets.rng import numpy_stream, torch_stream
from spatialnets.runs.run import SCORES
from spatialnets.training.adam import Adam
from spatialnets.training.checkpoint import read_checkpoint, write_checkpoint
from spatialnets.training.noise import Noise
from spatialnets.training.shard import Shard, axis_values
from spatialnets.training.trials import Batch, FreshTrials, TrialSet

__all__ = ["EXACT_UNITS", "Trainer", "train"]

EXACT_UNITS = 2000  # up to so many, what estimated penalties come to is kept exactly: once an epoch, a few seconds
PATIENCE = 60.0  # seconds of work that may be lost


def train(
    shard: Shard,
    geometry: StoredGeometry,
    checkpoint: Path | None = None,
    advance: Callable[[int, int], None] = lambda updates, epoch: None,
    say: Callable[[str], None] = lambda line: None,
) -> xr.Dataset:
    """Train the networks of a shard and return what is kept of them.

    Parameters
    ----------
    shard
        Which networks, and all of their parts.
    geometry
        Where their units live.
    checkpoint
        File in which the state is kept after every epoch, and in long epochs every minute; where it exists, training
        goes on from it. One that is damaged is set aside.
    advance
        Called after each update with the number of network-updates made by it and the current epoch.
    say
        Called with what the user should know.

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
            aside = set_aside(checkpoint)
            say(f"{error}; it was set aside as {aside.name}, and its networks start anew")
            trainer = Trainer(shard, geometry)
    stored = time.monotonic()

    def store(whole: bool) -> None:
        nonlocal stored
        if checkpoint is not None and (whole or time.monotonic() - stored > PATIENCE):
            trainer.save(checkpoint)
            stored = time.monotonic()

    while not trainer.finished:
        trainer.run_epoch(advance, lambda: store(whole=False))
        store(whole=True)
    return trainer.dataset()


def _per_network(value: PerNetwork, count: int, like: Tensor) -> Tensor:
    values = value if isinstance(value, tuple) else (value,) * count
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} networks")
    return torch.tensor(values, dtype=like.dtype, device=like.device)


class Trainer:
    """The state of a shard in training: networks, optimizer, and what has been kept so far.

    Each network sees its own trials, drawn once and taken in the same order in every epoch, or drawn anew for every
    update. Noise is drawn anew for every epoch from streams of the network's seed, so that a saved state needs no
    generator.
    """

    def __init__(self, shard: Shard, geometry: StoredGeometry) -> None:
        training, task = shard.training, shard.task
        self.shard, self.geometry = shard, geometry
        admit_task(task)
        dtype = torch.float64 if training.precision == "float64" else torch.float32
        device = torch.device(training.device_here)
        self.ensemble = Ensemble(
            shard.core, task.n_inputs, len(geometry.positions), task.n_outputs, shard.seeds, geometry
        ).to(device, dtype)
        count = len(shard.seeds)
        like = torch.zeros((), dtype=dtype, device=device)
        blocks = self.ensemble.projections()
        self.terms = _named_terms(shard.regularizer)
        for term in self.terms.values():
            if term.projection not in blocks:
                raise UserError(
                    f"{type(term).__name__} is a penalty of projection '{term.projection}', which these networks do "
                    f"not have: {nearest(term.projection, blocks)}"
                )
        self.distances = {name: self._distances_of(name, block) for name, block in blocks.items()}
        self.noise = _per_network(training.input_noise, count, like)
        self.recurrent_noise = _per_network(training.recurrent_noise, count, like)
        if bool((self.recurrent_noise > 0).any()) and not shard.core.takes_noise:
            raise UserError(f"{type(shard.core).__name__} takes no recurrent noise: write training.recurrent_noise=0")
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
        self.epoch, self.made = 0, 0  # made: updates of an epoch that has not passed
        self.loss_sum, self.accuracy_sum = torch.zeros_like(self.noise), torch.zeros_like(self.noise)
        self._admit()
        self.reasons = [""] * count
        self.weights: dict[str, list[NDArray[np.float32]]] = {}
        self.scores: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
        with torch.no_grad():
            task_loss, accuracy = self._evaluate(self.training_trials)
            self._keep(task_loss, accuracy)

    def _distances_of(self, name: str, block: Tensor) -> Tensor | None:
        costs = self.geometry.costs_of(name)
        if costs is None:
            return None
        if costs.shape != tuple(block.shape[2:]):
            ends = {"input": "inputs", "readout": "outputs"}[name]
            raise UserError(
                f"the geometry has places for {costs.shape[name == 'readout']} {ends}, and the task has "
                f"{block.shape[3 if name == 'readout' else 2]}"
            )
        return torch.as_tensor(costs, dtype=block.dtype, device=block.device)

    def _admit(self) -> None:
        """Try core and regularizer on a few trials, whatever the schedule."""
        inputs = self.training_trials.batch(0, 2).inputs
        core = self.shard.core
        with torch.no_grad():
            with asked(type(core).__name__, "check_core"):
                states = self.ensemble.states(inputs)
            admit_states(core, states, (*inputs.shape[:3], len(self.geometry.positions)))
            for name, term in self.terms.items():
                admit_term(term, self._snapshot(term, states, self._probes_to_keep(name, term)))

    def _probes(self, purpose: str, step: int, term: Regularizer) -> list[torch.Generator] | None:
        """Return one stream per network for a term that draws probes; the same whenever it is asked for."""
        return [torch_stream(seed, purpose, step) for seed in self.shard.seeds] if term.estimated else None

    def _probes_to_keep(self, name: str, term: Regularizer) -> list[torch.Generator] | None:
        """Return from what a penalty that is kept is estimated; None if it is had exactly."""
        if len(self.geometry.positions) <= EXACT_UNITS:
            return None
        return self._probes(f"probes of {name} kept", self.epoch, term)

    def _snapshot(
        self, term: Regularizer, states: Tensor | None, probes: Sequence[torch.Generator] | None = None
    ) -> Snapshot:
        """Return what a term looks at, and from what it draws if it is estimated."""
        weights, gates = self.ensemble.projections()[term.projection], self.shard.core.paying_gates
        if gates is not None and weights.shape[1] == len(self.shard.core.gates):
            weights = weights[:, [self.shard.core.gates.index(gate) for gate in gates]]
        distances, places = self.distances[term.projection], None
        if self.geometry.learnable:
            places = self.ensemble.places()
            distances = lengths(places) if term.projection == "recurrent" else distances
        return Snapshot(weights, distances, states if term.needs_states else None, places, probes)

    def penalties(self, states: Tensor | None, epoch: float, to_keep: bool = False) -> dict[str, Tensor]:
        """Return what each network pays, by the name of the term, ``(network,)`` each.

        Parameters
        ----------
        states
            Those of the batch, ``(network, trial, time, unit)``, for terms that look at them.
        epoch
            How many epochs have passed, not necessarily whole: what schedules go by.
        to_keep
            Whether not to learn by: estimated penalties are then exact where that takes little, or else estimated from
            probes of their own.
        """
        paid = {}
        for name, term in self.terms.items():
            factor = term.factor_at(epoch)
            if factor == 0:
                paid[name] = torch.zeros_like(self.noise)
                continue
            probes = (
                self._probes_to_keep(name, term)
                if to_keep
                else self._probes(f"probes of {name}", self.optimizer.updates, term)
            )
            penalty = term.penalty(self._snapshot(term, states, probes))
            paid[name] = penalty if factor == 1 else penalty * factor
        if self.geometry.learnable and self.geometry.keeping_apart > 0:
            paid["keeping_apart"] = self.geometry.keeping_apart * repulsion(lengths(self.ensemble.places()))
        return paid

    def _validation_penalties(self) -> dict[str, Tensor]:
        """Return penalties now; those of states are of the first batch of validation trials, without noise."""
        states = None
        if any(term.needs_states for term in self.terms.values()):
            self.ensemble.eval()
            states = self.ensemble.states(self.validation_trials.batch(0, self.shard.training.batch_size).inputs)
            self.ensemble.train()
        return self.penalties(states, self.epoch, to_keep=True)

    def _standard_error(self) -> Tensor:
        """Return that of the whole penalty as it is learned by now, ``(network,)``."""
        squares = torch.zeros_like(self.noise)
        for name, term in self.terms.items():
            probes = self._probes(f"probes of {name} kept", self.epoch, term)
            if probes is not None:
                error = term.factor_at(self.epoch) * term.standard_error(self._snapshot(term, None, probes))
                squares = squares + error.square()
        return squares.sqrt()

    def _batch(self, update: int) -> Batch:
        training = self.shard.training
        start = update * training.batch_size
        stop = min(start + training.batch_size, training.trials_per_epoch)
        if self.fresh is not None:
            return self.fresh.batch(stop - start, (self.epoch - 1) * training.updates_per_epoch + update)
        return self.training_trials.batch(start, stop)

    @property
    def finished(self) -> bool:
        """Whether all epochs have passed."""
        return self.epoch == self.shard.training.epochs and not self.made

    def run_epoch(self, advance: Callable[[int, int], None], between: Callable[[], None] = lambda: None) -> None:
        """Train for one epoch, or what is left of it, and keep weights and scores if it is one of those kept.

        Parameters
        ----------
        advance
            As in `train`.
        between
            Called between two updates: `save` may be called there.
        """
        training, count = self.shard.training, len(self.shard.seeds)
        if not self.made:
            self.epoch += 1
            self.loss_sum.zero_()
            self.accuracy_sum.zero_()
        noise_of = Noise(self.noise, "input noise", self.shard.seeds, self.epoch)
        recurrent_noise_of = Noise(self.recurrent_noise, "recurrent noise", self.shard.seeds, self.epoch)
        n_units = len(self.geometry.positions)
        for update in range(training.updates_per_epoch):
            batch = self._batch(update)
            inputs = noise_of.added_to(batch.inputs)
            noise = recurrent_noise_of.drawn((*inputs.shape[1:3], n_units)) if recurrent_noise_of else None
            if update < self.made:
                continue  # it was made before a stop: its noise had to be drawn for that of the next to be the same
            loss, accuracy = self.update(
                batch._replace(inputs=inputs), noise, self.epoch - 1 + update / training.updates_per_epoch
            )
            self._take_out_diverged(loss, update)
            self.loss_sum += loss
            self.accuracy_sum += accuracy
            self.made = update + 1
            advance(count, self.epoch)
            if self.made < training.updates_per_epoch:
                between()
        self.made = 0
        if self.epoch in training.kept_epochs:
            with torch.no_grad():
                self._keep(self.loss_sum / training.updates_per_epoch, self.accuracy_sum / training.updates_per_epoch)

    def update(self, batch: Batch, noise: Tensor | None = None, epoch: float = 0.0) -> tuple[Tensor, Tensor]:
        """Make one step of Adam on a batch; return loss with penalty and accuracy before it, ``(network,)`` each.

        Parameters
        ----------
        batch
            Trials, with the noise of their inputs.
        noise
            Added to what enters each unit, ``(network, trial, time, unit)``.
        epoch
            How many epochs have passed, not necessarily whole.
        """
        task = self.shard.task
        self.optimizer.zero_grad()
        with parametrize.cached():
            states = self.ensemble.states(batch.inputs, noise)
            outputs = self.ensemble.answers(states, batch.steps)
            loss = sum(self.penalties(states, epoch).values(), start=task.loss(outputs, batch.targets, batch.mask))
        loss.sum().backward()
        with torch.no_grad():
            accuracy = task.accuracy(outputs, batch.targets, batch.mask)
        self.optimizer.step()
        return loss.detach(), accuracy

    def _take_out_diverged(self, loss: Tensor, update: int) -> None:
        """Set the weights of networks that are no longer finite to zero and note why; the others go on."""
        size = loss.clone()
        for parameter in self.ensemble.parameters():
            size += parameter.detach().reshape(len(size), -1).sum(dim=1)
            if parameter.grad is not None:  # a square that overflows stops Adam for good, without any NaN
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
        self.ensemble.eval()  # of cores that learn otherwise than they work, such as by dropout
        try:
            return self._scored(trials)
        finally:
            self.ensemble.train()

    def _scored(self, trials: TrialSet) -> tuple[Tensor, Tensor]:
        rows, counts = trials.counted()
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
        """Keep weights and scores of the epoch; NaN where a network has diverged."""
        validation_loss, validation_accuracy = self._evaluate(self.validation_trials)
        terms = self._validation_penalties()
        penalty = sum(terms.values(), start=torch.zeros_like(validation_loss))
        if self.epoch == 0:
            loss = loss + penalty
        diverged = np.array([bool(reason) for reason in self.reasons])
        scores = {
            "accuracy": accuracy,
            "validation_accuracy": validation_accuracy,
            "loss": loss,
            "validation_loss": validation_loss + penalty,
            "penalty": penalty,
            **({f"penalty_{name}": paid for name, paid in terms.items()} if len(terms) > 1 else {}),
            **({"penalty_standard_error": self._standard_error()} if self.shard.regularizer.estimated else {}),
        }
        for name, values in scores.items():
            kept = values.detach().cpu().double().numpy()
            self.scores.setdefault(name, []).append(np.where(diverged, np.nan, kept))
        for name, block in self._blocks().items():
            kept = block.detach().cpu().float().numpy().copy()
            kept[diverged] = np.nan
            self.weights.setdefault(name, []).append(kept)

    def _blocks(self) -> dict[str, Tensor]:
        """Return everything that is kept: projections as ``weights…``, other parameters as ``parameter_…``."""
        projections = self.ensemble.projections()
        blocks = {"weights" if name == "recurrent" else f"weights_{name}": block for name, block in projections.items()}
        for name, parameter in self.ensemble.own_parameters().items():
            blocks[f"parameter_{name}"] = parameter
        if self.geometry.learnable:
            blocks["positions"] = self.ensemble.places() / self.geometry.steps_per_unit
        return blocks

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on; whole or not at all."""
        content = {"sums/loss": self.loss_sum.cpu().numpy(), "sums/accuracy": self.accuracy_sum.cpu().numpy()}
        for name, value in self.ensemble.state_dict().items():
            content[f"state/{name}"] = value.cpu().numpy()
        for moment, values in (("first", self.optimizer.first), ("second", self.optimizer.second)):
            for name, value in values.items():
                content[f"{moment}/{name}"] = value.cpu().numpy()
        for name, kept in self.weights.items():
            content[f"weights/{name}"] = np.stack(kept)
        for name, scores in self.scores.items():
            content[f"scores/{name}"] = np.stack(scores)
        progress = {
            "epoch": self.epoch,
            "made": self.made,
            "updates": self.optimizer.updates,
            "reasons": self.reasons,
        }
        write_checkpoint(path, progress, content)

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        RunError
            If the file cannot be read or belongs to other networks.
        """
        progress, content = read_checkpoint(path)
        try:
            self.ensemble.load_state_dict(_section(content, "state", torch.from_numpy))
            for moment, section in ((self.optimizer.first, "first"), (self.optimizer.second, "second")):
                for name, value in _section(content, section, torch.from_numpy).items():
                    moment[name].copy_(value)
            self.loss_sum.copy_(torch.from_numpy(content["sums/loss"]))
            self.accuracy_sum.copy_(torch.from_numpy(content["sums/accuracy"]))
            self.weights = _section(content, "weights", list)
            self.scores = _section(content, "scores", list)
            self.epoch, self.made = progress["epoch"], progress["made"]
            self.optimizer.updates = progress["updates"]
            self.reasons = progress["reasons"]
        except (KeyError, RuntimeError) as error:
            raise RunError(f"checkpoint {path} is of other networks: {error}") from error

    def dataset(self) -> xr.Dataset:
        """Return all that was kept, labelled."""
        shard, geometry = self.shard, self.geometry
        variables: dict[str, Any] = {}
        for name, kept in self.weights.items():
            values = np.stack(kept, axis=1)
            if name == "positions":
                dimensions: tuple[str, ...] = ("network", "epoch", "unit", "xyz")
            elif name.startswith("weights"):
                ends = {"weights": ("pre", "post"), "weights_input": ("input", "post")}.get(
                    name, ("pre", name.removeprefix("weights_").replace("readout", "output"))
                )
                dimensions = ("network", "epoch", "gate", *ends)
                if values.shape[2] == 1:
                    values, dimensions = values[:, :, 0], ("network", "epoch", *ends)
            else:
                dimensions = (
                    "network",
                    "epoch",
                    *(f"{name}_dimension_{place}" for place in range(values.ndim - 2)),
                )
            variables[name] = (dimensions, values)
        for name, scores in self.scores.items():
            known = _ATTRIBUTES.get(name, {"long_name": f"{name.removeprefix('penalty_')}, its part of the penalty"})
            variables[name] = (("network", "epoch"), np.stack(scores, axis=1), known)
        variables["status"] = (
            "network",
            np.array(["diverged" if reason else "trained" for reason in self.reasons], dtype=object),
        )
        variables["reason"] = ("network", np.array(self.reasons, dtype=object))
        said = {"long_name": "distance between units", "units": geometry.length_unit}
        if geometry.learnable:
            places = torch.from_numpy(variables["positions"][1])
            kept_distances = torch.stack([lengths(of) for of in places]).numpy()
            kept_distances[np.isnan(variables["positions"][1]).any(axis=(2, 3))] = np.nan  # of networks that diverged
            variables["distances"] = (("network", "epoch", "pre", "post"), kept_distances, said)
        else:
            variables["distances"] = (("pre", "post"), geometry.distances, said)
        count = len(shard.networks)
        # a sum has one strength per term and none of its own
        strength = shard.regularizer.strength if isinstance(shard.regularizer, PricedRegularizer) else np.nan
        coordinates: dict[str, Any] = {
            "network": ("network", list(shard.networks)),
            "epoch": ("epoch", np.array([epoch for epoch in shard.training.kept_epochs if epoch <= self.epoch])),
            "strength": ("network", np.broadcast_to(np.array(strength, dtype=float), (count,)).copy()),
            "seed": ("network", list(shard.seeds)),
            "position": (("unit", "xyz"), geometry.positions, {"units": geometry.length_unit}),
        }
        gates = {values.shape[2] for dimensions, values, *_ in variables.values() if "gate" in dimensions}
        if gates == {len(shard.core.gates)}:
            coordinates["gate"] = ("gate", list(shard.core.gates))
        for path, along in shard.axes.items():
            if path not in coordinates:
                coordinates[path] = ("network", axis_values(along))
        return xr.Dataset(variables, coordinates, attrs={"group": shard.group, "length_unit": geometry.length_unit})


_ATTRIBUTES = {
    "accuracy": {"long_name": "training accuracy, mean over the epoch's updates (epoch 0: without noise)"},
    "validation_accuracy": {"long_name": "validation accuracy, without noise"},
    "loss": {"long_name": "training loss with penalty, mean over the epoch's updates (epoch 0: without noise)"},
    "validation_loss": {"long_name": "validation loss with penalty, without noise"},
    "penalty": {"long_name": "penalty of the weights kept at this epoch"},
    "penalty_standard_error": {"long_name": "standard error of the penalty as an update estimates it from its probes"},
}


def _named_terms(regularizer: Regularizer) -> dict[str, Regularizer]:
    """Return the terms of a regularizer by name, such as ``both``, ``distance_input`` or, a second time, ``l1_2``."""
    terms: dict[str, Regularizer] = {}
    for term in regularizer.addends():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(term).__name__).lower()
        words += "" if term.projection == "recurrent" else f"_{term.projection}"
        same = sum(re.fullmatch(rf"{words}(_\d+)?", name) is not None for name in terms)
        terms[words if not same else f"{words}_{same + 1}"] = term
    return terms


def _section(content: Mapping[str, NDArray[Any]], section: str, convert: Callable[[Any], Any]) -> dict[str, Any]:
    prefix = f"{section}/"
    return {name.removeprefix(prefix): convert(value) for name, value in content.items() if name.startswith(prefix)}
