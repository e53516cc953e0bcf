"""A price on units that come close to each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialnets.graph.repulsion import lengths, repulsion
from spatialnets.protocols import PricedRegularizer, Snapshot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Repulsion"]


@dataclass(frozen=True)
class Repulsion(PricedRegularizer):
    r"""Units that are close to each other cost more: :math:`\gamma` times the mean of :math:`D_{ij}^{-p}` over pairs.

    For geometries whose positions are learned, beside or in place of the `repulsion` that they have themselves: here it
    may follow a schedule, differ between networks, and have another exponent.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.
    power
        :math:`p`, positive.

    Raises
    ------
    ValueError
        If `power` is not positive, or another projection than the recurrent one is given.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> positions = torch.tensor([[[0.0, 0.0], [0.5, 0.0]]])
    >>> Repulsion(3.0).penalty(Snapshot(weights=torch.zeros(2, 2), positions=positions))
    tensor([6.])
    """

    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.power) and self.power > 0):
            raise ValueError(f"power must be finite and positive, not {self.power}")
        if self.projection != "recurrent":
            raise ValueError(f"positions belong to no projection, so leave projection out (got {self.projection!r})")

    def cost(self, snapshot: Snapshot) -> Tensor:
        if snapshot.positions is None:
            raise ValueError("repulsion is for positions that are learned: write geometry: {kind: learnable, start: …}")
        return repulsion(lengths(snapshot.positions), self.power)
