"""Entropy: how evenly something is spread."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import FloatArray

__all__ = ["entropy", "shannon_entropy"]


def entropy(parts: ArrayLike) -> FloatArray:
    r"""Return how evenly a whole is spread over its parts, in bits.

    .. math:: -\sum_i p_i \log_2 p_i, \quad p_i = \frac{x_i}{\sum_j x_j}, \quad 0 \log 0 = 0

    Parameters
    ----------
    parts
        :math:`x`, ``(…, part)``, not negative.

    Returns
    -------
    ndarray
        ``(…)``, 0 to ``log2(parts)``; NaN where all parts are 0 or one is not a number.

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
    share = np.divide(values, total, out=np.full_like(values, np.nan), where=total > 0)
    logarithm = np.log2(share, out=np.zeros_like(share), where=~(share <= 0))
    return np.asarray(0.0 - (share * logarithm).sum(axis=-1))


def shannon_entropy(weights: ArrayLike) -> FloatArray:
    r"""Return how evenly units spread their weight over their targets: the mean entropy of the rows, in bits.

    .. math:: H = \frac{1}{n} \sum_i \Big( -\sum_j p_{ij} \log_2 p_{ij} \Big), \quad
              p_{ij} = \frac{|w_{ij}|}{\sum_k |w_{ik}|}

    with :math:`0 \log 0 = 0`, where the authors' code has no number.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; the diagonal takes part.

    Returns
    -------
    ndarray
        ``(…)``, 0 if each unit has one target, ``log2(n_units)`` if all weights of each row are equal. Units without
        weight are left out; NaN where that is all of them, or weights are not finite.

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

    def one(matrix: FloatArray) -> float:
        rows = entropy(np.abs(matrix))
        known = rows[np.isfinite(rows)]
        return float(known.mean()) if len(known) else np.nan

    return measure_each(weights, "the entropy of weights", one)
