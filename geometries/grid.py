"""Geometry of a rectangular grid, as in the paper."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.geometries.euclidean import Euclidean
from spatialnets.validation import require_positive

__all__ = ["Grid"]


@dataclass(frozen=True)
class Grid(Euclidean):
    """Units on a rectangular grid of one to three axes; distances are Euclidean.

    Parameters
    ----------
    shape
        Number of units along each of one to three axes. Units are numbered as in the paper's code: NumPy's
        ``meshgrid(x, y, z)`` with its default ``xy`` indexing, ravelled, so that ``z`` varies fastest, then ``x``.
    spacing
        Distance between neighbouring units, in steps.

    Raises
    ------
    ValueError
        If an axis has no units, the grid has only one unit, or the spacing is not positive.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Methods: 5 x 5 x 4 units, Euclidean distances.

    Examples
    --------
    >>> grid = Grid(shape=(5, 5, 4))
    >>> grid.n_units
    100
    >>> grid.positions()[:2]
    array([[0., 0., 0.],
           [0., 0., 1.]])
    >>> float(grid.distances()[0, 1])
    1.0
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    shape: tuple[int, ...] = (5, 5, 4)
    spacing: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))
        if not 1 <= len(self.shape) <= 3 or min(self.shape) < 1:
            raise ValueError(f"shape must be one to three positive whole numbers, not {list(self.shape)}")
        if math.prod(self.shape) < 2:
            raise ValueError(f"shape {list(self.shape)} has only one unit; a network needs two or more")
        require_positive("spacing", self.spacing)

    @property
    def n_units(self) -> int:
        """Number of units, the product of `shape`."""
        return math.prod(self.shape)

    def positions(self) -> FloatArray:
        """Return the positions of the units ``(unit, 3)`` in steps; coordinates on missing axes are zero."""
        lengths = (*self.shape, 1, 1)[:3]
        axes = np.meshgrid(*(np.arange(length, dtype=np.float64) for length in lengths))
        return self.spacing * np.column_stack([axis.ravel() for axis in axes])
