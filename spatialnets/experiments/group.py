"""Groups of networks, and what of them can be trained together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spatialnets.protocols import Geometry, RecurrentCore, Regularizer, Task
from spatialnets.training.shard import Training

__all__ = ["Group", "Networks"]


@dataclass(frozen=True)
class Networks:
    """Networks of one group that can be trained together: they differ in `PerNetwork` fields and seeds alone.

    Parameters
    ----------
    numbers
        The networks' numbers within their group.
    seeds
        One per network.
    geometry_name
        Name of the geometry in its run.
    geometry, core, regularizer, task, training
        The parts; per-network fields hold one number, or one per network.
    axes
        The values of every declared axis, by key path, each ``(network,)``.
    """

    numbers: tuple[int, ...]
    seeds: tuple[int, ...]
    geometry_name: str
    geometry: Geometry
    core: RecurrentCore
    regularizer: Regularizer
    task: Task
    training: Training
    axes: Mapping[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Group:
    """A named set of networks of an experiment.

    Parameters
    ----------
    name
        The group's name.
    ensembles
        Its networks, divided where they cannot be trained as one batch.
    """

    name: str
    ensembles: tuple[Networks, ...]

    @property
    def networks(self) -> int:
        """How many networks."""
        return sum(len(ensemble.numbers) for ensemble in self.ensembles)

    @property
    def training(self) -> Training:
        """How its (first) networks are trained."""
        return self.ensembles[0].training

    @property
    def core_facts(self) -> dict[str, str]:
        """What is worth knowing of how its networks are computed, in words, by name."""
        return {
            name: said
            for networks in self.ensembles
            for name, said in networks.core.facts(networks.task.n_inputs, networks.geometry.n_units).items()
        }
