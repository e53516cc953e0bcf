"""Shortest paths between units: path length, efficiency and betweenness."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import adjacency, measure_each

__all__ = [
    "betweenness",
    "characteristic_path_length",
    "direct_lengths",
    "efficiency",
    "mean_path_length",
    "path_lengths",
    "shortest_path_lengths",
]


def path_lengths(weights: ArrayLike, weighted: bool = True) -> FloatArray:
    r"""Return the length of the shortest path between each pair of units.

    The length of a connection is :math:`1 / |w|`; in a binary network, path length is the number of connections.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; nonzero entries are connections.
    weighted
        If False, every connection has length 1.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, directed; 0 on the diagonal, infinite without a path, NaN for networks with non-finite
        weights.

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
    return measure_each(weights, "path length", lambda matrix: _path_lengths(matrix, weighted), (*n_units, *n_units))


def characteristic_path_length(weights: ArrayLike, weighted: bool = True) -> FloatArray:
    """Return the mean shortest-path length over all ordered pairs of different units that are connected by a path.

    Parameters
    ----------
    weights, weighted
        As in `path_lengths`.

    Returns
    -------
    ndarray
        ``(…)``; NaN without connections or with non-finite weights. Unconnected pairs are left out; in `efficiency`
        they count as 0.

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

    def mean_length(matrix: FloatArray) -> float:
        return mean_path_length(_path_lengths(matrix, weighted))

    return measure_each(weights, "path length", mean_length)


def mean_path_length(lengths: FloatArray) -> float:
    """Return the mean path length of one network over connected pairs of different units; NaN if there are none."""
    connected = lengths[np.isfinite(lengths)]
    pairs = len(connected) - len(lengths)  # the diagonal is finite, with length 0
    return float(connected.sum()) / pairs if pairs else np.nan


def efficiency(weights: ArrayLike, weighted: bool = True) -> FloatArray:
    r"""Return the global efficiency of each network: the mean reciprocal path length.

    .. math:: E = \frac{1}{n (n - 1)} \sum_{i \ne j} \frac{1}{d_{ij}}

    where :math:`d` are `path_lengths` (the length of a connection is :math:`1 / |w|`). Unconnected pairs count as 0.
    Efficiency is proportional to the weights, which are not normalised.

    Parameters
    ----------
    weights, weighted
        As in `path_lengths`.

    Returns
    -------
    ndarray
        ``(…)``; 0 without connections; NaN for a single unit or non-finite weights.

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

    def efficiency_of(matrix: FloatArray) -> float:
        if len(matrix) < 2:
            return np.nan
        lengths = _path_lengths(matrix, weighted)
        np.fill_diagonal(lengths, np.inf)
        return float((1 / lengths).sum()) / (len(lengths) * (len(lengths) - 1))

    return measure_each(weights, "efficiency", efficiency_of)


def betweenness(lengths: ArrayLike) -> FloatArray:
    r"""Return the betweenness of each unit: the number of shortest paths between other units that pass through it.

    .. math:: B_u = \sum_{s \ne u \ne t} \frac{\sigma_{st}(u)}{\sigma_{st}}

    where :math:`\sigma_{st}` is the number of shortest paths from `s` to `t` and :math:`\sigma_{st}(u)` the number of
    those through `u`. Every ordered pair counts, so each path of an undirected network counts twice. The argument holds
    lengths, not weights; for a weighted network pass ``1 / |w|`` where there is a connection.

    Parameters
    ----------
    lengths
        Length of each connection, ``(…, pre, post)``, in any unit; 0 without a connection. In a binary network all
        connections have the same length. Self-connections are ignored.

    Returns
    -------
    ndarray
        ``(…, unit)``; NaN for networks with non-finite lengths.

    Raises
    ------
    ValueError
        If a length is negative, or matrices are not square.

    Notes
    -----
    Paths count as equally short if their lengths agree to 1e-12 (relative), so that rounding does not matter.

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
        raise ValueError("betweenness needs non-negative lengths; for a weighted network pass 1 / |w|")

    def betweenness_of(matrix: FloatArray) -> FloatArray:
        from spatialnets.graph.kernels import betweenness_binary, betweenness_weighted

        exists = adjacency(matrix)
        if not exists.any() or np.ptp(matrix[exists]) == 0:
            return betweenness_binary(exists)
        direct = np.where(exists, matrix, np.inf)
        np.fill_diagonal(direct, 0)
        return betweenness_weighted(direct, shortest_path_lengths(direct.copy()))

    return measure_each(lengths, "betweenness", betweenness_of, np.shape(lengths)[-1:])


def _path_lengths(matrix: FloatArray, weighted: bool) -> FloatArray:
    """Return the shortest-path lengths of one network of weights."""
    from spatialnets.compiled import HAS_NUMBA
    from spatialnets.graph.kernels import path_lengths_binary

    exists = adjacency(matrix)
    magnitudes = np.abs(matrix[exists])
    if not weighted or not len(magnitudes) or np.ptp(magnitudes) == 0:
        scale = 1 / magnitudes[0] if weighted and len(magnitudes) else 1.0
        if HAS_NUMBA:
            return path_lengths_binary(exists) * scale
        from scipy.sparse.csgraph import shortest_path

        return np.asarray(shortest_path(exists.astype(np.float64), unweighted=True)) * scale
    direct = np.full(matrix.shape, np.inf)
    direct[exists] = direct_lengths(magnitudes)
    np.fill_diagonal(direct, 0)
    return shortest_path_lengths(direct)


def direct_lengths(magnitudes: FloatArray) -> FloatArray:
    """Return the lengths of connections, of any shape; infinite for weights of 0 or so small that 1 / w overflows."""
    with np.errstate(over="ignore", divide="ignore"):
        return np.asarray(1 / magnitudes)


def shortest_path_lengths(lengths: FloatArray) -> FloatArray:
    """Replace the lengths of connections by those of shortest paths, in place (Floyd-Warshall), and return them."""
    from spatialnets.compiled import HAS_NUMBA
    from spatialnets.graph.kernels import floyd_warshall

    if HAS_NUMBA:
        floyd_warshall(lengths)
        return lengths
    detour = np.empty_like(lengths)
    for unit in range(len(lengths)):  # the same sums and comparisons as in the kernel, on whole matrices
        np.add(lengths[:, unit, None], lengths[unit], out=detour)
        np.minimum(lengths, detour, out=lengths)
    return lengths
