"""Geometry of a ring, and the base class that it shares with the sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.protocols import Geometry
from spatialnets.validation import require_at_least, require_positive

__all__ = ["Ring", "Round"]


@dataclass(frozen=True)
class Round(Geometry):
    """Units on a circle or a sphere; subclasses define `positions` and `distances`."""

    n: int = 100
    radius: float = 1.0

    def __post_init__(self) -> None:
        require_at_least("n", self.n, 2)
        require_positive("radius", self.radius)

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.n


@dataclass(frozen=True)
class Ring(Round):
    r"""Units evenly spaced on a circle; distances are measured along the shorter arc.

    The distance between units :math:`i` and :math:`j` is :math:`2 \pi R / n \cdot \min(|i - j|, n - |i - j|)`.

    Parameters
    ----------
    n
        Number of units, two or more.
    radius
        Radius :math:`R` of the circle, in steps.

    Raises
    ------
    ValueError
        If there are fewer than two units or the radius is not positive.

    Examples
    --------
    >>> Ring(n=4).distances()[0].round(2).tolist()
    [0.0, 1.57, 3.14, 1.57]
    """

    def positions(self) -> FloatArray:
        """Return the positions of the units ``(unit, 3)`` in steps, counter-clockwise from the x axis; z is zero."""
        angle = 2 * math.pi * np.arange(self.n) / self.n
        return self.radius * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(self.n)])

    def distances(self) -> FloatArray:
        """Return the lengths of the shorter arcs ``(pre, post)`` in steps."""
        unit = np.arange(self.n)
        offset = np.abs(unit[:, None] - unit[None, :])
        return 2 * math.pi * self.radius / self.n * np.minimum(offset, self.n - offset)
