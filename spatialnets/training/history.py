"""The weights and scores that training stores, and the dataset that they become."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import xarray as xr
from numpy.typing import NDArray
from torch import Tensor

from spatialnets.graph.repulsion import euclidean_distances
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import PricedRegularizer
from spatialnets.training.shard import SCORES, Shard, axis_values

__all__ = ["History", "section"]

ATTRIBUTES = {
    "accuracy": {"long_name": "training accuracy, mean over the updates of the epoch (epoch 0: without noise)"},
    "validation_accuracy": {"long_name": "validation accuracy, without noise"},
    "loss": {"long_name": "training loss with penalty, mean over the updates of the epoch (epoch 0: without noise)"},
    "validation_loss": {"long_name": "validation loss with penalty, without noise"},
    "penalty": {"long_name": "penalty of the weights stored at this epoch"},
    "penalty_standard_error": {"long_name": "standard error of the penalty as an update estimates it from its probes"},
}


class History(Sequence[dict[str, NDArray[Any]]]):
    """Weights and scores of the networks of a shard: a sequence of the stored epochs, with the arrays of each by name.

    Parameters
    ----------
    epochs
        Number of epochs that will be stored.

    Attributes
    ----------
    weights
        Arrays ``(network, epoch, …)`` by name: projections (``weights``, ``weights_input``, …), other parameters
        (``parameter_…``) and learned positions; their memory is taken once, for all epochs.
    scores
        Arrays ``(network,)`` for each stored epoch, by name.
    """

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs
        self.weights: dict[str, NDArray[np.float32]] = {}
        self.scores: dict[str, list[NDArray[np.float64]]] = {name: [] for name in SCORES}

    def __len__(self) -> int:
        return len(self.scores[SCORES[0]])

    def __getitem__(self, number: Any) -> Any:
        """Return the arrays of a stored epoch, for a checkpoint; `restore` takes them."""
        return {
            **{f"weights/{name}": block[:, number] for name, block in self.weights.items()},
            **{f"scores/{name}": values[number] for name, values in self.scores.items()},
        }

    def append(self, scores: Mapping[str, Tensor], weights: Mapping[str, Tensor], diverged: NDArray[np.bool_]) -> None:
        """Store an epoch, with NaN for networks that have diverged, ``(network,)``."""
        number = len(self)
        for name, block in weights.items():
            self._store(name, number, block.detach().cpu().float().numpy())
            self.weights[name][diverged, number] = np.nan
        for name, values in scores.items():
            self.scores.setdefault(name, []).append(np.where(diverged, np.nan, values.detach().cpu().double().numpy()))

    def restore(self, records: Iterable[Mapping[str, NDArray[Any]]]) -> None:
        """Append stored epochs.

        Raises
        ------
        ValueError
            If they do not have the same arrays.
        """
        for record in records:
            number = len(self)
            for name, block in section(record, "weights", np.asarray).items():
                self._store(name, number, block)
            for name, values in section(record, "scores", np.asarray).items():
                self.scores.setdefault(name, []).append(values)
            if {len(values) for values in self.scores.values()} != {number + 1}:
                raise ValueError("its records differ in their scores")

    def _store(self, name: str, number: int, block: NDArray[np.float32]) -> None:
        if name not in self.weights:
            self.weights[name] = np.empty((len(block), self.epochs, *block.shape[1:]), dtype=np.float32)
        self.weights[name][:, number] = block

    def dataset(self, shard: Shard, geometry: StoredGeometry, epoch: int, reasons: list[str]) -> xr.Dataset:
        """Return everything stored as a labelled dataset (see `spatialnets.runs.run.Run`).

        Parameters
        ----------
        shard, geometry
            What was trained.
        epoch
            The last epoch completed.
        reasons
            Why each network diverged; empty for those that did not.
        """
        variables: dict[str, Any] = {}
        for name, kept in self.weights.items():
            variables[name] = _labelled(name, kept[:, : len(self)])
        for name, scores in self.scores.items():
            attributes = ATTRIBUTES.get(name, {"long_name": f"penalty of the term {name.removeprefix('penalty_')}"})
            variables[name] = (("network", "epoch"), np.stack(scores, axis=1), attributes)
        status = ["diverged" if reason else "trained" for reason in reasons]
        variables["status"] = ("network", np.array(status, dtype=object))
        variables["reason"] = ("network", np.array(reasons, dtype=object))
        attributes = {"long_name": "distance between units", "units": geometry.length_unit}
        if geometry.learnable:
            positions = variables["positions"][1]
            distances = torch.stack([euclidean_distances(each) for each in torch.from_numpy(positions)]).numpy()
            distances[np.isnan(positions).any(axis=(2, 3))] = np.nan  # networks that diverged
            variables["distances"] = (("network", "epoch", "pre", "post"), distances, attributes)
        else:
            variables["distances"] = (("pre", "post"), geometry.distances, attributes)
        count = len(shard.networks)
        # a sum has one strength for each term, and none of its own
        strength = shard.regularizer.strength if isinstance(shard.regularizer, PricedRegularizer) else np.nan
        coordinates: dict[str, Any] = {
            "network": ("network", list(shard.networks)),
            "epoch": ("epoch", np.array([kept for kept in shard.training.kept_epochs if kept <= epoch])),
            "strength": ("network", np.broadcast_to(np.array(strength, dtype=float), (count,)).copy()),
            "seed": ("network", list(shard.seeds)),
            "position": (("unit", "xyz"), geometry.positions, {"units": geometry.length_unit}),
        }
        gates = {values.shape[2] for dimensions, values, *_ in variables.values() if "gate" in dimensions}
        if gates == {len(shard.core.gates)}:
            coordinates["gate"] = ("gate", list(shard.core.gates))
        for path, values in shard.axes.items():
            if path not in coordinates:
                coordinates[path] = ("network", axis_values(values))
        return xr.Dataset(variables, coordinates, attrs={"group": shard.group, "length_unit": geometry.length_unit})


def _labelled(name: str, values: NDArray[Any]) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Return the dimensions of a block ``(network, epoch, …)`` and the block; a single gate is dropped."""
    if name == "positions":
        return ("network", "epoch", "unit", "xyz"), values
    if not name.startswith("weights"):
        return ("network", "epoch", *(f"{name}_dimension_{place}" for place in range(values.ndim - 2))), values
    ends = {"weights": ("pre", "post"), "weights_input": ("input", "post")}.get(
        name, ("pre", name.removeprefix("weights_").replace("readout", "output"))
    )
    if values.shape[2] == 1:
        return ("network", "epoch", *ends), values[:, :, 0]
    return ("network", "epoch", "gate", *ends), values


def section(content: Mapping[str, NDArray[Any]], name: str, convert: Callable[[Any], Any]) -> dict[str, Any]:
    """Return the converted arrays of a checkpoint whose names begin with ``name/``, without that prefix."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): convert(value) for key, value in content.items() if key.startswith(prefix)}
