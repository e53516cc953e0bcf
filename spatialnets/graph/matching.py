"""Matching index: the overlap between the neighbourhoods of two units."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import adjacency, measure_each

__all__ = ["matching_index"]


def matching_index(connections: ArrayLike) -> FloatArray:
    r"""Return the matching index of each pair of units: how much their neighbourhoods overlap.

    .. math:: M_{ij} = \frac{2 \, (A^2)_{ij}}{k_i + k_j - 2 A_{ij}}

    This is the fraction of the connections of both units, except those between the two, that lead to a common
    neighbour. In a directed network, common targets and common sources count alike:

    .. math:: M_{ij} = \frac{2 \, [(A A^T)_{ij} + (A^T A)_{ij}]}
              {k^{out}_i + k^{in}_i + k^{out}_j + k^{in}_j - 2 (A_{ij} + A_{ji})}

    which for undirected networks equals the formula above.

    Parameters
    ----------
    connections
        ``(…, pre, post)``; nonzero entries are connections. Self-connections are ignored.

    Returns
    -------
    ndarray
        ``(…, unit, unit)``, symmetric, 0 to 1 (identical neighbourhoods); 0 on the diagonal and for pairs without
        other connections; NaN for networks with non-finite connections.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Hilgetag et al. (2000), doi:10.1098/rstb.2000.0551; Betzel et al. (2016), doi:10.1016/j.neuroimage.2015.09.041, for
    its use in generative models.

    Examples
    --------
    >>> matching_index([[0, 0, 1, 1], [0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])[0].round(3).tolist()
    [0.0, 0.667, 0.0, 0.0]
    """
    n_units = np.shape(connections)[-1:]
    return measure_each(connections, "matching index", _matching_index, (*n_units, *n_units))


def _matching_index(matrix: FloatArray) -> FloatArray:
    exists = adjacency(matrix).astype(np.float64)
    common = exists @ exists.T + exists.T @ exists
    np.fill_diagonal(common, 0)
    degree = exists.sum(axis=1) + exists.sum(axis=0)
    total = degree[:, None] + degree - 2 * (exists + exists.T)
    return np.asarray(np.divide(2 * common, total, out=np.zeros_like(common), where=total > 0))
