"""Differentiable distances and repulsion between units whose positions are learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["euclidean_distances", "repulsion"]


def euclidean_distances(positions: Tensor) -> Tensor:
    """Return the Euclidean distances ``(network, pre, post)`` between positions ``(network, unit, d)``.

    Differentiable everywhere: where a distance is 0 (self-distances, coinciding units), its gradient is 0.

    Examples
    --------
    >>> import torch
    >>> euclidean_distances(torch.tensor([[[0.0, 0.0], [3.0, 4.0]]]))
    tensor([[[0., 5.],
             [5., 0.]]])
    """
    squares = (positions[:, :, None] - positions[:, None, :]).square().sum(dim=-1)
    apart = squares > 0
    return squares.where(apart, 1).sqrt().where(apart, 0)


def repulsion(distances: Tensor, power: float = 1.0) -> Tensor:
    r"""Return the mean of :math:`D_{ij}^{-p}` over pairs of different units, for each network.

    It diverges as two units approach each other.

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
    off_diagonal = ~torch.eye(n_units, dtype=torch.bool, device=distances.device)
    smallest = torch.finfo(distances.dtype).tiny ** 0.5
    return distances[:, off_diagonal].clamp(min=smallest).pow(-power).mean(dim=-1)
