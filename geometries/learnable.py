"""Units whose places are learned."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets.geometries.grid import Grid
from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Learnable"]


@dataclass(frozen=True)
class Learnable(Geometry):
    r"""Units that begin somewhere and move while their network learns: positions are trained with the weights.

    Distances are straight, and each network has its own. Two things keep the units of a network from collapsing
    into a point, where connections would cost nothing: positions are rescaled at every step so that the mean distance
    stays what it was at the start, and units repel each other,

    .. math:: \rho \; \frac{1}{n (n - 1)} \sum_{i \ne j} D_{ij}^{-1},

    with distances in steps of the paper's grid, which is added to the penalty under the name ``keeping_apart``.
    Positions are kept at every epoch (`positions` of a run), in the unit of length of the start.

    Parameters
    ----------
    start
        Where units begin.
    repulsion
        :math:`\rho`, not negative. At 0 units may come together in clumps.

    Raises
    ------
    ValueError
        If `repulsion` is negative, or positions of the start are learned already.

    Examples
    --------
    >>> Learnable(start=Grid((2, 2)), repulsion=0.1).distances()[0].round(2).tolist()
    [0.0, 1.0, 1.0, 1.41]
    """

    learnable: ClassVar[bool] = True

    start: Geometry = field(default_factory=Grid)
    repulsion: float = 1.0

    def __post_init__(self) -> None:
        if self.start.learnable:
            raise ValueError("start must be a geometry with fixed places")
        if not (math.isfinite(self.repulsion) and self.repulsion >= 0):
            raise ValueError(f"repulsion must be finite and not negative, not {self.repulsion}")

    @property
    def length_unit(self) -> str:  # type: ignore[override]  # that of the start, known with it
        """The unit of length of the start."""
        return self.start.length_unit

    def positions(self) -> FloatArray:
        return self.start.positions()

    def distances(self) -> FloatArray:
        """Return the straight distance between units at the start, ``(pre, post)``."""
        positions = self.start.positions()
        return np.asarray(cdist(positions, positions))

    def unit_names(self) -> tuple[str, ...] | None:
        return self.start.unit_names()

    def parts(self) -> NDArray[np.int64] | None:
        return self.start.parts()

    def keeping_apart(self) -> float:
        return self.repulsion
