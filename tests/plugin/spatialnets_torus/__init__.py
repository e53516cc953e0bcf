"""Units on a torus."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets import Geometry

__all__ = ["Torus"]


@dataclass(frozen=True)
class Torus(Geometry):
    """Units in rings around a torus in space, straight lines between them.

    Parameters
    ----------
    n
        How many units.
    radii
        From the centre to the middle of the tube, and of the tube, in mm.
    """

    length_unit: ClassVar[str] = "mm"

    n: int = 100
    radii: tuple[float, float] = (30.0, 10.0)

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n must be 2 or more, not {self.n}")
        if not 0 < self.radii[1] < self.radii[0]:
            raise ValueError(f"the tube must be thinner than the ring: radii {self.radii}")

    def positions(self) -> NDArray[np.float64]:
        """Return points on a spiral around the tube, ``(unit, 3)`` in mm."""
        number = np.arange(self.n)
        around = 2 * np.pi * number / self.n
        along = number * np.pi * (3 - np.sqrt(5))
        ring = self.radii[0] + self.radii[1] * np.cos(along)
        return np.column_stack([ring * np.cos(around), ring * np.sin(around), self.radii[1] * np.sin(along)])

    def distances(self) -> NDArray[np.float64]:
        """Return Euclidean distances ``(pre, post)`` in mm."""
        positions = self.positions()
        return cdist(positions, positions)
