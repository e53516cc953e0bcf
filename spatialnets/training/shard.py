"""A shard: some networks of one group, with everything needed to train them; the unit of work and of storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import RecurrentCore, Regularizer, Task
from spatialnets.training.settings import Training

__all__ = ["SCORES", "Shard", "axis_values"]

SCORES = ("accuracy", "validation_accuracy", "loss", "validation_loss", "penalty")
"""The scores stored for every network and epoch; here, because this module does not import PyTorch."""


@dataclass(frozen=True)
class Shard:
    """Networks of one group that are trained together as one batch.

    Parameters
    ----------
    index
        Position of the shard in its run's plan.
    group
        Name of the group.
    networks
        Numbers of the networks within their group.
    seeds
        One seed for each network.
    geometry
        Name of the geometry in its run (see `Run.geometry`).
    core, regularizer, task, training
        The components; a `PerNetwork` field holds one number, or one for each network of this shard.
    axes
        Values of the axes along which the networks of the group vary, by key path, each ``(network,)``.
    """

    index: int
    group: str
    networks: tuple[int, ...]
    seeds: tuple[int, ...]
    geometry: str
    core: RecurrentCore
    regularizer: Regularizer
    task: Task
    training: Training
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def updates(self) -> int:
        """The number of updates of each network, over all epochs."""
        return self.training.epochs * self.training.updates_per_epoch


def axis_values(values: tuple[Any, ...]) -> NDArray[Any]:
    """Return the values of an axis as a coordinate of a run, ``(network,)``: numbers if all are, otherwise strings."""
    if all(isinstance(value, (bool, int, float)) for value in values):
        return np.array(values, dtype=float if any(isinstance(value, float) for value in values) else int)
    return np.array([str(value) for value in values], dtype=object)
