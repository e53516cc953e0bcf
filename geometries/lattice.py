"""Units on a square lattice: what open and periodic sheets have in common."""

from __future__ import annotations

import math
from dataclasses import dataclass

from spatialnets.geometries.grid import Grid
from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Lattice"]


@dataclass(frozen=True)
class Lattice(Geometry):
    """Units on a flat square lattice, numbered like a `Grid` of the same shape; a final class writes `distances`.

    Parameters
    ----------
    shape
        How many units along x and along y.
    spacing
        Distance between neighbours, in steps.
    """

    shape: tuple[int, int] = (10, 10)
    spacing: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "shape", tuple(int(length) for length in self.shape))
        if len(self.shape) != 2 or min(self.shape) < 1 or math.prod(self.shape) < 2:
            raise ValueError(f"shape must be two positive whole numbers with two units or more, not {list(self.shape)}")
        if not (math.isfinite(self.spacing) and self.spacing > 0):
            raise ValueError(f"spacing must be finite and positive, not {self.spacing}")

    @property
    def n_units(self) -> int:
        """The product of the shape."""
        return math.prod(self.shape)

    def positions(self) -> FloatArray:
        """Return the lattice points on the flat sheet ``(unit, 3)`` in steps; z is zero."""
        return Grid(self.shape, self.spacing).positions()
