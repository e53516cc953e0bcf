"""What keeps units apart whose positions are learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["lengths", "repulsion"]


def lengths(positions: Tensor) -> Tensor:
    """Return the straight distances between units ``(network, pre, post)`` of positions ``(network, unit, d)``.

    Differentiable everywhere: the gradient of a unit's distance to itself, and of that of two units at one place, is 0.

    Examples
    --------
    >>> import torch
    >>> lengths(torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]))
    tensor([[[0., 5.],
             [5., 0.]]])
    """
    squares = (positions[:, :, None] - positions[:, None, :]).square().sum(dim=-1)
    apart = squares > 0
    return squares.where(apart, 1).sqrt().where(apart, 0)


def repulsion(distances: Tensor, power: float = 1.0) -> Tensor:
    r"""Return the mean of :math:`D_{ij}^{-p}` over pairs of different units, for each network.

    It grows beyond all bounds where two units meet.

    Parameters
    ----------
    distances
        ``(network, pre, post)``, positive between different units.
    power
        :math:`p`, positive.

    Returns
    -------
    Tensor
        ``(network,)``.

    Examples
    --------
    >>> import torch
    >>> repulsion(torch.tensor([[[0.0, 0.5], [0.5, 0.0]]]))
    tensor([2.])
    """
    import torch

    n_units = distances.shape[-1]
    apart = ~torch.eye(n_units, dtype=torch.bool, device=distances.device)
    between = distances[:, apart]
    closest = torch.finfo(distances.dtype).tiny ** 0.5
    return between.clamp(min=closest).pow(-power).mean(dim=-1)
