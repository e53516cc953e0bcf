"""Geometry of given points."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.files.limits import read_array
from spatialnets.files.reading import file_errors
from spatialnets.files.table import ENDINGS, read_rows
from spatialnets.geometries.euclidean import Euclidean

__all__ = ["Points"]


@dataclass(frozen=True)
class Points(Euclidean):
    """Units at given positions; distances are Euclidean.

    Parameters
    ----------
    coordinates
        Positions ``(unit, d)`` in steps: an array, or a file that contains one, either ``.npy`` or text (``.csv``,
        ``.tsv``, ``.txt``) with one unit per line (commas, semicolons, tabs or spaces); a header is skipped.

    Raises
    ------
    ValueError
        If the file cannot be read, a coordinate is not finite, the array is not ``(unit, d)`` with two or more units,
        or two units have the same position.

    Examples
    --------
    >>> points = Points([[0, 0, 0], [3, 4, 0]])
    >>> points.distances()
    array([[0., 5.],
           [5., 0.]])
    """

    coordinates: str | tuple[tuple[float, ...], ...] = field(repr=False)

    def __post_init__(self) -> None:
        given: object = self.coordinates
        if isinstance(given, (str, Path)):
            object.__setattr__(self, "coordinates", str(given))
        else:
            values = _numbers(given)  # type: ignore[arg-type]
            object.__setattr__(self, "coordinates", tuple(map(tuple, values.tolist())))
        self._check(self.positions())

    def __repr__(self) -> str:
        if isinstance(self.coordinates, str):
            return f"Points({self.coordinates!r})"
        return f"Points(<{len(self.coordinates)} units>)"

    def _source(self) -> str:
        return self.coordinates if isinstance(self.coordinates, str) else "coordinates"

    def _check(self, positions: FloatArray) -> None:
        source = self._source()
        if len(positions) < 2 or positions.shape[1] < 1:
            raise ValueError(f"{source} must have shape (unit, d) with two or more units, not {positions.shape}")
        bad = np.argwhere(~np.isfinite(positions))
        if len(bad):
            unit, axis = bad[0].tolist()
            raise ValueError(
                f"{source}: unit {unit} has coordinate {positions[unit, axis]} on axis {axis}; it must be finite"
            )
        _, first, counts = np.unique(positions, axis=0, return_index=True, return_counts=True)
        if (counts > 1).any():
            unit = int(first[counts > 1].min())
            same = np.flatnonzero((positions == positions[unit]).all(axis=1))
            raise ValueError(f"{source}: units {same[0]} and {same[1]} have the same position; they must differ")

    def positions(self) -> FloatArray:
        """Return the positions of the units ``(unit, d)`` in steps."""
        if isinstance(self.coordinates, str):
            return _read(Path(self.coordinates))
        return np.array(self.coordinates, dtype=np.float64)


def _numbers(values: ArrayLike) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"coordinates must be numbers of shape (unit, d): {error}") from error
    if array.ndim != 2:
        raise ValueError(f"coordinates must have shape (unit, d), not {array.shape}")
    return array


def _read(path: Path) -> FloatArray:
    if path.suffix == ".npy":
        with file_errors(path, "an array of coordinates"):
            return _numbers(read_array(path))
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .npy, .csv, .tsv or .txt")
    return _parse(path)


def _parse(path: Path) -> FloatArray:
    rows: list[list[float]] = []
    for line, row in enumerate(read_rows(path)):
        try:
            numbers = [float(word) for word in row.words]
        except ValueError:
            if line == 0:
                continue  # a header
            raise ValueError(f"{row.place}: expected numbers, not {row.text!r}") from None
        if rows and len(numbers) != len(rows[0]):
            raise ValueError(f"{row.place}: {len(numbers)} numbers, but the lines above have {len(rows[0])}")
        rows.append(numbers)
    if not rows:
        raise ValueError(f"{path} contains no coordinates")
    return np.array(rows, dtype=np.float64)
