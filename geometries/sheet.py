"""Geometry of a flat sheet with open edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialnets.geometries.lattice import Lattice
from spatialnets.protocols import Surface

__all__ = ["Sheet"]


@dataclass(frozen=True)
class Sheet(Lattice):
    """Units on a flat sheet with open edges; distances are Euclidean.

    Distances are those of a `Grid` with two axes; a sheet also has a surface to draw. `Torus` is the same sheet with
    periodic boundaries.

    Parameters
    ----------
    shape
        Number of units along x and along y. Units are numbered as in a `Torus` or `Grid` of the same shape.
    spacing
        Distance between neighbouring units, in steps.

    Raises
    ------
    ValueError
        If the shape is not two positive whole numbers, the sheet has only one unit, or the spacing is not positive.

    Examples
    --------
    >>> sheet = Sheet(shape=(3, 2))
    >>> sheet.distances()[0].round(2).tolist()
    [0.0, 1.0, 2.0, 1.0, 1.41, 2.24]
    >>> vertices, faces = sheet.surface()
    >>> faces.tolist()
    [[0, 1, 4], [1, 2, 5], [0, 4, 3], [1, 5, 4]]
    """

    def surface(self) -> Surface | None:
        """Return the sheet as a mesh, two triangles per square of the lattice, counter-clockwise seen from above.

        None if there is only one row of units.
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
