"""Helix: a geometry in a separate package, as an example of a plug-in."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets import Geometry

__all__ = ["Helix"]


@dataclass(frozen=True)
class Helix(Geometry):
    """Units evenly spaced along a helical wire, with distances measured along the wire.

    Parameters
    ----------
    n
        Number of units.
    radius
        Distance of the wire from the axis, in mm.
    pitch
        Height of one turn, in mm.
    turns
        Number of turns.

    Raises
    ------
    ValueError
        If `n` is less than 2, or another parameter is not positive.
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
            raise ValueError(
                f"radius, pitch and turns must be positive, not {self.radius}, {self.pitch} and {self.turns}"
            )

    def positions(self) -> NDArray[np.float64]:
        """Return the positions of units, ``(unit, 3)`` in mm."""
        turns = np.linspace(0, self.turns, self.n)
        angle = 2 * np.pi * turns
        return np.column_stack([self.radius * np.cos(angle), self.radius * np.sin(angle), self.pitch * turns])

    def distances(self) -> NDArray[np.float64]:
        """Return distances along the wire, ``(pre, post)`` in mm."""
        length_of_turn = np.hypot(2 * np.pi * self.radius, self.pitch)
        along = length_of_turn * np.linspace(0, self.turns, self.n)
        return np.abs(np.subtract.outer(along, along))
