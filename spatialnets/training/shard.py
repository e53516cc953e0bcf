"""A shard: some networks of one group, with everything needed to train them; the unit of work and of storage."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import RecurrentCore, Regularizer, Task
from spatialnets.training.settings import Training

__all__ = ["Division", "Shard", "axis_values"]

Ensemble = TypeVar("Ensemble")
Part = TypeVar("Part")


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


class Division(Sequence[Part], Generic[Ensemble, Part]):
    """Ensembles divided into shards of at most `size` networks, each built when it is requested.

    A run of millions of networks has a hundred thousand shards, of which a process needs one.

    Parameters
    ----------
    ensembles
        The ensembles, in the order of their shards.
    lengths
        Number of networks of each.
    size
        Maximum number of networks in a shard.
    build
        Returns a shard, given its index, its ensemble, and the positions of its networks in the ensemble.

    Examples
    --------
    >>> division = Division(["a", "b"], [5, 2], 2, lambda index, name, networks: (name, networks.start, networks.stop))
    >>> list(division)
    [('a', 0, 2), ('a', 2, 4), ('a', 4, 5), ('b', 0, 2)]
    >>> division[2], division.sizes([0, 2]).tolist()
    (('a', 4, 5), [2, 1])
    """

    def __init__(
        self,
        ensembles: Sequence[Ensemble],
        lengths: Sequence[int],
        size: int,
        build: Callable[[int, Ensemble, slice], Part],
    ) -> None:
        self.ensembles, self.lengths, self.size = ensembles, lengths, size
        self._build = build
        self.starts = [0, *accumulate(-(-length // size) for length in lengths)]
        """The index of the first shard of each ensemble, and the number of all shards."""

    def __len__(self) -> int:
        return self.starts[-1]

    def _part(self, index: int, place: int) -> Part:
        start = (index - self.starts[place]) * self.size
        return self._build(index, self.ensembles[place], slice(start, min(start + self.size, self.lengths[place])))

    @overload
    def __getitem__(self, index: int) -> Part: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Part]: ...

    def __getitem__(self, index: int | slice) -> Part | Sequence[Part]:
        if isinstance(index, slice):
            return tuple(self[each] for each in range(len(self))[index])
        index = range(len(self))[index]  # counts from the end if negative, and raises IndexError
        return self._part(index, bisect_right(self.starts, index) - 1)

    def __iter__(self) -> Iterator[Part]:
        for place, start in enumerate(self.starts[:-1]):
            for index in range(start, self.starts[place + 1]):
                yield self._part(index, place)

    def places(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return the positions of the ensembles of some shards, ``(shard,)``."""
        return np.searchsorted(np.array(self.starts), np.asarray(indices, dtype=np.int64), side="right") - 1

    def sizes(self, indices: Sequence[int]) -> NDArray[np.int64]:
        """Return the numbers of networks in some shards, ``(shard,)``."""
        places, numbers = self.places(indices), np.asarray(indices, dtype=np.int64)
        before = (numbers - np.array(self.starts, dtype=np.int64)[places]) * self.size
        return np.minimum(self.size, np.array(self.lengths, dtype=np.int64)[places] - before)
