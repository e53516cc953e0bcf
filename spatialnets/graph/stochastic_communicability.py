"""The whole price of communicability, estimated by random probes: for networks of thousands of units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["estimated_price"]

_DEGREE = {"float32": 10, "float64": 18}  # remainders 1 / 11! = 3e-8 and 1 / 19! = 8e-18, below rounding
_POWERS = 2  # each is a product with one vector, of some twenty with all probes, and takes out what mixes slowest
_TILE = 2**22  # elements held at once where all pairs are gone through


def estimated_price(weights: Tensor, distances: Tensor | None, signs: Tensor) -> Tensor:
    r"""Return unbiased estimates of :math:`\sum_{ij} B_{ij} C_{ij}` with :math:`B = |W| \circ D`, one for each probe.

    With :math:`M = S^{-1/2} |W| S^{-1/2}` and :math:`C = \exp(M)` without its diagonal (see
    `spatialnets.graph.communicability.communicability`)

    .. math:: \sum_{ij} B_{ij} C_{ij} = \sum_{ij} B_{ij} M_{ij} + \mathrm{tr}(B^T F), \quad
        F = \sum_{k \ge 2} M^k / k!

    where the first term is had exactly. Of the second, most belongs to the largest eigenvalue of :math:`M`, which is 1
    with the right eigenvector :math:`q = s^{1/2}` whatever the weights. With :math:`p` near the left one,
    :math:`p^T q = 1`, and :math:`Q = I - q p^T`, for probes :math:`z` of random signs (Hutchinson)

    .. math:: \mathrm{tr}(B^T F) = (B p)^T F q + p^T F Q B^T q + E[(Q^T B S^{-1/2} z)^T F Q S^{1/2} z],

    where again all but the last is exact, and that is small, in value and gradient: neither side has a share in that
    eigenvalue. This holds for any :math:`p` and :math:`q`, which therefore count as constants. :math:`F` is only ever
    multiplied with vectors, by its Taylor series: :math:`O(n^2)` for each probe. Gradients are unbiased, too.

    No matrix of all pairs is held but the magnitudes; the rest goes tile by tile, so that distances may be mapped from
    a file. The backward pass keeps :math:`n` numbers for each probe and term of the series.

    Parameters
    ----------
    weights
        :math:`W`, ``(network, pre, post)``.
    distances
        :math:`D`, ``(pre, post)`` or ``(network, pre, post)``; None for 1 throughout.
    signs
        :math:`z`, ``(network, unit, probe)``, 1 or -1.

    Returns
    -------
    Tensor
        ``(network, probe)``, differentiable once. Their mean is the estimate; the standard deviation of that is theirs
        over the square root of their number.

    References
    ----------
    Hutchinson (1990), doi:10.1080/03610919008812866; Meyer, Musco, Musco & Woodruff (2021),
    doi:10.1137/1.9781611976496.16, on taking out what is large.

    Examples
    --------
    >>> weights = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]], dtype=torch.float64)
    >>> all_signs = torch.tensor([[[1.0, 1.0], [1.0, -1.0]]], dtype=torch.float64)
    >>> round(estimated_price(weights, None, all_signs).mean().item(), 4)  # 2 sinh 1
    2.3504
    """
    return _Price.apply(weights, distances, signs)  # type: ignore[no-untyped-call]


class _Price(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, distances: Tensor | None, signs: Tensor) -> Tensor:
        magnitudes = weights.abs()
        strengths = magnitudes.sum(dim=-1, keepdim=True)
        alive = strengths > torch.finfo(strengths.dtype).tiny ** 0.5
        root = strengths.where(alive, 1).rsqrt().where(alive, 0)
        slowest, other = _slowest(magnitudes, strengths, root)
        scale = strengths.where(alive, 1).sqrt()
        left = torch.cat([signs / scale, other], dim=2)
        priced, back = torch.empty_like(left), torch.zeros_like(root)
        exact, of_units = torch.zeros_like(root[:, 0]), torch.zeros_like(root)
        for rows in _tiles(weights):
            price = _without_self(magnitudes[:, rows], rows)
            price = price * distances[..., rows, :] if distances is not None else price
            priced[:, rows] = price @ left
            back += price.mT @ slowest[:, rows]
            price = price * (magnitudes[:, rows] * root[:, rows] * root.mT)
            each = price.sum(dim=-1, keepdim=True)
            of_units[:, rows] += each
            of_units += price.sum(dim=-2)[:, :, None]
            exact += each.sum(dim=1)
        probed = priced[:, :, :-1]
        priced = torch.cat([probed - other @ (slowest.mT @ probed), priced[:, :, -1:], other], dim=2)
        probed, back = (part - slowest @ (other.mT @ part) for part in (signs * scale, back))
        right = torch.cat([probed, slowest, back], dim=2)
        powers = [right]
        for _ in range(_DEGREE[str(weights.dtype).removeprefix("torch.")]):
            powers.append(root * _product(magnitudes, root * powers[-1]))
        reached = torch.zeros_like(right)
        for power in range(2, len(powers)):
            reached.add_(powers[power], alpha=1 / math.factorial(power))
        found = (priced * reached).sum(dim=1)
        ctx.save_for_backward(weights, distances, root, left, slowest, priced, of_units, reached, *powers)
        return exact + found[:, -2:].sum(dim=1, keepdim=True) + found[:, :-2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        weights, distances, root, left, slowest, priced, of_units, reached, *powers = ctx.saved_tensors
        total = gradient.sum(dim=1)[:, None, None]
        share = torch.cat([gradient[:, None], total, total], dim=2)
        priced, of_units = priced * share, of_units * total
        magnitudes = weights.abs()
        before, into = [], priced / math.factorial(len(powers) - 1)
        for power in range(len(powers) - 1, 0, -1):
            before.append(root * into)
            carried = root * _product(magnitudes.mT, before[-1])
            of_units += (into * powers[power] + powers[power - 1] * carried).sum(dim=-1, keepdim=True)
            into = carried if power == 2 else carried.add(priced, alpha=1 / math.factorial(power - 1))
        # of the columns, B stands on the left in probes and the first exact one, and on the right in the last
        other = left[:, :, -1:]
        reached = reached * share
        probed = reached[:, :, :-2] - slowest @ (other.mT @ reached[:, :, :-2])
        before_price = torch.cat([probed, reached[:, :, -2:-1], slowest], dim=2)
        back = carried[:, :, -1:]
        after_price = torch.cat([left, back - other @ (slowest.mT @ back)], dim=2)
        of_strengths = of_units * root.square() / -2
        before_all = torch.cat(before, dim=2)
        after_all = torch.cat([root * powers[power] for power in range(len(powers) - 2, -1, -1)], dim=2)
        of_weights = torch.empty_like(weights)
        of_distances = torch.zeros_like(distances) if distances is not None and ctx.needs_input_grad[1] else None
        for rows in _tiles(weights):
            own = magnitudes[:, rows]
            matrix = own * root[:, rows] * root.mT * total
            of_price = _without_self(torch.baddbmm(matrix, before_price[:, rows], after_price.mT), rows)
            if of_distances is not None:
                found = own * of_price
                of_distances[..., rows, :] = found.sum(dim=0) if of_distances.ndim == 2 else found
            slope = of_price.add_(_without_self(matrix, rows))
            slope = slope.mul_(distances[..., rows, :]) if distances is not None else slope
            slope = slope.baddbmm_(before_all[:, rows], after_all.mT).add_(of_strengths[:, rows])
            torch.mul(slope, weights[:, rows].sign(), out=of_weights[:, rows])
        return of_weights, of_distances, None


def _slowest(magnitudes: Tensor, strengths: Tensor, root: Tensor) -> tuple[Tensor, Tensor]:
    """Return the right eigenvector of the largest eigenvalue and about the left one, ``(network, unit, 1)`` each."""
    right = strengths.sqrt()
    right = right / torch.linalg.vector_norm(right, dim=1, keepdim=True).clamp_min(1e-30)
    left = right
    for _ in range(_POWERS):
        left = root * _product(magnitudes.mT, root * left)
    return right, left / (left * right).sum(dim=1, keepdim=True).clamp_min(1e-30)


def _product(matrices: Tensor, columns: Tensor) -> Tensor:
    """Return their product as that of the transposed, which takes a half to a quarter of the time on a processor."""
    return torch.bmm(columns.mT.contiguous(), matrices.mT).mT


def _tiles(weights: Tensor) -> Iterator[slice]:
    count, n_units = weights.shape[:2]
    rows = max(1, _TILE // (count * n_units))
    return (slice(start, min(start + rows, n_units)) for start in range(0, n_units, rows))


def _without_self(rows_of: Tensor, rows: slice) -> Tensor:
    """Return some rows of matrices without what belongs to connections of units to themselves."""
    found = rows_of.clone()
    found[:, :, rows].diagonal(dim1=-2, dim2=-1).zero_()
    return found
