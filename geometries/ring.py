"""Units on a ring."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Ring"]


@dataclass(frozen=True)
class Ring(Geometry):
    r"""Units evenly spaced on a circle, as far apart as along the shorter arc.

    Units :math:`i` and :math:`j` of :math:`n` are :math:`2 \pi R / n \cdot \min(|i - j|, n - |i - j|)` apart.

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

    Examples
    --------
    >>> Ring(n=4).distances()[0].round(2).tolist()
    [0.0, 1.57, 3.14, 1.57]
    """

    references: ClassVar[tuple[str, ...]] = ()

    n: int = 100
    radius: float = 1.0

    def __post_init__(self) -> None:
        if self.n < 2:
            raise ValueError(f"n must be 2 or more, not {self.n}")
        if not (math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"radius must be finite and positive, not {self.radius}")

    @property
    def n_units(self) -> int:
        """How many units lie on the circle."""
        return self.n

    def positions(self) -> FloatArray:
        """Return points of the circle ``(unit, 3)`` in steps, counter-clockwise from the x axis; z is zero."""
        angle = 2 * math.pi * np.arange(self.n) / self.n
        return self.radius * np.column_stack([np.cos(angle), np.sin(angle), np.zeros(self.n)])

    def distances(self) -> FloatArray:
        """Return lengths of the shorter arc ``(pre, post)`` in steps."""
        unit = np.arange(self.n)
        apart = np.abs(unit[:, None] - unit[None, :])
        return 2 * math.pi * self.radius / self.n * np.minimum(apart, self.n - apart)
