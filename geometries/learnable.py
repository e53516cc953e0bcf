"""Geometry whose positions are learned."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.geometries.euclidean import Euclidean
from spatialnets.geometries.grid import Grid
from spatialnets.protocols import Geometry
from spatialnets.validation import require_not_negative

__all__ = ["Learnable"]


@dataclass(frozen=True)
class Learnable(Euclidean):
    r"""Units whose positions are trained together with the weights; distances are Euclidean.

    Each network has its own positions. Two mechanisms keep its units from collapsing into a point, where connections
    would cost nothing: positions are rescaled at every step so that the mean distance stays at its initial value, and
    units repel each other through a term of the penalty, ``keeping_apart``,

    .. math:: \rho \; \frac{1}{n (n - 1)} \sum_{i \ne j} D_{ij}^{-1},

    with distances :math:`D` in steps of the paper's grid. A run stores the positions of every epoch (`positions`), in
    the unit of length of `start`.

    Parameters
    ----------
    start
        Geometry of the initial positions.
    repulsion
        Strength of the repulsion :math:`\rho`, 0 or greater. At 0, units may form clumps.

    Raises
    ------
    ValueError
        If `repulsion` is negative, or the positions of `start` are themselves learned.

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
            raise ValueError(f"start must be a geometry with fixed positions, not {self.start!r}")
        require_not_negative("repulsion", self.repulsion)

    @property
    def length_unit(self) -> str:  # type: ignore[override]  # depends on the field start
        """Unit of length of `start`."""
        return self.start.length_unit

    def positions(self) -> FloatArray:
        """Return the initial positions of the units."""
        return self.start.positions()

    def unit_names(self) -> tuple[str, ...] | None:
        return self.start.unit_names()

    def parts(self) -> NDArray[np.int64] | None:
        return self.start.parts()

    def keeping_apart(self) -> float:
        return self.repulsion
