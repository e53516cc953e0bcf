"""Units at random places in a box."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.protocols import FloatArray, Geometry

__all__ = ["RandomBox"]


@dataclass(frozen=True)
class RandomBox(Geometry):
    """Units at uniformly random places in a box, straight lines between them.

    Places come from NumPy's ``Generator(PCG64(seed))``, one unit after the other: the first units of a larger network
    are those of a smaller one with the same seed.

    Parameters
    ----------
    n
        How many units, two or more.
    size
        Length of the box along each of one to three axes, in steps. By default there is one unit to a cubic step, as
        in the paper's grid.
    seed
        Of the random places, 0 or more.

    Raises
    ------
    ValueError
        If there are fewer than two units, the size is not one to three positive lengths, or the seed is negative.

    Examples
    --------
    >>> box = RandomBox(n=3, size=(5.0, 5.0, 4.0), seed=0)
    >>> box.positions().round(2).tolist()
    [[3.18, 1.35, 0.16], [0.08, 4.07, 3.65], [3.03, 3.65, 2.17]]
    """

    references: ClassVar[tuple[str, ...]] = ()

    n: int = 100
    size: tuple[float, ...] = (5.0, 5.0, 4.0)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(float(length) for length in self.size))
        if self.n < 2:
            raise ValueError(f"n must be 2 or more, not {self.n}")
        if not 1 <= len(self.size) <= 3 or not all(math.isfinite(length) and length > 0 for length in self.size):
            raise ValueError(f"size must be one to three finite, positive lengths, not {list(self.size)}")
        if self.seed < 0:
            raise ValueError(f"seed must be 0 or more, not {self.seed}")

    @property
    def n_units(self) -> int:
        """How many units are in the box."""
        return self.n

    def positions(self) -> FloatArray:
        """Return places in the box ``(unit, 3)`` in steps, one corner at zero; axes that `size` leaves out are zero."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        positions = np.zeros((self.n, 3))
        positions[:, : len(self.size)] = generator.random((self.n, len(self.size))) * np.array(self.size)
        return positions

    def distances(self) -> FloatArray:
        """Return Euclidean distances ``(pre, post)`` in steps."""
        positions = self.positions()
        return cdist(positions, positions)
