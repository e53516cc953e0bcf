"""Eigenvalues of weight matrices, and measures derived from them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.entropy import entropy
from spatialnets.graph.matrices import square_matrices

__all__ = ["eigenvalues", "spectral_abscissa", "spectral_entropy", "spectral_radius"]


def eigenvalues(weights: ArrayLike) -> NDArray[np.complex128]:
    """Return the eigenvalues of each network, sorted by decreasing real part.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed.

    Returns
    -------
    ndarray
        ``(…, n_units)``, complex; NaN for networks with non-finite weights.

    Raises
    ------
    ValueError
        If matrices are not square.

    Examples
    --------
    >>> eigenvalues([[0.0, 2.0], [-2.0, 0.0]]).real.tolist()
    [0.0, 0.0]
    """
    matrices = square_matrices(weights, "the spectrum")
    n_units = matrices.shape[-1]
    flat = matrices.reshape(-1, n_units, n_units)
    result = np.full((len(flat), n_units), complex(np.nan, np.nan))
    for row, matrix in enumerate(flat):
        if np.isfinite(matrix).all():
            values = np.linalg.eigvals(matrix)
            result[row] = values[np.argsort(-values.real, kind="stable")]
    return result.reshape(matrices.shape[:-1])


def spectral_radius(weights: ArrayLike) -> FloatArray:
    r"""Return the spectral radius, the largest magnitude of an eigenvalue, :math:`\max_i |\lambda_i|`.

    If it is below 1, the activity of the linear network ``h @ W`` decays to zero.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed.

    Returns
    -------
    ndarray
        ``(…)``; NaN for networks with non-finite weights.

    Raises
    ------
    ValueError
        If matrices are not square.

    Examples
    --------
    >>> round(float(spectral_radius([[0.0, 2.0], [-2.0, 0.0]])), 12)
    2.0
    """
    return np.asarray(np.abs(eigenvalues(weights)).max(axis=-1))


def spectral_abscissa(weights: ArrayLike) -> FloatArray:
    r"""Return the spectral abscissa, the largest real part of an eigenvalue, :math:`\max_i \mathrm{Re} \lambda_i`.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed.

    Returns
    -------
    ndarray
        ``(…)``; NaN for networks with non-finite weights. The paper's follow-up reports its natural logarithm.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Sheeran, Ham et al. (2024), arXiv:2409.17693.

    Examples
    --------
    >>> float(spectral_abscissa([[1.0, 5.0], [0.0, -3.0]]))
    1.0
    """
    return np.asarray(eigenvalues(weights).real.max(axis=-1))


def spectral_entropy(weights: ArrayLike) -> FloatArray:
    r"""Return the spectral entropy, the entropy of the magnitudes of the eigenvalues, in bits.

    .. math:: -\sum_i p_i \log_2 p_i, \quad p_i = \frac{|\lambda_i|}{\sum_j |\lambda_j|}

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed.

    Returns
    -------
    ndarray
        ``(…)``, 0 to ``log2(n_units)``; NaN if all eigenvalues are 0 or weights are not finite.


    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Sheeran, Ham et al. (2024), arXiv:2409.17693.

    Examples
    --------
    >>> round(float(spectral_entropy([[0.0, 1.0], [1.0, 0.0]])), 6)
    1.0
    """
    return entropy(np.abs(eigenvalues(weights)))
