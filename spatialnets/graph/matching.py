"""Matching: how much two units are wired with the same others."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import FloatArray

__all__ = ["matching_index"]


def matching_index(connections: ArrayLike) -> FloatArray:
    r"""Return, for each pair of units, how much they are connected with the same other units.

    .. math:: M_{ij} = \frac{2 \, (A^2)_{ij}}{k_i + k_j - 2 A_{ij}}

    of all connections of the two, those between them left out, the share that leads to a common neighbour. In a
    directed network a common target and a common source count alike,

    .. math:: M_{ij} = \frac{2 \, [(A A^T)_{ij} + (A^T A)_{ij}]}
              {k^{out}_i + k^{in}_i + k^{out}_j + k^{in}_j - 2 (A_{ij} + A_{ji})}

    which for undirected networks is the formula above.

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself do not count.

    Returns
    -------
    ndarray
        ``(…, unit, unit)``, symmetric, 0 to 1, 1 for twins; 0 on the diagonal and for units without other connections;
        NaN for a network with connections that are not finite.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Hilgetag et al. (2000), doi:10.1098/rstb.2000.0551; Betzel et al. (2016), doi:10.1016/j.neuroimage.2015.09.041, for
    the rule of growth that uses it.

    Examples
    --------
    >>> matching_index([[0, 0, 1, 1], [0, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]])[0].round(3).tolist()
    [0.0, 0.667, 0.0, 0.0]
    """
    n_units = np.shape(connections)[-1:]
    return measure_each(connections, "matching index", _one, (*n_units, *n_units))


def _one(matrix: FloatArray) -> FloatArray:
    exists = (matrix != 0).astype(np.float64)
    np.fill_diagonal(exists, 0)
    common = exists @ exists.T + exists.T @ exists
    np.fill_diagonal(common, 0)
    degree = exists.sum(axis=1) + exists.sum(axis=0)
    ends = degree[:, None] + degree - 2 * (exists + exists.T)
    return np.asarray(np.divide(2 * common, ends, out=np.zeros_like(common), where=ends > 0))
