"""Constraint: a condition that weights satisfy at every step of training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Constraint", "Projection"]


@dataclass(frozen=True)
class Projection:
    """A named block of weights between two populations, as a constraint sees it.

    Parameters
    ----------
    name
        ``"recurrent"``, ``"input"`` or ``"readout"``.
    shape
        Sizes of the two populations, ``(pre, post)``.
    distances
        ``(pre, post)`` in steps of the paper's grid; None where one of the populations has no positions.
    parts
        The area of each unit, ``(unit,)``; 0 throughout if there is one area.
    """

    name: str
    shape: tuple[int, int]
    distances: Tensor | None
    parts: NDArray[np.int64]


@dataclass(frozen=True)
class Constraint(ABC):
    """A condition that weights satisfy at every step of training, by reparametrization.

    The optimizer learns free parameters, which `constrained` maps to weights; a subclass implements it, and `free`
    if the free parameters are not simply weights. Weights that satisfy the constraint are left unchanged by it.
    `projections` names the blocks of weights to which it applies.
    """

    references: ClassVar[tuple[str, ...]] = ()
    projections: ClassVar[tuple[str, ...]] = ("recurrent",)

    @abstractmethod
    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        """Return weights ``(network, gate, pre, post)``, differentiable in the free parameters.

        Parameters
        ----------
        free
            The free parameters as `free` returns them, each with the network as first dimension.
        projection
            The block of weights.
        """

    def free(self, weights: Tensor, projection: Projection) -> tuple[Tensor, ...]:
        """Return free parameters that `constrained` maps to these weights, or to nearby allowed ones."""
        return (weights,)

    def initial(self, weights: Tensor, projection: Projection) -> Tensor:
        """Return constrained initial weights, given the initial weights of an unconstrained network."""
        return self.constrained(self.free(weights, projection), projection)
