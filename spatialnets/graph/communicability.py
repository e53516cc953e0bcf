"""Communicability: how much two units can exchange over all walks between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["communicability"]

# 1/k! for exp(M) = I + M (1 + …); in chunks of three powers (Paterson & Stockmeyer)
_DEGREE = {"float32": 12, "float64": 18}


def communicability(magnitudes: Tensor) -> Tensor:
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
        :math:`A`, ``(…, pre, post)``, not negative, square.

    Returns
    -------
    Tensor
        :math:`C`, ``(…, pre, post)``, differentiable; without unit.

    Raises
    ------
    ValueError
        If the matrices are not square.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eq. 6; Crofts & Higham (2009),
    doi:10.1098/rsif.2008.0484; Estrada & Hatano (2008), doi:10.1103/PhysRevE.77.036111; Paterson & Stockmeyer
    (1973), doi:10.1137/0202007.

    Examples
    --------
    >>> import torch
    >>> communicability(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    tensor([[0.0000, 1.1752],
            [1.1752, 0.0000]])
    """
    if magnitudes.ndim < 2 or magnitudes.shape[-1] != magnitudes.shape[-2]:
        raise ValueError(
            f"communicability needs weights among one set of units (pre = post), not {tuple(magnitudes.shape[-2:])}"
        )
    import torch

    strengths = magnitudes.sum(dim=-1, keepdim=True)
    alive = strengths > torch.finfo(strengths.dtype).tiny ** 0.5  # below it, the slope of s^-1/2 overflows
    # both sides guarded: where() alone would still differentiate 1/sqrt(0)
    inverse_root = (strengths.where(alive, 1).rsqrt()).where(alive, 0)
    matrix = magnitudes * inverse_root * inverse_root.mT
    degree = _DEGREE[str(matrix.dtype).removeprefix("torch.")]
    series = _exponential(matrix, degree)
    return series - series.diagonal(dim1=-2, dim2=-1).diag_embed()


def _exponential(matrix: Tensor, degree: int) -> Tensor:
    """Return the Taylor series of exp without its constant term, by Paterson and Stockmeyer with powers up to 3."""
    import torch

    square = matrix @ matrix
    cube = square @ matrix
    coefficients = [1.0]
    for power in range(1, degree + 1):
        coefficients.append(coefficients[-1] / power)
    identity = torch.eye(matrix.shape[-1], dtype=matrix.dtype, device=matrix.device)

    def chunk(power: int) -> Tensor:
        return (
            coefficients[power + 1] * matrix
            + coefficients[power + 2] * square
            + (coefficients[power] if power else 0.0) * identity
        )

    result = coefficients[degree] * cube + chunk(degree - 3)
    for power in range(degree - 6, -1, -3):
        result = cube @ result + chunk(power)
    return result
