"""Clustering: how many of a unit's neighbours are connected with each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import FloatArray

__all__ = ["clustering"]


def clustering(connections: ArrayLike, weighted: bool = False, directed: bool = False) -> FloatArray:
    r"""Return the clustering coefficient of each unit.

    .. math:: C_u = \frac{\sum_{vw} A_{uv} A_{vw} A_{uw}}{k_u (k_u - 1)}, \quad k_u = \sum_v A_{uv}

    of all ordered pairs of units that `u` sends to, the share of those that are connected. On undirected networks this
    is the usual coefficient; on directed ones it is what the Brain Connectivity Toolbox's function for undirected
    networks gives, which the paper called.

    With ``weighted``, each triangle counts by the geometric mean of its three weights instead of 1 (Onnela),

    .. math:: C_u = \frac{\sum_{vw} (\hat w_{uv} \hat w_{vw} \hat w_{uw})^{1/3}}{k_u (k_u - 1)},
              \quad \hat w = \frac{|w|}{\max |w|}

    where degrees count connections. With ``directed``, all eight kinds of directed triangles count (Fagiolo),

    .. math:: C_u = \frac{[(A + A^T)^3]_{uu}}{2 \, [k_u (k_u - 1) - 2 (A^2)_{uu}]}, \quad k_u = k^{out}_u + k^{in}_u

    or, with both, of :math:`\hat w^{1/3}` in place of :math:`A` above the line.

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself do not count.
    weighted
        Whether triangles count by their weights, as a share of the network's largest.
    directed
        Whether all directed triangles count. Of an undirected network this changes nothing. Without it, a directed
        network is taken by what each unit sends to, weighted or not.

    Returns
    -------
    ndarray
        ``(…, unit)``; 0 where a unit has fewer than two neighbours; NaN for a network with connections that are not
        finite.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Watts & Strogatz (1998), doi:10.1038/30918; Onnela et al. (2005), doi:10.1103/PhysRevE.71.065103; Fagiolo (2007),
    doi:10.1103/PhysRevE.76.026107, eqs 6-10.

    Examples
    --------
    >>> clustering([[0, 1, 1], [1, 0, 1], [1, 1, 0]]).tolist()
    [1.0, 1.0, 1.0]
    >>> clustering([[0, 8, 8], [8, 0, 1], [8, 1, 0]], weighted=True).tolist()
    [0.5, 0.5, 0.5]
    >>> clustering([[0, 1, 0], [0, 0, 1], [1, 0, 0]], directed=True).tolist()
    [0.5, 0.5, 0.5]
    """
    n_units = np.shape(connections)[-1:]
    return measure_each(connections, "clustering", lambda matrix: _one(matrix, weighted, directed), n_units)


def _one(matrix: FloatArray, weighted: bool, directed: bool) -> FloatArray:
    exists = (matrix != 0).astype(np.float64)
    np.fill_diagonal(exists, 0)
    links = exists
    if weighted:
        sizes = np.abs(matrix) * exists
        largest = sizes.max(initial=0)
        links = np.cbrt(sizes / largest if largest > 0 else sizes)
    if directed:
        both = links + links.T
        closed = ((both @ both) * both).sum(axis=-1)  # both is symmetric: the diagonal of its cube
        degree = exists.sum(axis=1) + exists.sum(axis=0)
        pairs = 2 * (degree * (degree - 1) - 2 * (exists * exists.T).sum(axis=1))
    else:
        closed = ((links @ links) * links).sum(axis=-1)
        degree = exists.sum(axis=1)
        pairs = degree * (degree - 1)
    return np.asarray(np.divide(closed, pairs, out=np.zeros_like(closed), where=pairs > 0))
