"""Units at the regions of a connectome."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spatialnets.files.matrix import Matrix, read_matrix, square
from spatialnets.files.table import distinct, read_rows
from spatialnets.geometries.anatomy.coordinates import NAMES, Coordinates, as_positions, read_coordinates
from spatialnets.geometries.anatomy.tract_lengths import both_ways, shortest_ways
from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Connectome"]

ROUNDING = 1e-9  # relative; a way that is shorter by less is the same way added up otherwise


@dataclass(frozen=True)
class Connectome(Geometry):
    """Units at the regions of a connectome, as far apart as along its tracts, in mm.

    A matrix of tract lengths (or of any distances) seldom is a metric, as distances must be. So:

    - The diagonal is ignored. Entries 0, NaN, infinite or left out are missing; negative ones are refused.
    - Lengths are the same there and back. Where only one direction is given it is taken for both; where both are, their
      mean is taken, and it is an error if they differ by more than 1 % of the longer.
    - Distances are shortest ways along the lengths that are given. A missing entry is thereby filled, and a given one
      that is longer than a detour by other regions becomes the length of the detour; `facts` tells how many.

    Parameters
    ----------
    source
        The matrix ``(region, region)``, mm: text (``.csv``, ``.tsv``, ``.txt``), with or without a first line and a
        first column of names; ``.npy``; ``.npz`` or MATLAB ``.mat``; or an array.
    coordinates
        Where regions are, ``(region, 3)``, mm: ``.npy``, a table as for `Parcellation`, or an array. If matrix and
        table both have names, regions are matched by name. Without coordinates, positions are those that fit the
        distances best in three dimensions (classical scaling): good for pictures, and for nothing else.
    names
        A text file with a name on each line, or the names themselves, in place of the matrix's own.
    variable
        Which array of a ``.npz`` or ``.mat`` file; by default its only square matrix.

    Raises
    ------
    ValueError
        If a file is not there or not what is expected of it, an entry is negative, two directions differ, numbers of
        regions differ, or some regions cannot be reached from others.

    References
    ----------
    Floyd (1962), doi:10.1145/367766.368168, for shortest ways; Torgerson (1952), doi:10.1007/BF02288916, for classical
    scaling.

    Examples
    --------
    >>> connectome = Connectome([[0, 30, 0], [30, 0, 40], [0, 40, 0]], names=("V1", "V2", "MT"))
    >>> connectome.distances()[0].tolist()
    [0.0, 30.0, 70.0]
    >>> connectome.facts()["filled"]
    '1 of 3 lengths, which were missing, by the shortest way'
    """

    length_unit: ClassVar[str] = "mm"
    references: ClassVar[tuple[str, ...]] = ("floyd1962", "torgerson1952")

    source: str | tuple[tuple[float, ...], ...]
    coordinates: str | tuple[tuple[float, ...], ...] | None = None
    names: str | tuple[str, ...] | None = None
    variable: str | None = None

    def __post_init__(self) -> None:
        for name in ("source", "coordinates", "names"):
            if isinstance(getattr(self, name), Path):
                object.__setattr__(self, name, str(getattr(self, name)))
        if not isinstance(self.source, str):
            values = square(self.source, "source")
            values[np.isnan(values) | (values == np.inf)] = 0  # missing; NaN is not even equal to itself
            object.__setattr__(self, "source", tuple(map(tuple, values.tolist())))
        if self.coordinates is not None and not isinstance(self.coordinates, str):
            positions = as_positions(self.coordinates, "coordinates")
            object.__setattr__(self, "coordinates", tuple(map(tuple, positions.tolist())))
        if self.names is not None and not isinstance(self.names, str):
            object.__setattr__(self, "names", tuple(map(str, self.names)))
        if self.n_units < 2:
            raise ValueError(f"{self._name()} has {self.n_units} region(s); a network needs two or more")
        _ = self._distances, self._located  # read and checked now, used later

    def __repr__(self) -> str:
        source = repr(self.source) if isinstance(self.source, str) else f"<{len(self.source)} regions>"
        return f"Connectome({source})"

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    def _name(self) -> str:
        return self.source if isinstance(self.source, str) else "source"

    @cached_property
    def _lengths(self) -> Matrix:
        """Lengths that are given, the same there and back, 0 where there is none; and names."""
        if isinstance(self.source, str):
            given = read_matrix(Path(self.source), self.variable)
        elif self.variable is not None:
            raise ValueError(f"variable is for .mat and .npz files; source is an array, without a {self.variable}")
        else:
            given = Matrix(square(self.source, "source"))
        names = given.names
        if self.names is not None:
            names = self.names if isinstance(self.names, tuple) else _read_names(Path(self.names), len(given.values))
        if names is not None and len(names) != len(given.values):
            raise ValueError(f"{self._name()} has {len(given.values)} regions, and there are {len(names)} names")
        if names is not None and "" in names:
            raise ValueError(f"{self._name()}: region {names.index('') + 1} has no name")
        return Matrix(both_ways(given.values, self._name(), names), names)

    @cached_property
    def _distances(self) -> FloatArray:
        return shortest_ways(self._lengths.values, self._name(), self._lengths.names)

    @cached_property
    def _located(self) -> Coordinates:
        """Where regions are, and their names."""
        names = self._lengths.names
        if self.coordinates is None:
            return Coordinates(_classical_scaling(self._distances), names)
        if not isinstance(self.coordinates, str):
            given, called = Coordinates(as_positions(self.coordinates, "coordinates")), "coordinates"
        else:
            given, called = read_coordinates(Path(self.coordinates)), self.coordinates
        if len(given.positions) != self.n_units:
            raise ValueError(f"{self._name()} has {self.n_units} regions, and {called} {len(given.positions)} places")
        if names is None or given.names is None or names == given.names:
            return Coordinates(given.positions, names or given.names)
        unclear = [name for name in names if names.count(name) != 1 or given.names.count(name) != 1]
        if unclear:
            raise ValueError(
                f"{called} and {self._name()} do not agree on a region {unclear[0]!r}: expected every name once in "
                "both, or all in the same order, or a table without names"
            )
        return Coordinates(given.positions[[given.names.index(name) for name in names]], names)

    @property
    def n_units(self) -> int:
        """How many regions there are."""
        return len(self._lengths.values)

    def positions(self) -> FloatArray:
        """Return where regions are, ``(unit, 3)`` in mm; without coordinates, a picture of the distances."""
        return self._located.positions.copy()

    def distances(self) -> FloatArray:
        """Return lengths of shortest ways ``(pre, post)`` in mm."""
        return self._distances.copy()

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each region; of several with one name, the second has a 2 after it, and so on."""
        names = self._located.names
        return None if names is None else distinct(names)

    def facts(self) -> dict[str, str]:
        """Return how many lengths between two regions were filled in, and how many shortened, in words."""
        pair = np.triu_indices(self.n_units, k=1)
        given, distance = self._lengths.values[pair], self._distances[pair]
        shortened = distance < given * (1 - ROUNDING)
        return {
            "filled": f"{(given == 0).sum()} of {len(given)} lengths, which were missing, by the shortest way",
            "shortened": f"{shortened.sum()} of {len(given)} lengths, which were longer than a detour",
            **({"positions": "made from the distances, for pictures only"} if self.coordinates is None else {}),
        }


def _read_names(path: Path, count: int) -> tuple[str, ...]:
    """Return the lines of a file, but for a first one that says that these are names."""
    lines = [row.text.strip('"') for row in read_rows(path)]
    return tuple(lines[1:] if len(lines) == count + 1 and lines[0].lower() in NAMES else lines)


def _classical_scaling(distances: FloatArray) -> FloatArray:
    """Return points in three dimensions whose straight lines fit the distances best, ``(unit, 3)``.

    The eigenvectors of the largest eigenvalues of the doubly centred squares, as in Torgerson (1952).
    """
    squares = distances**2
    mean = squares.mean(axis=0)
    values, vectors = np.linalg.eigh((mean[:, None] + mean[None, :] - mean.mean() - squares) / 2)
    values, vectors = values[:-4:-1], vectors[:, :-4:-1]  # the three largest, or as many as there are
    first = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    points = vectors * np.sign(first) * np.sqrt(np.maximum(values, 0))  # eigenvectors have no sign: the largest is up
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
