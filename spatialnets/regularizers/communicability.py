"""A price on redundant routes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.graph.communicability import communicability
from spatialnets.protocols import WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Communicability"]


@dataclass(frozen=True)
class Communicability(WiringRegularizer):
    r"""Connections between units that can already communicate cost more: :math:`\gamma \sum_{ij} |w_{ij}| C_{ij}^f`.

    :math:`C` is `spatialnets.graph.communicability.communicability` of the weights themselves, so the gradient flows
    through it. It is a quantity of one network: only a projection of units onto themselves has one.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.
    factor
        The exponent :math:`f`, positive (``comms_factor`` in the paper's code).
    detach
        Whether prices are taken as given while learning, so that no gradient flows through :math:`C`: the authors'
        rate networks learn through it, their later spiking ones do not.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 5-6; Crofts & Higham (2009),
    doi:10.1098/rsif.2008.0484.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> Communicability(1.0).penalty(Snapshot(weights=torch.tensor([[0.0, 1.0], [-1.0, 0.0]])))
    tensor([2.3504])
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "estrada2008", "crofts2009", "paterson1973")

    factor: float = 1.0
    detach: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise ValueError(f"factor must be finite and positive, not {self.factor}")

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        price = communicability(weights.detach() if self.detach else weights)
        if self.factor == 1:
            return price
        reachable = price > 0  # the slope of x^f at 0 is infinite for f < 1
        return (price.where(reachable, 1) ** self.factor).where(reachable, 0)
