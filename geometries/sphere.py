"""Geometry of a sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.aliases import FloatArray
from spatialnets.geometries.ring import Round

__all__ = ["Sphere"]


@dataclass(frozen=True)
class Sphere(Round):
    r"""Units spread evenly over a sphere (Fibonacci lattice); distances are great-circle distances.

    Unit :math:`i` is at height :math:`z = R (1 - (2i + 1) / n)` and at longitude :math:`i` times the golden angle.
    Distances are :math:`2 R \, \mathrm{atan2}(|x - y|, |x + y|)`, which is accurate for nearby and antipodal units.

    Parameters
    ----------
    n
        Number of units, two or more.
    radius
        Radius :math:`R` of the sphere, in steps.

    Raises
    ------
    ValueError
        If there are fewer than two units or the radius is not positive.

    References
    ----------
    Gonzalez (2010), doi:10.1007/s11004-009-9257-x, for the lattice.

    Examples
    --------
    >>> sphere = Sphere(n=100, radius=2.0)
    >>> sphere.positions().shape
    (100, 3)
    >>> bool(sphere.distances().max() < np.pi * 2.0)
    True
    """

    references: ClassVar[tuple[str, ...]] = ("gonzalez2010",)

    def positions(self) -> FloatArray:
        """Return the positions of the units ``(unit, 3)`` in steps, from the north pole to the south pole."""
        unit = np.arange(self.n, dtype=np.float64)
        height = 1 - (2 * unit + 1) / self.n
        ring = np.sqrt(1 - height**2)  # radius of the circle of latitude
        longitude = unit * math.pi * (3 - math.sqrt(5))
        return self.radius * np.column_stack([ring * np.cos(longitude), ring * np.sin(longitude), height])

    def distances(self) -> FloatArray:
        """Return great-circle distances ``(pre, post)`` in steps."""
        positions = self.positions()
        return 2 * self.radius * np.arctan2(cdist(positions, positions), cdist(positions, -positions))

    def sphere(self) -> FloatArray:
        return self.positions()
