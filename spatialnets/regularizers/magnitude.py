"""Penalties on the magnitude of weights, whatever their length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["L1", "L2"]


@dataclass(frozen=True)
class L1(WiringRegularizer):
    r"""L1 penalty, the same cost for every connection: :math:`\gamma \sum_{ij} |w_{ij}|`.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 1-2.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> L1(0.5).penalty(Snapshot(weights=torch.tensor([[0.0, 1.0], [-2.0, 0.0]])))
    tensor([1.5000])
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        return weights.new_ones(())


@dataclass(frozen=True)
class L2(WiringRegularizer):
    r"""L2 penalty, on squared weights: :math:`\gamma \sum_{ij} w_{ij}^2`.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> L2(0.5).penalty(Snapshot(weights=torch.tensor([[0.0, 1.0], [-2.0, 0.0]])))
    tensor([2.5000])
    """

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        return weights
