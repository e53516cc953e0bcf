"""Training: a shard in, its weights and scores at every epoch out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from spatialnets.adam import Adam
from spatialnets.ensemble import Ensemble
from spatialnets.errors import RunError
from spatialnets.protocols import PerNetwork, Snapshot, WiringRegularizer
from spatialnets.run import SCORES
from spatialnets.shard import Shard, axis_values
from spatialnets.storage import write_bytes
from spatialnets.stored_geometry import StoredGeometry
from spatialnets.streams import numpy_stream, torch_stream
from spatialnets.trial_set import TrialSet

__all__ = ["Trainer", "epochs_in", "train"]


def train(
    shard: Shard,
    geometry: StoredGeometry,
    checkpoint: Path | None = None,
    advance: Callable[[int, int], None] = lambda updates, epoch: None,
) -> xr.Dataset:
    """Train the networks of a shard and return what is kept of them.

    Parameters
    ----------
    shard
        Which networks, and all of their parts.
    geometry
        Where their units live.
    checkpoint
        File in which the state is kept after every epoch; where it exists, training goes on from it.
    advance
        Called after each update with the number of network-updates made by it and the current epoch.

    Returns
    -------
    xarray.Dataset
        As described at `Run.__getitem__`.
    """
    trainer = Trainer(shard, geometry)
    if checkpoint is not None and checkpoint.exists():
        trainer.restore(checkpoint)
    while trainer.epoch < shard.training.epochs:
        trainer.run_epoch(advance)
        if checkpoint is not None:
            trainer.save(checkpoint)
    return trainer.dataset()


def epochs_in(checkpoint: Path) -> int:
    """Return how many epochs a checkpoint holds; none if it does not exist or cannot be read."""
    try:
        with open(checkpoint, "rb") as stored, np.load(stored, allow_pickle=False) as file:
            return int(json.loads(str(file["progress"]))["epoch"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return 0


def _per_network(value: PerNetwork, count: int, like: Tensor) -> Tensor:
    values = value if isinstance(value, tuple) else (value,) * count
    if len(values) != count:
        raise ValueError(f"{len(values)} values for {count} networks")
    return torch.tensor(values, dtype=like.dtype, device=like.device)


class Trainer:
    """The state of a shard in training: networks, optimizer, and what has been kept so far.

    Each network sees its own trials, drawn once; they are taken in the same order in every epoch. Input noise is
    drawn anew for every epoch from a stream of the network's seed, so that a saved state needs no generator.
    """

    def __init__(self, shard: Shard, geometry: StoredGeometry) -> None:
        training, task = shard.training, shard.task
        self.shard, self.geometry = shard, geometry
        dtype = torch.float64 if training.precision == "float64" else torch.float32
        device = torch.device(training.device)
        self.ensemble = Ensemble(shard.core, task.n_inputs, len(geometry.positions), task.n_outputs, shard.seeds).to(
            device, dtype
        )
        count = len(shard.seeds)
        like = torch.zeros((), dtype=dtype, device=device)
        self.distances = torch.tensor(geometry.costs, dtype=dtype, device=device)
        self.noise = _per_network(training.input_noise, count, like)
        self.optimizer = Adam(
            dict(self.ensemble.named_parameters()),
            _per_network(training.learning_rate, count, like),
            training.beta1,
            training.beta2,
            training.epsilon,
        )
        self.training_trials = TrialSet(
            task,
            training.trials_per_epoch,
            [numpy_stream(seed, "training trials") for seed in shard.seeds],
            dtype,
            device,
        )
        self.validation_trials = TrialSet(
            task.held_out(),
            training.validation_trials,
            [numpy_stream(seed, "validation trials") for seed in shard.seeds],
            dtype,
            device,
        )
        self.epoch = 0
        self.reasons = [""] * count
        self.weights: dict[str, list[NDArray[np.float32]]] = {}
        self.scores: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}
        with torch.no_grad():
            task_loss, accuracy = self._evaluate(self.training_trials)
            self._keep(task_loss + self.penalty(), accuracy)

    def penalty(self) -> Tensor:
        """Return what each network pays for its recurrent weights, ``(network,)``."""
        recurrent = self.ensemble.projections()["recurrent"]
        return self.shard.regularizer.penalty(Snapshot(weights=recurrent, distances=self.distances))

    def run_epoch(self, advance: Callable[[int, int], None]) -> None:
        """Train for one epoch and keep weights and scores."""
        training, count = self.shard.training, len(self.shard.seeds)
        self.epoch += 1
        generators = [torch_stream(seed, "input noise", self.epoch) for seed in self.shard.seeds]
        noisy = bool((self.noise > 0).any())
        loss_sum = torch.zeros_like(self.noise)
        accuracy_sum = torch.zeros_like(self.noise)
        for update in range(training.updates_per_epoch):
            start = update * training.batch_size
            stop = min(start + training.batch_size, training.trials_per_epoch)
            inputs, targets, mask = self.training_trials.batch(start, stop)
            if noisy:
                noise = torch.stack([torch.randn(inputs.shape[1:], generator=generator) for generator in generators])
                inputs = inputs + noise.to(inputs) * self.noise[:, None, None, None]
            loss, accuracy = self.update(inputs, targets, mask)
            self._take_out_diverged(loss, update)
            loss_sum += loss
            accuracy_sum += accuracy
            advance(count, self.epoch)
        with torch.no_grad():
            self._keep(loss_sum / training.updates_per_epoch, accuracy_sum / training.updates_per_epoch)

    def update(self, inputs: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Make one step of Adam on a batch; return loss with penalty and accuracy before it, ``(network,)`` each."""
        task = self.shard.task
        self.optimizer.zero_grad()
        outputs = self.ensemble(inputs, self.training_trials.steps)
        loss = task.loss(outputs, targets, mask) + self.penalty()
        loss.sum().backward()
        with torch.no_grad():
            accuracy = task.accuracy(outputs, targets, mask)
        self.optimizer.step()
        return loss.detach(), accuracy

    def _take_out_diverged(self, loss: Tensor, update: int) -> None:
        """Set the weights of networks that are no longer finite to zero and note why; the others go on."""
        size = loss.clone()
        for parameter in self.ensemble.parameters():
            size += parameter.detach().flatten(1).sum(dim=1)
            if parameter.grad is not None:  # a square that overflows stops Adam for good, without any NaN
                size += parameter.grad.flatten(1).square().sum(dim=1)
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
        penalty = self.penalty()
        diverged = np.array([bool(reason) for reason in self.reasons])
        scores = {
            "accuracy": accuracy,
            "validation_accuracy": validation_accuracy,
            "loss": loss,
            "validation_loss": validation_loss + penalty,
            "penalty": penalty,
        }
        for name, values in scores.items():
            kept = values.detach().cpu().double().numpy()
            self.scores[name].append(np.where(diverged, np.nan, kept))
        for name, block in self._blocks().items():
            kept = block.detach().cpu().float().numpy().copy()
            kept[diverged] = np.nan
            self.weights.setdefault(name, []).append(kept)

    def _blocks(self) -> dict[str, Tensor]:
        """Return everything that is kept: projections as ``weights…``, other parameters as ``parameter_…``."""
        projections = self.ensemble.projections()
        blocks = {"weights" if name == "recurrent" else f"weights_{name}": block for name, block in projections.items()}
        for name, parameter in self.ensemble.named_parameters():
            last = name.rpartition(".")[2]
            if last not in projections:
                blocks[f"parameter_{last}"] = parameter
        return blocks

    def save(self, path: Path) -> None:
        """Write everything that is needed to go on; whole or not at all."""
        content: dict[str, NDArray[Any]] = {
            "progress": np.array(
                json.dumps({"epoch": self.epoch, "updates": self.optimizer.updates, "reasons": self.reasons})
            )
        }
        for name, value in self.ensemble.state_dict().items():
            content[f"state/{name}"] = value.cpu().numpy()
        for moment, values in (("first", self.optimizer.first), ("second", self.optimizer.second)):
            for name, value in values.items():
                content[f"{moment}/{name}"] = value.cpu().numpy()
        for name, kept in self.weights.items():
            content[f"weights/{name}"] = np.stack(kept)
        for name, scores in self.scores.items():
            content[f"scores/{name}"] = np.stack(scores)
        buffer = io.BytesIO()
        np.savez(buffer, **content)  # type: ignore[arg-type]
        write_bytes(path, buffer.getvalue())

    def restore(self, path: Path) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        RunError
            If the file cannot be read or belongs to other networks.
        """
        try:
            with open(path, "rb") as stored, np.load(stored, allow_pickle=False) as file:
                content = dict(file)
            progress = json.loads(str(content["progress"]))
            self.ensemble.load_state_dict(_section(content, "state", torch.from_numpy))
            for moment in (self.optimizer.first, self.optimizer.second):
                section = _section(content, "first" if moment is self.optimizer.first else "second", torch.from_numpy)
                for name, value in section.items():
                    moment[name].copy_(value)
            self.weights = _section(content, "weights", list)
            self.scores = _section(content, "scores", list)
            self.epoch = progress["epoch"]
            self.optimizer.updates = progress["updates"]
            self.reasons = progress["reasons"]
        except (OSError, ValueError, KeyError, RuntimeError, EOFError, BadZipFile) as error:
            raise RunError(
                f"checkpoint {path} cannot be read ({error}); delete it and give the same command again: "
                "its shard starts anew"
            ) from error

    def dataset(self) -> xr.Dataset:
        """Return all that was kept, labelled."""
        shard, geometry = self.shard, self.geometry
        variables: dict[str, Any] = {}
        for name, kept in self.weights.items():
            values = np.stack(kept, axis=1)
            if name.startswith("weights"):
                ends = {"weights": ("pre", "post"), "weights_input": ("input", "post")}.get(
                    name, ("pre", name.removeprefix("weights_").replace("readout", "output"))
                )
                dimensions: tuple[str, ...] = ("network", "epoch", "gate", *ends)
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
            variables[name] = (("network", "epoch"), np.stack(scores, axis=1), _ATTRIBUTES[name])
        variables["status"] = (
            "network",
            np.array(["diverged" if reason else "trained" for reason in self.reasons], dtype=object),
        )
        variables["reason"] = ("network", np.array(self.reasons, dtype=object))
        variables["distances"] = (
            ("pre", "post"),
            geometry.distances,
            {"long_name": "distance between units", "units": geometry.length_unit},
        )
        count = len(shard.networks)
        # a sum has one strength per term and none of its own
        strength = shard.regularizer.strength if isinstance(shard.regularizer, WiringRegularizer) else np.nan
        coordinates: dict[str, Any] = {
            "network": ("network", list(shard.networks)),
            "epoch": ("epoch", np.arange(self.epoch + 1)),
            "strength": ("network", np.broadcast_to(np.array(strength, dtype=float), (count,)).copy()),
            "seed": ("network", list(shard.seeds)),
            "position": (("unit", "xyz"), geometry.positions, {"units": geometry.length_unit}),
        }
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
}


def _section(content: Mapping[str, NDArray[Any]], section: str, convert: Callable[[Any], Any]) -> dict[str, Any]:
    prefix = f"{section}/"
    return {name.removeprefix(prefix): convert(value) for name, value in content.items() if name.startswith(prefix)}
