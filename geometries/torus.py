"""Geometry of a flat sheet with periodic boundaries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.geometries.lattice import Lattice

__all__ = ["Torus"]


@dataclass(frozen=True)
class Torus(Lattice):
    r"""Units on a flat sheet with periodic boundaries; distances are Euclidean on the torus.

    The distance between two units is :math:`\sqrt{d_x^2 + d_y^2}` with :math:`d_x = \min(|x - x'|, L_x - |x - x'|)`,
    and likewise for y, where :math:`L_x, L_y` are the lengths of the sheet (shape times spacing). Every unit has the
    same distances to the others: there are no border units. Positions are those on the flat sheet, where the
    straight line between two units may be longer than their distance; hence there is no `surface`.

    Parameters
    ----------
    shape
        Number of units along x and along y. Units are numbered as in a `Sheet` or `Grid` of the same shape.
    spacing
        Distance between neighbouring units, in steps.

    Raises
    ------
    ValueError
        If the shape is not two positive whole numbers, the sheet has only one unit, or the spacing is not positive.

    Examples
    --------
    >>> Torus(shape=(4, 3)).distances()[0].round(2).tolist()[:6]
    [0.0, 1.0, 2.0, 1.0, 1.0, 1.41]
    """

    def distances(self) -> FloatArray:
        """Return Euclidean distances with periodic boundaries, ``(pre, post)``, in steps."""
        square = np.zeros((self.n_units, self.n_units))
        for coordinate, length in zip(self.positions().T, self.shape, strict=False):  # z is zero
            offset = np.abs(coordinate[:, None] - coordinate[None, :])
            square += np.minimum(offset, length * self.spacing - offset) ** 2
        return np.sqrt(square)
