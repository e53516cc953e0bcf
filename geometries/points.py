"""Units at any given points."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist

from spatialnets.files.limits import read_array
from spatialnets.files.reading import reading
from spatialnets.files.table import ENDINGS, read_rows
from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Points"]


@dataclass(frozen=True)
class Points(Geometry):
    """Units at given points, straight lines between them.

    Parameters
    ----------
    coordinates
        An array-like ``(unit, d)``, or the path of a file that holds one: ``.npy``, or ``.csv`` with one unit a line
        (commas, semicolons, tabs or spaces between numbers; a first line of names is skipped). In steps.

    Raises
    ------
    ValueError
        If the file cannot be read (the line is named), a coordinate is not finite, the array is not ``(unit, d)`` with
        two units or more, or two units share a place.

    Examples
    --------
    >>> points = Points([[0, 0, 0], [3, 4, 0]])
    >>> points.distances()
    array([[0., 5.],
           [5., 0.]])
    """

    references: ClassVar[tuple[str, ...]] = ()

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
        if positions.ndim != 2 or len(positions) < 2 or positions.shape[1] < 1:
            raise ValueError(f"{source} must be (unit, d) with two units or more, not {positions.shape}")
        bad = np.argwhere(~np.isfinite(positions))
        if len(bad):
            unit, axis = (int(place) for place in bad[0])
            raise ValueError(
                f"{source}: unit {unit} has coordinate {positions[unit, axis]} on axis {axis}; all must be finite"
            )
        _, first, counts = np.unique(positions, axis=0, return_index=True, return_counts=True)
        if (counts > 1).any():
            unit = int(first[counts > 1].min())
            same = np.flatnonzero((positions == positions[unit]).all(axis=1))
            raise ValueError(f"{source}: units {same[0]} and {same[1]} share a place; distances must be positive")

    def positions(self) -> FloatArray:
        """Return the points ``(unit, d)`` in steps."""
        if isinstance(self.coordinates, str):
            return _read(Path(self.coordinates))
        return np.array(self.coordinates, dtype=np.float64)

    def distances(self) -> FloatArray:
        """Return Euclidean distances ``(pre, post)`` in steps."""
        positions = self.positions()
        return cdist(positions, positions)


def _numbers(values: ArrayLike) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"coordinates must be numbers (unit, d): {error}") from error
    if array.ndim != 2:
        raise ValueError(f"coordinates must be (unit, d), not {array.shape}")
    return array


def _read(path: Path) -> FloatArray:
    if path.suffix == ".npy":
        with reading(path, "an array of coordinates"):
            return _numbers(read_array(path))
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .csv or .npy")
    return _parse(path)


def _parse(path: Path) -> FloatArray:
    rows: list[list[float]] = []
    for line, row in enumerate(read_rows(path)):
        try:
            numbers = [float(word) for word in row.words]
        except ValueError:
            if line == 0:
                continue  # a line of names
            raise ValueError(f"{row.place}: expected numbers, not {row.text!r}") from None
        if rows and len(numbers) != len(rows[0]):
            raise ValueError(f"{row.place}: {len(numbers)} numbers where the lines before have {len(rows[0])}")
        rows.append(numbers)
    if not rows:
        raise ValueError(f"{path} holds no coordinates")
    return np.array(rows, dtype=np.float64)
