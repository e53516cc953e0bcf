"""Units on a helix."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets import Geometry

__all__ = ["Helix"]


@dataclass(frozen=True)
class Helix(Geometry):
    """Units at equal steps along a helix, as far apart as along its wire.

    Parameters
    ----------
    n
        How many units.
    radius
        From the axis to the wire, in mm.
    pitch
        How far a turn rises, in mm.
    turns
        How many turns.
    """

    length_unit: ClassVar[str] = "mm"

    n: int = 100
    radius: float = 10.0
    pitch: float = 5.0
    turns: float = 4.0

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n must be 2 or more, not {self.n}")
        if not (self.radius > 0 and self.pitch > 0 and self.turns > 0):
            raise ValueError(f"radius, pitch and turns must be positive: {self.radius}, {self.pitch}, {self.turns}")

    def _turned(self) -> NDArray[np.float64]:
        return np.linspace(0, self.turns, self.n)

    def positions(self) -> NDArray[np.float64]:
        """Return points on the wire, ``(unit, 3)`` in mm."""
        angle = 2 * np.pi * self._turned()
        return np.column_stack([self.radius * np.cos(angle), self.radius * np.sin(angle), self.pitch * self._turned()])

    def distances(self) -> NDArray[np.float64]:
        """Return lengths of wire ``(pre, post)`` in mm."""
        turn = np.hypot(2 * np.pi * self.radius, self.pitch)
        return turn * np.abs(np.subtract.outer(self._turned(), self._turned()))
