"""The eigenvalues of a network: how its activity grows, and over how many modes it is spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.entropy import entropy
from spatialnets.graph.matrices import square_matrices
from spatialnets.protocols import FloatArray

__all__ = ["eigenvalues", "spectral_abscissa", "spectral_entropy", "spectral_radius"]


def eigenvalues(weights: ArrayLike) -> NDArray[np.complex128]:
    """Return the eigenvalues of each network, the largest real part first.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed as they are.

    Returns
    -------
    ndarray
        ``(…, n_units)``, complex; NaN for a network with weights that are not finite.

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
    for place, matrix in enumerate(flat):
        if np.isfinite(matrix).all():
            values = np.linalg.eigvals(matrix)
            result[place] = values[np.argsort(-values.real, kind="stable")]
    return result.reshape(matrices.shape[:-1])


def spectral_radius(weights: ArrayLike) -> FloatArray:
    r"""Return the largest magnitude of the eigenvalues, :math:`\max_i |\lambda_i|`.

    Below 1, the activity of a linear network ``h @ W`` dies out.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed as they are.

    Returns
    -------
    ndarray
        ``(…)``; NaN for a network with weights that are not finite.

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
    r"""Return the largest real part of the eigenvalues, :math:`\max_i \mathrm{Re} \lambda_i`.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed as they are.

    Returns
    -------
    ndarray
        ``(…)``; NaN for a network with weights that are not finite. The follow-up of the paper takes its natural
        logarithm.

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
    r"""Return over how many modes a network is spread: the entropy of the magnitudes of its eigenvalues, in bits.

    .. math:: -\sum_i p_i \log_2 p_i, \quad p_i = \frac{|\lambda_i|}{\sum_j |\lambda_j|}

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed as they are.

    Returns
    -------
    ndarray
        ``(…)``, 0 to ``log2(n_units)``; NaN where all eigenvalues are 0 or weights are not finite.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Sheeran, Ham et al. (2024), arXiv:2409.17693.

    Examples
    --------
    >>> float(spectral_entropy([[0.0, 1.0], [1.0, 0.0]]))
    1.0
    """
    return entropy(np.abs(eigenvalues(weights)))
