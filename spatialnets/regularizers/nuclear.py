"""A price on rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import PricedRegularizer, Snapshot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Nuclear"]


@dataclass(frozen=True)
class Nuclear(PricedRegularizer):
    r"""Weights of many independent directions cost more: the nuclear norm, :math:`\gamma \sum_k \sigma_k(W)`.

    :math:`\sigma_k` are the singular values of the weights, with their signs; those of each gate are added. It presses
    small singular values to zero, as L1 does with small weights. Those that are zero, but for rounding, have no
    gradient.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.

    References
    ----------
    Recht, Fazel & Parrilo (2010), doi:10.1137/070697835.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> Nuclear(0.5).penalty(Snapshot(weights=torch.tensor([[0.0, 3.0], [-4.0, 0.0]])))
    tensor([3.5000])
    """

    references: ClassVar[tuple[str, ...]] = ("recht2010",)

    def cost(self, snapshot: Snapshot) -> Tensor:
        import torch

        values = torch.linalg.svdvals(snapshot.weights)
        rounding = torch.finfo(values.dtype).eps * max(snapshot.weights.shape[2:])
        there = values.detach() > rounding * values.detach().amax(dim=-1, keepdim=True)
        return values.where(there, 0).sum(dim=(1, 2))
