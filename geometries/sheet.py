"""Units on a flat sheet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.geometries.lattice import Lattice
from spatialnets.protocols import FloatArray, Surface

__all__ = ["Sheet"]


@dataclass(frozen=True)
class Sheet(Lattice):
    """Units on a flat sheet with open edges, straight lines between them.

    The same distances as a `Grid` of two axes, and a surface to be shown on. `Torus` is the same sheet without edges.

    Parameters
    ----------
    shape
        How many units along x and along y. Units are numbered as in `Torus` and `Grid` of the same shape.
    spacing
        Distance between neighbours, in steps.

    Raises
    ------
    ValueError
        If the shape is not two positive whole numbers, there is only one unit, or the spacing is not positive.

    Examples
    --------
    >>> sheet = Sheet(shape=(3, 2))
    >>> sheet.distances()[0].round(2).tolist()
    [0.0, 1.0, 2.0, 1.0, 1.41, 2.24]
    >>> vertices, faces = sheet.surface()
    >>> faces.tolist()
    [[0, 1, 4], [1, 2, 5], [0, 4, 3], [1, 5, 4]]
    """

    references: ClassVar[tuple[str, ...]] = ()

    def distances(self) -> FloatArray:
        """Return Euclidean distances ``(pre, post)`` in steps."""
        positions = self.positions()
        return cdist(positions, positions)

    def surface(self) -> Surface | None:
        """Return the sheet, two triangles for each square of the lattice, counter-clockwise seen from above.

        None if there is but one row of units, which has no squares.
        """
        along, across = self.shape
        if min(self.shape) < 2:
            return None
        unit = np.arange(self.n_units, dtype=np.int64).reshape(across, along)
        here, right, above, opposite = (
            corner.ravel() for corner in (unit[:-1, :-1], unit[:-1, 1:], unit[1:, :-1], unit[1:, 1:])
        )
        lower, upper = np.column_stack([here, right, opposite]), np.column_stack([here, opposite, above])
        return Surface(self.positions(), np.vstack([lower, upper]))
