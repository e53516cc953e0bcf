"""Base class of the flat sheets, with open edges (`Sheet`) or periodic boundaries (`Torus`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from spatialnets.geometries.grid import Grid

__all__ = ["Lattice"]


@dataclass(frozen=True)
class Lattice(Grid):
    """Units on a flat square lattice, a `Grid` with two axes.

    Parameters
    ----------
    shape
        Number of units along x and along y.
    spacing
        Distance between neighbouring units, in steps.
    """

    references: ClassVar[tuple[str, ...]] = ()

    shape: tuple[int, int] = (10, 10)

    def __post_init__(self) -> None:
        if len(self.shape) != 2 or min(self.shape) < 1 or math.prod(self.shape) < 2:
            raise ValueError(
                f"shape must be two positive whole numbers, with two or more units in total, not {list(self.shape)}"
            )
        super().__post_init__()
