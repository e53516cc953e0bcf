"""Stochastic estimate of the summed cost of communicability, for networks of thousands of units."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["estimate_communicability_cost"]

_DEGREE = {"float32": 10, "float64": 18}  # remainders 1 / 11! = 3e-8 and 1 / 19! = 8e-18 are below rounding errors
_POWERS = 2  # power iterations; each is one matrix-vector product and removes the eigenvectors that decay slowest
_TILE = 2**20  # number of matrix elements that are processed at a time: few enough for temporaries to stay in the cache


def estimate_communicability_cost(weights: Tensor, distances: Tensor | None, signs: Tensor) -> Tensor:
    r"""Return unbiased estimates of :math:`\sum_{ij} B_{ij} C_{ij}` with :math:`B = |W| \circ D`, one for each probe.

    With :math:`M = S^{-1/2} |W| S^{-1/2}` and :math:`C = \exp(M)` without its diagonal (see
    `spatialnets.graph.communicability.communicability`)

    .. math:: \sum_{ij} B_{ij} C_{ij} = \sum_{ij} B_{ij} M_{ij} + \mathrm{tr}(B^T F), \quad
        F = \sum_{k \ge 2} M^k / k!

    The first term is computed exactly. Most of the second belongs to the largest eigenvalue of :math:`M`, which is 1
    for any weights, with right eigenvector :math:`q = s^{1/2}`. With an approximation :math:`p` of the left
    eigenvector, :math:`p^T q = 1`, and :math:`Q = I - q p^T`, for probes :math:`z` of random signs (Hutchinson)

    .. math:: \mathrm{tr}(B^T F) = (B p)^T F q + p^T F Q B^T q + E[(Q^T B S^{-1/2} z)^T F Q S^{1/2} z],

    where only the last term is estimated. Its value and gradient are small, because both of its factors are free of
    that eigenvalue. The identity holds for any :math:`p` and :math:`q`, so both are treated as constants. :math:`F` is
    only multiplied with vectors, by its Taylor series, which takes :math:`O(n^2)` per probe. Gradients are unbiased.

    The only full matrix in memory is :math:`|W|`, which the gradient replaces; everything else is processed in tiles,
    so distances may be memory-mapped. The backward pass stores :math:`n` numbers for each probe and term of the series.

    Parameters
    ----------
    weights
        :math:`W`, ``(network, pre, post)``.
    distances
        :math:`D`, ``(pre, post)`` or ``(network, pre, post)``; None for distances of 1.
    signs
        :math:`z`, ``(network, unit, probe)``, 1 or -1.

    Returns
    -------
    Tensor
        ``(network, probe)``, differentiable once. Their mean over probes is the estimate; its standard error is their
        standard deviation divided by the square root of the number of probes.

    References
    ----------
    Hutchinson (1990), doi:10.1080/03610919008812866; Meyer, Musco, Musco & Woodruff (2021),
    doi:10.1137/1.9781611976496.16, on deflation.

    Examples
    --------
    >>> weights = torch.tensor([[[0.0, 1.0], [-1.0, 0.0]]], dtype=torch.float64)
    >>> all_signs = torch.tensor([[[1.0, 1.0], [1.0, -1.0]]], dtype=torch.float64)
    >>> round(estimate_communicability_cost(weights, None, all_signs).mean().item(), 4)  # 2 sinh 1
    2.3504
    """
    return _CommunicabilityCost.apply(weights, distances, signs)  # type: ignore[no-untyped-call]


class _CommunicabilityCost(torch.autograd.Function):
    """Names follow the formula above: q, p; `b_left` and `f_right` are B and F times the columns of left and right."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, distances: Tensor | None, signs: Tensor) -> Tensor:
        magnitudes = weights.abs()
        strengths = magnitudes.sum(dim=-1, keepdim=True)
        alive = strengths > torch.finfo(strengths.dtype).tiny ** 0.5
        root = strengths.where(alive, 1).rsqrt().where(alive, 0)
        q, p = _leading_eigenvectors(magnitudes, strengths, root)
        scale = strengths.where(alive, 1).sqrt()
        left = torch.cat([signs / scale, p], dim=2)
        b_left, transposed_b_q = torch.empty_like(left), torch.zeros_like(root)
        exact, unit_sums = torch.zeros_like(root[:, 0]), torch.zeros_like(root)
        for rows in _tiles(weights):
            b = _zero_diagonal(magnitudes[:, rows].clone(), rows)
            b = b.mul_(distances[..., rows, :]) if distances is not None else b
            b_left[:, rows] = b @ left
            transposed_b_q.baddbmm_(b.mT, q[:, rows])
            b.mul_(magnitudes[:, rows])  # B ∘ M without the roots, with which its sums are weighted instead
            row_sums = root[:, rows] * (b @ root)
            unit_sums[:, rows] += row_sums
            unit_sums += root * (b.mT @ root[:, rows])
            exact += row_sums.sum(dim=1)
        probes = b_left[:, :, :-1]
        b_left = torch.cat([probes - p @ (q.mT @ probes), b_left[:, :, -1:], p], dim=2)
        probes, transposed_b_q = (columns - q @ (p.mT @ columns) for columns in (signs * scale, transposed_b_q))
        right = torch.cat([probes, q, transposed_b_q], dim=2)
        powers = [right]
        for _ in range(_DEGREE[str(weights.dtype).removeprefix("torch.")]):
            powers.append(root * _product(magnitudes, root * powers[-1]))
        f_right = torch.zeros_like(right)
        for power in range(2, len(powers)):
            f_right.add_(powers[power], alpha=1 / math.factorial(power))
        terms = (b_left * f_right).sum(dim=1)
        ctx.save_for_backward(weights, distances, root, left, q, b_left, unit_sums, f_right, *powers)
        ctx.magnitudes = magnitudes
        return exact + terms[:, -2:].sum(dim=1, keepdim=True) + terms[:, :-2]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None]:
        weights, distances, root, left, q, b_left, unit_sums, f_right, *powers = ctx.saved_tensors
        total = gradient.sum(dim=1)[:, None, None]
        column_gradients = torch.cat([gradient[:, None], total, total], dim=2)
        b_left, unit_sums = b_left * column_gradients, unit_sums * total
        # the gradient overwrites the magnitudes, so a second backward pass computes them again
        magnitudes, ctx.magnitudes = weights.abs() if ctx.magnitudes is None else ctx.magnitudes, None
        outer_left, incoming = [], b_left / math.factorial(len(powers) - 1)
        for power in range(len(powers) - 1, 0, -1):
            outer_left.append(root * incoming)
            carried = root * _product(magnitudes.mT, outer_left[-1])
            unit_sums += (incoming * powers[power] + powers[power - 1] * carried).sum(dim=-1, keepdim=True)
            incoming = carried if power == 2 else carried.add(b_left, alpha=1 / math.factorial(power - 1))
        # B is the left factor in the columns of the probes and of q, and the right factor in the last column
        p = left[:, :, -1:]
        f_right = f_right * column_gradients
        probes = f_right[:, :, :-2] - q @ (p.mT @ f_right[:, :, :-2])
        cost_left = torch.cat([probes, f_right[:, :, -2:-1], q], dim=2)
        last = carried[:, :, -1:]
        cost_right = torch.cat([left, last - p @ (q.mT @ last)], dim=2)
        grad_strengths = unit_sums * root.square() / -2
        all_left = torch.cat(outer_left, dim=2)
        all_right = torch.cat([root * powers[power] for power in range(len(powers) - 2, -1, -1)], dim=2)
        grad_distances = torch.zeros_like(distances) if distances is not None and ctx.needs_input_grad[1] else None
        for rows in _tiles(weights):
            row_magnitudes = magnitudes[:, rows]
            matrix = (row_magnitudes * (root[:, rows] * total)).mul_(root.mT)
            slope = torch.baddbmm(matrix, cost_left[:, rows], cost_right.mT)  # on B, apart from its diagonal
            if grad_distances is not None:
                grad_rows = _zero_diagonal(row_magnitudes * slope, rows)
                grad_distances[..., rows, :] = grad_rows.sum(dim=0) if grad_distances.ndim == 2 else grad_rows
            slope = _zero_diagonal(slope.add_(matrix), rows)
            slope = slope.mul_(distances[..., rows, :]) if distances is not None else slope
            slope.baddbmm_(all_left[:, rows], all_right.mT).add_(grad_strengths[:, rows])
            torch.mul(slope, weights[:, rows].sign(), out=row_magnitudes)
        return magnitudes, grad_distances, None


