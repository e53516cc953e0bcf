"""A penalty on units that are close to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialnets.graph.repulsion import euclidean_distances, repulsion
from spatialnets.protocols import PricedRegularizer, Snapshot
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Repulsion"]


@dataclass(frozen=True)
class Repulsion(PricedRegularizer):
    r"""Penalty on units that are close to each other: :math:`\gamma` times the mean of :math:`D_{ij}^{-p}` over pairs.

    For geometries with learned positions, in addition to their own field `repulsion` or instead of it: here the
    strength can follow a schedule and differ between networks, and the exponent can be chosen. Distances :math:`D` are
    in steps of the paper's grid (see `Geometry.rescale`).

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.
    power
        Exponent :math:`p`, positive.

    Raises
    ------
    ValueError
        If `power` is not positive, or `projection` is given: positions belong to units, not to a projection.

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
        require_positive("power", self.power)
        if self.projection != "recurrent":
            raise ValueError(f"positions do not belong to a projection: leave out projection={self.projection}")

    def cost(self, snapshot: Snapshot) -> Tensor:
        if snapshot.positions is None:
            raise ValueError("repulsion needs learned positions: write geometry: {kind: learnable, start: …}")
        return repulsion(euclidean_distances(snapshot.positions), self.power)
