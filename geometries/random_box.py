"""Geometry of random positions in a box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.geometries.euclidean import Euclidean
from spatialnets.validation import require_at_least, require_positive

__all__ = ["RandomBox"]


@dataclass(frozen=True)
class RandomBox(Euclidean):
    """Units at uniformly random positions in a box; distances are Euclidean.

    Positions are drawn with NumPy's ``Generator(PCG64(seed))``, unit by unit: with the same seed, the first units of a
    larger network are those of a smaller one.

    Parameters
    ----------
    n
        Number of units, two or more.
    size
        Length of the box along each of one to three axes, in steps. The default gives one unit per cubic step, as in
        the paper's grid.
    seed
        Seed of the random positions, 0 or more.

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

    n: int = 100
    size: tuple[float, ...] = (5.0, 5.0, 4.0)
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "size", tuple(float(length) for length in self.size))
        require_at_least("n", self.n, 2)
        if not 1 <= len(self.size) <= 3:
            raise ValueError(f"size must be one to three lengths, not {list(self.size)}")
        require_positive("size", self.size)
        require_at_least("seed", self.seed, 0)

    @property
    def n_units(self) -> int:
        """Number of units."""
        return self.n

    def positions(self) -> FloatArray:
        """Return the positions of the units ``(unit, 3)`` in steps from one corner; missing axes are zero."""
        generator = np.random.Generator(np.random.PCG64(self.seed))
        positions = np.zeros((self.n, 3))
        positions[:, : len(self.size)] = generator.random((self.n, len(self.size))) * np.array(self.size)
        return positions
