"""A penalty on the rank of weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import PricedRegularizer, Snapshot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Nuclear"]


@dataclass(frozen=True)
class Nuclear(PricedRegularizer):
    r"""Penalty on rank through the nuclear norm, the sum of singular values: :math:`\gamma \sum_k \sigma_k(W)`.

    :math:`\sigma_k` are the singular values of the signed weights, summed over gates. Small singular values are driven
    to zero, as small weights are by L1. Singular values that are zero up to rounding have no gradient.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.

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
        nonzero = values.detach() > rounding * values.detach().amax(dim=-1, keepdim=True)
        return values.where(nonzero, 0).sum(dim=(1, 2))
