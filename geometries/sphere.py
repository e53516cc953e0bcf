"""Units spread evenly over a sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Sphere"]


@dataclass(frozen=True)
class Sphere(Geometry):
    r"""Units at the points of a Fibonacci lattice on a sphere, great circles between them.

    Unit :math:`i` lies at height :math:`z = R (1 - (2i + 1) / n)` and longitude :math:`i` times the golden angle.
    Distances are :math:`2 R \, \mathrm{atan2}(|x - y|, |x + y|)`, accurate for near and for antipodal units alike.

    Parameters
    ----------
    n
        How many units, two or more.
    radius
        :math:`R`, in steps.

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

    n: int = 100
    radius: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n must be 2 or more, not {self.n}")
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"radius must be finite and positive, not {self.radius}")

    @property
    def n_units(self) -> int:
        """The number of lattice points."""
        return self.n

    def positions(self) -> FloatArray:
        """Return the lattice points ``(unit, 3)`` in steps, from the north pole to the south pole."""
        number = np.arange(self.n, dtype=np.float64)
        height = 1 - (2 * number + 1) / self.n
        ring = np.sqrt(1 - height**2)
        longitude = number * math.pi * (3 - math.sqrt(5))
        return self.radius * np.column_stack([ring * np.cos(longitude), ring * np.sin(longitude), height])

    def distances(self) -> FloatArray:
        """Return great-circle distances ``(pre, post)`` in steps."""
        positions = self.positions()
        return 2 * self.radius * np.arctan2(cdist(positions, positions), cdist(positions, -positions))

    def sphere(self) -> FloatArray:
        return self.positions()
