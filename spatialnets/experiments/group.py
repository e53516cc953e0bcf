"""Groups of an experiment, and the ensembles into which their networks are divided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.experiments.blocks import select_networks
from spatialnets.protocols import Geometry, RecurrentCore, Regularizer, Task
from spatialnets.training.settings import Training
from spatialnets.training.shard import Division, Shard

__all__ = ["EnsembleSpec", "Group", "as_progression", "shards_of"]


@dataclass(frozen=True)
class EnsembleSpec:
    """Networks of one group that can train as one batch: they differ only in `PerNetwork` fields and seeds.

    Parameters
    ----------
    numbers
        Numbers of the networks within their group, in rising order: a range if they are equally spaced, else a tuple.
    seeds
        One for each network: a range if they are equally spaced, else a tuple.
    geometry_name
        Name of the geometry in its run.
    geometry, core, regularizer, task, training
        The components; `PerNetwork` fields hold one number, or one for each network.
    axes
        Values of every declared axis, by key path, each ``(network,)``.
    """

    numbers: Sequence[int]
    seeds: Sequence[int]
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


def as_progression(numbers: NDArray[np.int64]) -> range | tuple[int, ...]:
    """Return one or more whole numbers as a range if they rise in equal steps, and otherwise as a tuple.

    Examples
    --------
    >>> as_progression(np.array([0, 2, 4])), as_progression(np.array([0, 2, 5]))
    (range(0, 6, 2), (0, 2, 5))
    """
    first, last = int(numbers[0]), int(numbers[-1])
    step = int(numbers[1]) - first if len(numbers) > 1 else 1
    if step > 0 and bool((np.diff(numbers) == step).all()):
        return range(first, last + step, step)
    return tuple(numbers.tolist())


def shards_of(ensembles: Sequence[tuple[str, EnsembleSpec]], size: int) -> Division[tuple[str, EnsembleSpec], Shard]:
    """Return the shards, of at most `size` networks, of some ensembles, each given with the name of its group."""
    return Division(ensembles, [len(ensemble.numbers) for _, ensemble in ensembles], size, _shard)


def _shard(index: int, member: tuple[str, EnsembleSpec], networks: slice) -> Shard:
    group, ensemble = member
    return Shard(
        index=index,
        group=group,
        networks=tuple(ensemble.numbers[networks]),
        seeds=tuple(ensemble.seeds[networks]),
        geometry=ensemble.geometry_name,
        core=select_networks(ensemble.core, networks),
        regularizer=select_networks(ensemble.regularizer, networks),
        task=select_networks(ensemble.task, networks),
        training=select_networks(ensemble.training, networks),
        axes={path: values[networks] for path, values in ensemble.axes.items()},
    )
