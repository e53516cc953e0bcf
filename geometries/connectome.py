"""Geometry with one unit per region of a connectome."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.files.matrix import Matrix, read_matrix, square
from spatialnets.files.table import make_distinct, read_rows
from spatialnets.geometries.anatomy.coordinates import NAMES, Coordinates, as_positions, read_coordinates
from spatialnets.geometries.anatomy.tract_lengths import shortest_paths, symmetric_lengths
from spatialnets.protocols import Geometry

__all__ = ["Connectome"]

ROUNDING = 1e-9  # relative; smaller differences come from the order of summation


@dataclass(frozen=True)
class Connectome(Geometry):
    """Units at the regions of a connectome; distances are shortest paths along its tracts, in mm.

    Distances must be a metric; measured tract lengths rarely are one. Therefore:

    - The diagonal is ignored. Entries that are 0, NaN, infinite or empty are missing; negative entries are an error.
    - Lengths are made symmetric. If only one direction is given, it is used for both. If both are given, their mean is
      used; it is an error if they differ by more than 1 % of the longer.
    - Distances are shortest paths along the given lengths. This fills in missing entries and shortens those that are
      longer than a path through other regions; `facts` counts both.

    Parameters
    ----------
    source
        Tract lengths ``(region, region)`` in mm: text (``.csv``, ``.tsv``, ``.txt``), with or without a header and a
        first column of names; ``.npy``; ``.npz`` or MATLAB ``.mat``; or an array.
    coordinates
        Positions of the regions ``(region, 3)`` in mm: ``.npy``, a table as for `Parcellation`, or an array. If both
        the matrix and the table have names, regions are matched by name. By default, positions are computed from the
        distances by classical scaling, the best fit in three dimensions; use them for figures only.
    names
        A text file with one name per line, or the names themselves; they replace the names in the matrix.
    variable
        Name of the array in a ``.npz`` or ``.mat`` file; by default its only square matrix.

    Raises
    ------
    ValueError
        If a file is missing or invalid, an entry is negative, the two directions differ, the numbers of regions differ,
        or no path connects some of the regions.

    References
    ----------
    Floyd (1962), doi:10.1145/367766.368168, for shortest paths; Torgerson (1952), doi:10.1007/BF02288916, for classical
    scaling.

    Examples
    --------
    >>> connectome = Connectome([[0, 30, 0], [30, 0, 40], [0, 40, 0]], names=("V1", "V2", "MT"))
    >>> connectome.distances()[0].tolist()
    [0.0, 30.0, 70.0]
    >>> connectome.facts()["filled"]
    '1 of 3 lengths were missing and are those of the shortest path'
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
            values[np.isnan(values) | (values == np.inf)] = 0  # missing; NaN would not compare equal
            object.__setattr__(self, "source", tuple(map(tuple, values.tolist())))
        if self.coordinates is not None and not isinstance(self.coordinates, str):
            positions = as_positions(self.coordinates, "coordinates")
            object.__setattr__(self, "coordinates", tuple(map(tuple, positions.tolist())))
        if self.names is not None and not isinstance(self.names, str):
            object.__setattr__(self, "names", tuple(map(str, self.names)))
        if self.n_units < 2:
            raise ValueError(f"{self._name()} has {self.n_units} region(s); a network needs two or more")
        _ = self._distances, self._coordinates  # read and check the files now

    def __repr__(self) -> str:
        source = repr(self.source) if isinstance(self.source, str) else f"<{len(self.source)} regions>"
        return f"Connectome({source})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields only; cached values are recomputed."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def _name(self) -> str:
        return self.source if isinstance(self.source, str) else "source"

    @cached_property
    def _lengths(self) -> Matrix:
        """The symmetric lengths, 0 where missing, and the names."""
        if isinstance(self.source, str):
            given = read_matrix(Path(self.source), self.variable)
        elif self.variable is not None:
            raise ValueError(f"variable={self.variable} applies to .npz and .mat files only, but source is an array")
        else:
            given = Matrix(square(self.source, "source"))
        names = given.names
        if self.names is not None:
            names = self.names if isinstance(self.names, tuple) else _read_names(Path(self.names), len(given.values))
        if names is not None and len(names) != len(given.values):
            raise ValueError(f"{self._name()} has {len(given.values)} regions, but {len(names)} names are given")
        if names is not None and "" in names:
            raise ValueError(f"{self._name()}: region {names.index('') + 1} has no name")
        return Matrix(symmetric_lengths(given.values, self._name(), names), names)

    @cached_property
    def _distances(self) -> FloatArray:
        return shortest_paths(self._lengths.values, self._name(), self._lengths.names)

    @cached_property
    def _coordinates(self) -> Coordinates:
        """The positions of the regions, and their names."""
        names = self._lengths.names
        if self.coordinates is None:
            return Coordinates(_classical_scaling(self._distances), names)
        if not isinstance(self.coordinates, str):
            given, source = Coordinates(as_positions(self.coordinates, "coordinates")), "coordinates"
        else:
            given, source = read_coordinates(Path(self.coordinates)), self.coordinates
        if len(given.positions) != self.n_units:
            count = len(given.positions)
            raise ValueError(f"{self._name()} has {self.n_units} regions, but {source} has {count} positions")
        if names is None or given.names is None or names == given.names:
            return Coordinates(given.positions, names or given.names)
        unmatched = [name for name in names if names.count(name) != 1 or given.names.count(name) != 1]
        if unmatched:
            raise ValueError(
                f"region {unmatched[0]!r} of {self._name()} cannot be matched with {source}: expected each name once "
                "in both, the same names in the same order, or a table without names"
            )
        return Coordinates(given.positions[[given.names.index(name) for name in names]], names)

    @property
    def n_units(self) -> int:
        """Number of regions."""
        return len(self._lengths.values)

    def positions(self) -> FloatArray:
        """Return the positions of the regions ``(unit, 3)`` in mm, by default those of classical scaling."""
        return self._coordinates.positions.copy()

    def distances(self) -> FloatArray:
        """Return the lengths of the shortest paths ``(pre, post)`` in mm."""
        return self._distances.copy()

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each region; repeated names are numbered, as in ``insula``, ``insula 2``."""
        names = self._coordinates.names
        return None if names is None else make_distinct(names)

    def facts(self) -> dict[str, str]:
        """Return how many of the lengths between two regions were missing, and how many were shortened."""
        pair = np.triu_indices(self.n_units, k=1)
        given, distance = self._lengths.values[pair], self._distances[pair]
        shortened = distance < given * (1 - ROUNDING)
        return {
            "filled": f"{(given == 0).sum()} of {len(given)} lengths were missing and are those of the shortest path",
            "shortened": f"{shortened.sum()} of {len(given)} lengths were longer than the shortest path",
            **({"positions": "computed from the distances, for figures only"} if self.coordinates is None else {}),
        }


def _read_names(path: Path, count: int) -> tuple[str, ...]:
    """Return the lines of a file, without a header such as ``name``."""
    lines = [row.text.strip('"') for row in read_rows(path)]
    return tuple(lines[1:] if len(lines) == count + 1 and lines[0].lower() in NAMES else lines)


def _classical_scaling(distances: FloatArray) -> FloatArray:
    """Return the points in three dimensions whose Euclidean distances fit the given ones best, ``(unit, 3)``.

    These are the eigenvectors with the largest eigenvalues of the doubly centred squared distances (Torgerson, 1952).
    """
    squares = distances**2
    mean = squares.mean(axis=0)
    values, vectors = np.linalg.eigh((mean[:, None] + mean[None, :] - mean.mean() - squares) / 2)
    values, vectors = values[:-4:-1], vectors[:, :-4:-1]  # the three largest
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    # the sign of an eigenvector is arbitrary: make its largest entry positive
    points = vectors * np.sign(largest) * np.sqrt(np.maximum(values, 0))
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))