def _leading_eigenvectors(magnitudes: Tensor, strengths: Tensor, root: Tensor) -> tuple[Tensor, Tensor]:
    """Return right and approximate left eigenvectors of the largest eigenvalue, ``(network, unit, 1)`` each."""
    right = strengths.sqrt()
    right = right / torch.linalg.vector_norm(right, dim=1, keepdim=True).clamp_min(1e-30)
    left = right
    for _ in range(_POWERS):
        left = root * _product(magnitudes.mT, root * left)
    return right, left / (left * right).sum(dim=1, keepdim=True).clamp_min(1e-30)


def _product(matrices: Tensor, columns: Tensor) -> Tensor:
    """Return the matrix product, computed on transposed factors: two to four times faster on CPUs."""
    return torch.bmm(columns.mT.contiguous(), matrices.mT).mT


def _tiles(weights: Tensor) -> Iterator[slice]:
    count, n_units = weights.shape[:2]
    rows = max(1, _TILE // (count * n_units))
    return (slice(start, min(start + rows, n_units)) for start in range(0, n_units, rows))


def _zero_diagonal(values: Tensor, rows: slice) -> Tensor:
    """Set the diagonal (self-connections) of some rows of matrices to zero in place, and return the rows."""
    values[:, :, rows].diagonal(dim1=-2, dim2=-1).zero_()
    return values
