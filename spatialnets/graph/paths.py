"""Shortest ways between units: their length, their efficiency, and who lies on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import FloatArray

__all__ = ["betweenness", "characteristic_path_length", "efficiency", "path_lengths"]


def path_lengths(weights: ArrayLike, weighted: bool = True) -> FloatArray:
    r"""Return the length of the shortest way from each unit to each other.

    A connection is :math:`1 / |w|` long, so that a binary network's lengths are numbers of connections.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; where a weight is zero, there is no connection.
    weighted
        ``False``: every connection is 1 long, whatever its weight.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, directed; 0 on the diagonal, infinite where no way leads; NaN for a network with weights
        that are not finite.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Dijkstra (1959), doi:10.1007/BF01386390; Floyd (1962), doi:10.1145/367766.368168; Rubinov & Sporns (2010),
    doi:10.1016/j.neuroimage.2009.10.003.

    Examples
    --------
    >>> path_lengths([[0.0, 2.0, 0.5], [0.0, 0.0, 2.0], [0.0, 0.0, 0.0]])[0].tolist()
    [0.0, 0.5, 1.0]
    """
    n_units = np.shape(weights)[-1:]
    return measure_each(weights, "path length", lambda matrix: _lengths(matrix, weighted), (*n_units, *n_units))


def characteristic_path_length(weights: ArrayLike, weighted: bool = True) -> FloatArray:
    """Return the mean length of the shortest ways between all ordered pairs of different units that a way connects.

    Parameters
    ----------
    weights, weighted
        As in `path_lengths`.

    Returns
    -------
    ndarray
        ``(…)``; NaN where nothing is connected or weights are not finite. Pairs without a way do not count; how many
        these are is a question for `efficiency`, in which they count 0.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Watts & Strogatz (1998), doi:10.1038/30918.

    Examples
    --------
    >>> float(characteristic_path_length([[0, 1, 0], [0, 0, 1], [0, 0, 0]]))
    1.3333333333333333
    """

    def one(matrix: FloatArray) -> float:
        lengths = _lengths(matrix, weighted)
        connected = np.isfinite(lengths)
        pairs = int(connected.sum()) - len(lengths)  # the diagonal is connected, at length 0
        return float(lengths[connected].sum()) / pairs if pairs else np.nan

    return measure_each(weights, "path length", one)


def efficiency(weights: ArrayLike, weighted: bool = True) -> FloatArray:
    r"""Return the global efficiency of each network: how near units are to each other on average.

    .. math:: E = \frac{1}{n (n - 1)} \sum_{i \ne j} \frac{1}{d_{ij}}

    with the lengths :math:`d` of `path_lengths`, a connection being :math:`1 / |w|` long. A pair that no way connects
    counts 0. Weights are taken as they are: twice the weights are twice as efficient.

    Parameters
    ----------
    weights, weighted
        As in `path_lengths`.

    Returns
    -------
    ndarray
        ``(…)``; 0 without connections; NaN for a single unit or weights that are not finite.

    Raises
    ------
    ValueError
        If matrices are not square.

    References
    ----------
    Latora & Marchiori (2001), doi:10.1103/PhysRevLett.87.198701.

    Examples
    --------
    >>> float(efficiency([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
    0.8333333333333334
    """

    def one(matrix: FloatArray) -> float:
        if len(matrix) < 2:
            return np.nan
        lengths = _lengths(matrix, weighted)
        np.fill_diagonal(lengths, np.inf)
        return float((1 / lengths).sum()) / (len(lengths) * (len(lengths) - 1))

    return measure_each(weights, "efficiency", one)


def betweenness(lengths: ArrayLike) -> FloatArray:
    r"""Return how many shortest ways between other units pass through each unit.

    .. math:: B_u = \sum_{s \ne u \ne t} \frac{\sigma_{st}(u)}{\sigma_{st}}

    with :math:`\sigma_{st}` shortest ways from `s` to `t`, :math:`\sigma_{st}(u)` of them through `u`. Every ordered
    pair counts, so that in an undirected network each way counts twice. It takes lengths, not weights; of a network of
    weights take ``1 / |w|`` where there is one.

    Parameters
    ----------
    lengths
        How long each connection is, ``(…, pre, post)``, in any unit; 0 where there is no connection. A binary
        network's connections are all equally long. Those of a unit to itself do not count.

    Returns
    -------
    ndarray
        ``(…, unit)``; NaN for a network with lengths that are not finite.

    Raises
    ------
    ValueError
        If a length is negative, or matrices are not square.

    Notes
    -----
    Ways are equally short if their lengths agree to 1e-12: the same lengths added up in another order are the same.

    References
    ----------
    Freeman (1977), doi:10.2307/3033543; Brandes (2001), doi:10.1080/0022250X.2001.9990249.

    Examples
    --------
    >>> betweenness([[0, 1, 0], [1, 0, 1], [0, 1, 0]]).tolist()
    [0.0, 2.0, 0.0]
    >>> betweenness([[0, 1, 3], [1, 0, 1], [3, 1, 0]]).tolist()
    [0.0, 2.0, 0.0]
    """
    if (np.asarray(lengths, dtype=np.float64) < 0).any():
        raise ValueError("betweenness needs lengths that are not negative; of a network of weights take 1 / |w|")

    def one(matrix: FloatArray) -> FloatArray:
        from spatialnets.graph.kernels import betweenness_binary, betweenness_weighted

        exists = matrix > 0
        np.fill_diagonal(exists, False)
        if not exists.any() or np.ptp(matrix[exists]) == 0:
            return betweenness_binary(exists)
        direct = np.where(exists, matrix, np.inf)
        np.fill_diagonal(direct, 0)
        return betweenness_weighted(direct, _shortest(direct.copy()))

    return measure_each(lengths, "betweenness", one, np.shape(lengths)[-1:])


def _lengths(matrix: FloatArray, weighted: bool) -> FloatArray:
    """Return the lengths of shortest ways of one network of weights."""
    from spatialnets.compiled import COMPILED
    from spatialnets.graph.kernels import path_lengths_binary

    exists = matrix != 0
    np.fill_diagonal(exists, False)
    links = np.abs(matrix[exists])
    if not weighted or not len(links) or np.ptp(links) == 0:
        scale = 1 / links[0] if weighted and len(links) else 1.0
        if COMPILED:
            return path_lengths_binary(exists) * scale
        from scipy.sparse.csgraph import shortest_path

        return np.asarray(shortest_path(exists.astype(np.float64), unweighted=True)) * scale
    direct = np.full(matrix.shape, np.inf)
    with np.errstate(over="ignore"):  # a weight so small that its length is infinite is no connection
        direct[exists] = 1 / links
    np.fill_diagonal(direct, 0)
    return _shortest(direct)


def _shortest(lengths: FloatArray) -> FloatArray:
    """Return the lengths of shortest ways, in place, from those of direct connections (Floyd and Warshall)."""
    from spatialnets.compiled import COMPILED
    from spatialnets.graph.kernels import shorten

    if COMPILED:
        shorten(lengths)
        return lengths
    by_way = np.empty_like(lengths)
    for unit in range(len(lengths)):  # the same sums and comparisons, a matrix at a time
        np.add(lengths[:, unit, None], lengths[unit], out=by_way)
        np.minimum(lengths, by_way, out=lengths)
    return lengths
