"""Recurrent weights without self-connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialnets.protocols import Constraint, Projection

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["NoSelf"]


@dataclass(frozen=True)
class NoSelf(Constraint):
    """No self-connections: the diagonal of the recurrent weights is zero.

    Examples
    --------
    >>> import torch
    >>> import numpy as np
    >>> units = Projection("recurrent", (2, 2), None, np.zeros(2, dtype=int))
    >>> NoSelf().constrained((torch.ones(1, 1, 2, 2),), units)
    tensor([[[[0., 1.],
              [1., 0.]]]])
    """

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        import torch

        return free[0] * (1 - torch.eye(projection.shape[0], dtype=free[0].dtype, device=free[0].device))
