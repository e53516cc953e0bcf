"""Communicability: the weighted number of walks of all lengths between two units."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, overload

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import inverse_factorials, square_matrices

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["communicability"]

_DEGREE = {"float32": 12, "float64": 18}  # of the Taylor series; multiples of 3, see inverse_factorials


@overload
def communicability(magnitudes: Tensor, diagonal: bool = False) -> Tensor: ...
@overload
def communicability(magnitudes: ArrayLike, diagonal: bool = False) -> FloatArray: ...
def communicability(magnitudes: ArrayLike | Tensor, diagonal: bool = False) -> FloatArray | Tensor:
    r"""Return the communicability between all pairs of units, with weights normalised by strength.

    .. math:: C = \exp(S^{-1/2} A S^{-1/2}), \quad C_{ii} = 0, \quad S = \mathrm{diag}(\sum_j A_{ij})

    where :math:`A = |W|`. As in the paper's code, out-strengths (row sums) normalise both sides, although :math:`W` is
    directed. The matrix :math:`M = S^{-1/2} A S^{-1/2}` is similar to the row-stochastic :math:`S^{-1} A`, whose norm
    is 1 for any weights, so a Taylor series of fixed degree needs no scaling: relative to :math:`S^{1/2} S^{-1/2}`, its
    remainder is below :math:`1/13! \approx 2 \cdot 10^{-10}` at degree 12 (float32) and :math:`10^{-17}` at degree 18
    (float64). For a unit without outgoing weights (in float32, a strength below :math:`10^{-19}`) the pseudo-inverse
    sets :math:`s^{-1/2} = 0`: its communicability is 0, and value and gradient stay finite.

    Parameters
    ----------
    magnitudes
        :math:`A`, ``(…, pre, post)``, non-negative and square: a tensor or an array-like.
    diagonal
        If True, keep the diagonal of the exponential, the communicability of each unit with itself. Penalties omit it.

    Returns
    -------
    Tensor or ndarray
        :math:`C`, ``(…, pre, post)``, dimensionless. A tensor gives a differentiable tensor of the same precision;
        anything else gives a float64 array, which is NaN for networks with non-finite weights.

    Raises
    ------
    ValueError
        If matrices are not square, or weights of an array are negative.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eq. 6; Crofts & Higham (2009),
    doi:10.1098/rsif.2008.0484; Estrada & Hatano (2008), doi:10.1103/PhysRevE.77.036111; Paterson & Stockmeyer
    (1973), doi:10.1137/0202007.

    Examples
    --------
    >>> communicability([[0.0, 1.0], [1.0, 0.0]]).round(4).tolist()
    [[0.0, 1.1752], [1.1752, 0.0]]
    """
    torch = sys.modules.get("torch")  # if the argument is a tensor, torch has been imported
    if torch is None or not isinstance(magnitudes, torch.Tensor):
        return _of_arrays(magnitudes, diagonal)
    return _of_tensors(magnitudes, diagonal)


def _of_tensors(magnitudes: Tensor, diagonal: bool) -> Tensor:
    if magnitudes.ndim < 2 or magnitudes.shape[-1] != magnitudes.shape[-2]:
        raise ValueError(f"communicability needs square matrices (…, pre, post), not {tuple(magnitudes.shape)}")
    import torch

    from spatialnets.graph.exponential import exponential_without_identity

    strengths = magnitudes.sum(dim=-1, keepdim=True)
    alive = strengths > torch.finfo(strengths.dtype).tiny ** 0.5  # below this, the derivative of s^-1/2 overflows
    # the inner where() keeps the gradient finite: the outer one alone would still differentiate 1/sqrt(0)
    inverse_root = (strengths.where(alive, 1).rsqrt()).where(alive, 0)
    matrix = magnitudes * inverse_root * inverse_root.mT
    series = exponential_without_identity(matrix, _DEGREE[str(matrix.dtype).removeprefix("torch.")])
    if diagonal:
        return series + torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)
    return series.masked_fill(torch.eye(matrix.shape[-1], dtype=torch.bool, device=matrix.device), 0)


def _of_arrays(magnitudes: ArrayLike, diagonal: bool) -> FloatArray:
    matrices = square_matrices(magnitudes, "communicability", nonnegative=True)
    n_units = matrices.shape[-1]
    identity = np.eye(n_units)
    result = np.full(matrices.shape, np.nan)
    for target, matrix in zip(
        result.reshape(-1, n_units, n_units), matrices.reshape(-1, n_units, n_units), strict=True
    ):
        strengths = matrix.sum(axis=-1, keepdims=True)
        if not np.isfinite(strengths).all():
            continue
        alive = strengths > np.finfo(np.float64).tiny ** 0.5
        inverse_root = np.where(alive, 1 / np.sqrt(np.where(alive, strengths, 1)), 0)
        target[...] = _exponential_without_identity(matrix * inverse_root * inverse_root.T, _DEGREE["float64"])
        if diagonal:
            target += identity
        else:
            np.fill_diagonal(target, 0)
    return result


def _exponential_without_identity(matrix: FloatArray, degree: int) -> FloatArray:
    """Return the Taylor series of exp without its constant term (Paterson & Stockmeyer, powers up to 3)."""
    square = matrix @ matrix
    cube, identity = square @ matrix, np.eye(len(matrix))
    coefficients = inverse_factorials(degree)

    def chunk(power: int) -> FloatArray:
        return np.asarray(
            coefficients[power + 1] * matrix
            + coefficients[power + 2] * square
            + (coefficients[power] if power else 0.0) * identity
        )

    result = coefficients[degree] * cube + chunk(degree - 3)
    for power in range(degree - 6, -1, -3):
        result = cube @ result + chunk(power)
    return result
