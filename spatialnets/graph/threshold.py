"""The strongest connections of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.matrices import square_matrices
from spatialnets.protocols import FloatArray

__all__ = ["threshold_proportional"]

SYMMETRIC = 1e-10  # how much two directions may differ for a matrix to be one of undirected connections


def threshold_proportional(weights: ArrayLike, density: float) -> FloatArray:
    """Return the strongest connections of each network, the others set to zero.

    As the Brain Connectivity Toolbox does it: self-connections go; of a matrix whose two directions are equal, pairs
    are counted; connections of equal weight are taken in the order of their column, then row.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, not negative.
    density
        Share of all possible connections that is kept, 0 to 1; fewer where fewer exist.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, float64; NaN stays NaN.

    Raises
    ------
    ValueError
        If the density is no share, matrices are not square, or weights are negative.

    References
    ----------
    Rubinov & Sporns (2010), doi:10.1016/j.neuroimage.2009.10.003.

    Examples
    --------
    >>> threshold_proportional([[9.0, 1.0, 2.0], [3.0, 9.0, 4.0], [5.0, 6.0, 9.0]], density=1 / 3).tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [5.0, 6.0, 0.0]]
    """
    if not 0 <= density <= 1:
        raise ValueError(f"density must be between 0 and 1, not {density}")
    matrices = np.array(square_matrices(weights, "thresholding"))
    if (matrices < 0).any():
        raise ValueError("thresholding needs weights that are not negative; take their magnitude")
    n_units = matrices.shape[-1]
    possible = n_units * (n_units - 1)
    for matrix in matrices.reshape(-1, n_units, n_units):
        if not np.isfinite(matrix).all():
            matrix[...] = np.nan
            continue
        np.fill_diagonal(matrix, 0)
        undirected = bool(np.abs(matrix - matrix.T).max(initial=0) < SYMMETRIC)
        ranked = np.triu(matrix) if undirected else matrix
        flat = ranked.ravel(order="F")
        count = int(np.floor(possible * density / (2 if undirected else 1) + 0.5))
        matrix[...] = np.where(_largest(flat, count), flat, 0).reshape(n_units, n_units, order="F")
        if undirected:
            matrix += matrix.T.copy()
    return matrices


def _largest(values: FloatArray, count: int) -> NDArray[np.bool_]:
    """Return which values are the so many largest, the first of equal ones; without sorting them all."""
    if count == 0:
        return np.zeros(len(values), dtype=bool)
    limit = np.partition(values, -count)[-count]
    chosen = values > limit
    chosen[np.flatnonzero(values == limit)[: count - int(chosen.sum())]] = True
    return chosen
