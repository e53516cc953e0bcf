"""Proportional thresholding: keep only the strongest connections of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import square_matrices
from spatialnets.validation import require_fraction

__all__ = ["threshold_proportional"]

SYMMETRY_TOLERANCE = 1e-10  # largest difference between the two directions of an undirected matrix


def threshold_proportional(weights: ArrayLike, density: float) -> FloatArray:
    """Return each network with only its strongest connections kept and all others set to zero.

    The conventions are those of the Brain Connectivity Toolbox: self-connections are removed, pairs are counted once
    in symmetric matrices, and connections of equal weight are kept in column-major order.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, non-negative.
    density
        Fraction of all possible connections to keep, 0 to 1; fewer are kept if fewer exist.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, float64; all NaN for networks with non-finite weights.

    Raises
    ------
    ValueError
        If ``density`` is outside 0 to 1, matrices are not square, or weights are negative.

    References
    ----------
    Rubinov & Sporns (2010), doi:10.1016/j.neuroimage.2009.10.003.

    Examples
    --------
    >>> threshold_proportional([[9.0, 1.0, 2.0], [3.0, 9.0, 4.0], [5.0, 6.0, 9.0]], density=1 / 3).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0, 6.0, 0.0]]
    """
    require_fraction("density", density)
    matrices = np.array(square_matrices(weights, "thresholding", nonnegative=True))
    n_units = matrices.shape[-1]
    possible = n_units * (n_units - 1)
    for matrix in matrices.reshape(-1, n_units, n_units):
        if not np.isfinite(matrix).all():
            matrix[...] = np.nan
            continue
        np.fill_diagonal(matrix, 0)
        undirected = bool(np.abs(matrix - matrix.T).max(initial=0) < SYMMETRY_TOLERANCE)
        ranked = np.triu(matrix) if undirected else matrix
        flat = ranked.ravel(order="F")
        count = int(np.floor(possible * density / (2 if undirected else 1) + 0.5))
        matrix[...] = np.where(_largest(flat, count), flat, 0).reshape(n_units, n_units, order="F")
        if undirected:
            matrix += matrix.T.copy()
    return matrices


def _largest(values: FloatArray, count: int) -> NDArray[np.bool_]:
    """Return a mask of the `count` largest values, the first ones among equals, without a full sort."""
    if count == 0:
        return np.zeros(len(values), dtype=bool)
    limit = np.partition(values, -count)[-count]
    kept = values > limit
    kept[np.flatnonzero(values == limit)[: count - int(kept.sum())]] = True
    return kept
