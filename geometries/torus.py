"""Units on a sheet without edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.geometries.lattice import Lattice
from spatialnets.protocols import FloatArray

__all__ = ["Torus"]


@dataclass(frozen=True)
class Torus(Lattice):
    r"""Units on a flat sheet whose opposite edges are one: whoever leaves on the right comes in on the left.

    With :math:`L_x, L_y` the lengths of the sheet (shape times spacing), two units are
    :math:`\sqrt{d_x^2 + d_y^2}` apart, where :math:`d_x = \min(|x - x'|, L_x - |x - x'|)`, and likewise for y. Every
    unit has the same distances to the others, so that none lies at a border. Positions are those on the flat sheet,
    on which the straight line between units may be longer than their distance; hence there is no `surface`.

    Parameters
    ----------
    shape
        How many units along x and along y. Units are numbered as in `Sheet` and `Grid` of the same shape.
    spacing
        Distance between neighbours, in steps.

    Raises
    ------
    ValueError
        If the shape is not two positive whole numbers, there is only one unit, or the spacing is not positive.

    Examples
    --------
    >>> Torus(shape=(4, 3)).distances()[0].round(2).tolist()[:6]
    [0.0, 1.0, 2.0, 1.0, 1.0, 1.41]
    """

    references: ClassVar[tuple[str, ...]] = ()

    def distances(self) -> FloatArray:
        """Return Euclidean distances ``(pre, post)`` in steps, the shorter way around along each axis."""
        square = np.zeros((self.n_units, self.n_units))
        for place, length in zip(self.positions().T, self.shape, strict=False):  # z is flat
            apart = np.abs(place[:, None] - place[None, :])
            square += np.minimum(apart, length * self.spacing - apart) ** 2
        return np.sqrt(square)
