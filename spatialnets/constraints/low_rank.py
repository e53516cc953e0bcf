"""Recurrent weights of limited rank."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import Constraint, Projection
from spatialnets.validation import require_at_least

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LowRank"]


@dataclass(frozen=True)
class LowRank(Constraint):
    r"""Recurrent weights of limited rank, the product of two thin matrices: :math:`W = M N^\top`.

    Training starts from the best approximation of the initial weights of an unconstrained network. The trained
    parameters are :math:`M` ``(pre, rank)`` and :math:`N` ``(post, rank)``.

    Parameters
    ----------
    rank
        Maximum rank, 1 or more.

    Raises
    ------
    ValueError
        If the rank is less than 1 or more than the number of units.

    References
    ----------
    Mastrogiuseppe & Ostojic (2018), doi:10.1016/j.neuron.2018.07.003, eq. 2; Dubreuil et al. (2022),
    doi:10.1038/s41593-022-01088-4.

    Examples
    --------
    >>> import torch
    >>> import numpy as np
    >>> units = Projection("recurrent", (4, 4), None, np.zeros(4, dtype=int))
    >>> weights = LowRank(2).initial(torch.eye(4)[None, None], units)
    >>> int(torch.linalg.matrix_rank(weights))
    2
    """

    references: ClassVar[tuple[str, ...]] = ("mastrogiuseppe2018",)

    rank: int = 3

    def __post_init__(self) -> None:
        require_at_least("rank", self.rank, 1)

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        return free[0] @ free[1].mT

    def free(self, weights: Tensor, projection: Projection) -> tuple[Tensor, ...]:
        import torch

        if self.rank > min(projection.shape):
            raise ValueError(f"rank must be at most the number of units, {min(projection.shape)}, not {self.rank}")
        left, values, right = torch.linalg.svd(weights, full_matrices=False)
        roots = values[..., None, : self.rank].sqrt()
        return left[..., : self.rank] * roots, right.mT[..., : self.rank] * roots
