"""Groups of an experiment, and the ensembles into which their networks are divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spatialnets.protocols import Geometry, RecurrentCore, Regularizer, Task
from spatialnets.training.settings import Training

__all__ = ["EnsembleSpec", "Group"]


@dataclass(frozen=True)
class EnsembleSpec:
    """Networks of one group that can train as one batch: they differ only in `PerNetwork` fields and seeds.

    Parameters
    ----------
    numbers
        Numbers of the networks within their group.
    seeds
        One for each network.
    geometry_name
        Name of the geometry in its run.
    geometry, core, regularizer, task, training
        The components; `PerNetwork` fields hold one number, or one for each network.
    axes
        Values of every declared axis, by key path, each ``(network,)``.
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
        Its networks, divided into ensembles that can each train as one batch.
    """

    name: str
    ensembles: tuple[EnsembleSpec, ...]

    @property
    def networks(self) -> int:
        """The number of networks."""
        return sum(len(ensemble.numbers) for ensemble in self.ensembles)

    @property
    def training(self) -> Training:
        """The training settings of its first ensemble."""
        return self.ensembles[0].training

    @property
    def core_facts(self) -> dict[str, str]:
        """Facts about how its networks are computed, by name."""
        return {
            name: fact
            for ensemble in self.ensembles
            for name, fact in ensemble.core.facts(ensemble.task.n_inputs, ensemble.geometry.n_units).items()
        }
