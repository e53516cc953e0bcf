"""Random initial weights."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["glorot_uniform", "orthogonal"]


def glorot_uniform(n_pre: int, n_post: int, generator: torch.Generator) -> Tensor:
    r"""Return weights ``(pre, post)``, uniform within :math:`\pm\sqrt{6 / (n_{pre} + n_{post})}`.

    References
    ----------
    Glorot & Bengio (2010), Proc. AISTATS 9, 249-256, eq. 16.
    """
    limit = (6 / (n_pre + n_post)) ** 0.5
    return torch.empty(n_pre, n_post).uniform_(-limit, limit, generator=generator)


def orthogonal(n_units: int, gain: float, generator: torch.Generator) -> Tensor:
    """Return a random orthogonal matrix ``(pre, post)`` times `gain`, uniform over all rotations and reflections.

    References
    ----------
    Saxe et al. (2014), arXiv:1312.6120.
    """
    q, r = torch.linalg.qr(torch.randn(n_units, n_units, generator=generator))
    return gain * q * r.diagonal().sign()  # without the signs, the distribution would not be uniform
