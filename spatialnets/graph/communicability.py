"""Communicability: how much two units can exchange over all walks between them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.matrices import square_matrices
from spatialnets.protocols import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["communicability"]

# 1/k! for exp(M) = I + M (1 + …); in chunks of three powers (Paterson & Stockmeyer)
_DEGREE = {"float32": 12, "float64": 18}


Matrix = TypeVar("Matrix", FloatArray, "Tensor")


@overload
def communicability(magnitudes: Tensor, diagonal: bool = False) -> Tensor: ...
@overload
def communicability(magnitudes: ArrayLike, diagonal: bool = False) -> FloatArray: ...
def communicability(magnitudes: ArrayLike | Tensor, diagonal: bool = False) -> FloatArray | Tensor:
    r"""Return the communicability between all units, weights normalised by strength.

    .. math:: C = \exp(S^{-1/2} A S^{-1/2}), \quad C_{ii} = 0, \quad S = \mathrm{diag}(\sum_j A_{ij})

    with :math:`A = |W|` and out-strengths (row sums) on both sides, as in the paper's code, although :math:`W` is
    directed. The matrix :math:`M = S^{-1/2} A S^{-1/2}` is similar to the row-stochastic :math:`S^{-1} A`, whose norm
    is 1 whatever the weights, so a Taylor series of fixed degree needs no scaling: its remainder is below
    :math:`1/13! \approx 2 \cdot 10^{-10}` at degree 12 (float32) and :math:`10^{-17}` at degree 18 (float64), relative
    to :math:`S^{1/2} S^{-1/2}`. A unit without outgoing weights (in float32, with less than :math:`10^{-19}` in all)
    gets :math:`s^{-1/2} = 0` (the pseudo-inverse): it then communicates with nobody; value and gradient stay finite.

    Parameters
    ----------
    magnitudes
        :math:`A`, ``(…, pre, post)``, not negative, square: a tensor, or anything that numpy takes for an array.
    diagonal
        Whether to keep the diagonal of the exponential, how much a unit can exchange with itself. A penalty has none.

    Returns
    -------
    Tensor or ndarray
        :math:`C`, ``(…, pre, post)``, without unit. Of a tensor, a tensor of its precision, differentiable; of anything
        else float64, and NaN for a network with weights that are not finite.

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
    # whoever has a tensor has imported torch
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(magnitudes, torch.Tensor):
        return _of_arrays(magnitudes, diagonal)
    return _of_tensors(magnitudes, diagonal)


def _of_tensors(magnitudes: Tensor, diagonal: bool) -> Tensor:
    if magnitudes.ndim < 2 or magnitudes.shape[-1] != magnitudes.shape[-2]:
        raise ValueError(
            f"communicability needs weights among one set of units (pre = post), not {tuple(magnitudes.shape[-2:])}"
        )
    import torch

    from spatialnets.graph.exponential import exponential_without_identity

    strengths = magnitudes.sum(dim=-1, keepdim=True)
    alive = strengths > torch.finfo(strengths.dtype).tiny ** 0.5  # below it, the slope of s^-1/2 overflows
    # both sides guarded: where() alone would still differentiate 1/sqrt(0)
    inverse_root = (strengths.where(alive, 1).rsqrt()).where(alive, 0)
    matrix = magnitudes * inverse_root * inverse_root.mT
    series = exponential_without_identity(matrix, _DEGREE[str(matrix.dtype).removeprefix("torch.")])
    diagonal_of = series.diagonal(dim1=-2, dim2=-1)
    return series + torch.ones_like(diagonal_of).diag_embed() if diagonal else series - diagonal_of.diag_embed()


def _of_arrays(magnitudes: ArrayLike, diagonal: bool) -> FloatArray:
    matrices = square_matrices(magnitudes, "communicability, among one set of units (pre = post),")
    if (matrices < 0).any():
        raise ValueError("communicability needs weights that are not negative; take their magnitude")
    n_units = matrices.shape[-1]
    identity = np.eye(n_units)
    result = np.full(matrices.shape, np.nan)
    for found, matrix in zip(result.reshape(-1, n_units, n_units), matrices.reshape(-1, n_units, n_units), strict=True):
        strengths = matrix.sum(axis=-1, keepdims=True)
        if not np.isfinite(strengths).all():
            continue
        alive = strengths > np.finfo(np.float64).tiny ** 0.5
        inverse_root = np.where(alive, 1 / np.sqrt(np.where(alive, strengths, 1)), 0)
        found[...] = _exponential(matrix * inverse_root * inverse_root.T, identity, _DEGREE["float64"])
        if diagonal:
            found += identity
        else:
            np.fill_diagonal(found, 0)
    return result


def _exponential(matrix: Matrix, identity: Matrix, degree: int) -> Matrix:
    """Return the Taylor series of exp without its constant term, by Paterson and Stockmeyer with powers up to 3."""
    square = matrix @ matrix
    cube = square @ matrix
    coefficients = [1.0]
    for power in range(1, degree + 1):
        coefficients.append(coefficients[-1] / power)

    def chunk(power: int) -> Matrix:
        return (
            coefficients[power + 1] * matrix
            + coefficients[power + 2] * square
            + (coefficients[power] if power else 0.0) * identity
        )

    result = coefficients[degree] * cube + chunk(degree - 3)
    for power in range(degree - 6, -1, -3):
        result = cube @ result + chunk(power)
    return result
