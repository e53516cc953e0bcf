"""Shannon entropy of distributions and of outgoing weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import measure_each

__all__ = ["entropy", "shannon_entropy"]


def entropy(parts: ArrayLike) -> FloatArray:
    r"""Return the Shannon entropy of a distribution of non-negative values, in bits.

    .. math:: -\sum_i p_i \log_2 p_i, \quad p_i = \frac{x_i}{\sum_j x_j}, \quad 0 \log 0 = 0

    Parameters
    ----------
    parts
        :math:`x`, ``(…, part)``, non-negative.

    Returns
    -------
    ndarray
        ``(…)``, 0 to ``log2(parts)``; NaN if all parts are 0 or any is NaN.

    References
    ----------
    Shannon (1948), doi:10.1002/j.1538-7305.1948.tb01338.x.

    Examples
    --------
    >>> entropy([[2.0, 2.0], [3.0, 0.0], [0.0, 0.0]]).tolist()
    [1.0, 0.0, nan]
    """
    values = np.asarray(parts, dtype=np.float64)
    total = values.sum(axis=-1, keepdims=True)
    fraction = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
    logarithm = np.log2(fraction, out=np.zeros_like(fraction), where=~(fraction <= 0))
    return np.asarray(0.0 - (fraction * logarithm).sum(axis=-1))


def shannon_entropy(weights: ArrayLike) -> FloatArray:
    r"""Return the mean entropy of the units' outgoing weights, in bits.

    .. math:: H = \frac{1}{n} \sum_i \Big( -\sum_j p_{ij} \log_2 p_{ij} \Big), \quad
              p_{ij} = \frac{|w_{ij}|}{\sum_k |w_{ik}|}

    with :math:`0 \log 0 = 0` (NaN in the authors' code).

    Parameters
    ----------
    weights
        ``(…, pre, post)``; the diagonal is included.

    Returns
    -------
    ndarray
        ``(…)``: 0 if each unit has one target, ``log2(n_units)`` if the weights of each row are equal. Units without
        outgoing weights are left out of the mean. NaN if no unit has any, or weights are not finite.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Shannon (1948), doi:10.1002/j.1538-7305.1948.tb01338.x; Sheeran, Ham et al. (2024), arXiv:2409.17693.

    Examples
    --------
    >>> float(shannon_entropy([[0.5, 0.5], [0.0, 3.0]]))
    0.5
    """

    def mean_entropy(matrix: FloatArray) -> float:
        rows = entropy(np.abs(matrix))
        finite = rows[np.isfinite(rows)]
        return float(finite.mean()) if len(finite) else np.nan

    return measure_each(weights, "the entropy of weights", mean_entropy)
