"""Clustering coefficient: the fraction of a unit's neighbours that are connected to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import adjacency, measure_each

__all__ = ["clustering", "clustering_of_links", "relative_links"]


def clustering(connections: ArrayLike, weighted: bool = False, directed: bool = False) -> FloatArray:
    r"""Return the clustering coefficient of each unit.

    .. math:: C_u = \frac{\sum_{vw} A_{uv} A_{vw} A_{uw}}{k_u (k_u - 1)}, \quad k_u = \sum_v A_{uv}

    Without options, this is the fraction of ordered pairs of a unit's targets that are connected. For undirected
    networks it is the usual coefficient. For directed networks it is what the Brain Connectivity Toolbox's function
    for undirected networks returns, which is the function that the paper called.

    With ``weighted``, each triangle counts by the geometric mean of its three weights instead of 1 (Onnela):

    .. math:: C_u = \frac{\sum_{vw} (\hat w_{uv} \hat w_{vw} \hat w_{uw})^{1/3}}{k_u (k_u - 1)},
              \quad \hat w = \frac{|w|}{\max |w|}

    where degrees count connections. With ``directed``, all eight types of directed triangles count (Fagiolo):

    .. math:: C_u = \frac{[(A + A^T)^3]_{uu}}{2 \, [k_u (k_u - 1) - 2 (A^2)_{uu}]}, \quad k_u = k^{out}_u + k^{in}_u

    With both, :math:`\hat w^{1/3}` replaces :math:`A` in the numerator.

    Parameters
    ----------
    connections
        ``(…, pre, post)``; nonzero entries are connections. Self-connections are ignored.
    weighted
        If True, triangles count by their weights, relative to the largest weight of the network.
    directed
        If True, all directed triangles count; for undirected networks this changes nothing. If False, only the
        targets of each unit count as its neighbours, whether or not ``weighted`` is set.

    Returns
    -------
    ndarray
        ``(…, unit)``; 0 for units with fewer than two neighbours, NaN for networks with non-finite connections.

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
    >>> clustering([[0, 8, 8], [8, 0, 1], [8, 1, 0]], weighted=True).round(6).tolist()
    [0.5, 0.5, 0.5]
    >>> clustering([[0, 1, 0], [0, 0, 1], [1, 0, 0]], directed=True).tolist()
    [0.5, 0.5, 0.5]
    """
    n_units = np.shape(connections)[-1:]
    return measure_each(connections, "clustering", lambda matrix: _clustering(matrix, weighted, directed), n_units)


def _clustering(matrix: FloatArray, weighted: bool, directed: bool) -> FloatArray:
    exists = adjacency(matrix).astype(np.float64)
    links = relative_links(np.abs(matrix) * exists) if weighted else exists
    if directed:
        both = links + links.T
        triangles = ((both @ both) * both).sum(axis=-1)  # both is symmetric: this is the diagonal of its cube
        degree = exists.sum(axis=1) + exists.sum(axis=0)
        pairs = 2 * (degree * (degree - 1) - 2 * (exists * exists.T).sum(axis=1))
        return _ratio(triangles, pairs)
    return clustering_of_links(links)


def relative_links(magnitudes: FloatArray) -> FloatArray:
    """Return the cube roots of magnitudes, of any shape, relative to the largest one; three make a triangle."""
    largest = magnitudes.max(initial=0)
    return np.asarray(np.cbrt(magnitudes / largest if largest > 0 else magnitudes))


def clustering_of_links(links: FloatArray) -> FloatArray:
    """Return the clustering of each unit among its targets, ``(unit,)``, from `relative_links` or from zeros and ones.

    The diagonal of `links`, ``(pre, post)``, is zero.
    """
    triangles = ((links @ links) * links).sum(axis=-1)
    degree = (links != 0).astype(np.float64).sum(axis=1)
    return _ratio(triangles, degree * (degree - 1))


def _ratio(triangles: FloatArray, pairs: FloatArray) -> FloatArray:
    return np.asarray(np.divide(triangles, pairs, out=np.zeros_like(triangles), where=pairs > 0))
