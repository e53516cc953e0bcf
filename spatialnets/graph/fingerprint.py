"""Topological fingerprints: correlations between local graph measures across the units of a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.matching import matching_index

__all__ = ["BETWEENNESS_DIGITS", "MEASURES", "fingerprint", "fingerprint_dissimilarity", "undirected_adjacency"]

MEASURES = ("degree", "clustering", "betweenness", "total_length", "local_efficiency", "matching")
BETWEENNESS_DIGITS = 9  # betweenness is a sum of fractions; values that differ only by rounding count as equal


def fingerprint(adjacency: ArrayLike, distances: ArrayLike) -> FloatArray:
    """Return the topological fingerprint of a network: the correlations between six local measures across units.

    The measures are degree, clustering coefficient, betweenness, total length of a unit's connections, local
    efficiency (mean reciprocal path length between a unit's neighbours, through neighbours only) and the sum of
    matching indices with all other units. They are correlated across units (Pearson).

    Parameters
    ----------
    adjacency
        One undirected network ``(unit, unit)``.
    distances
        ``(unit, unit)``.

    Returns
    -------
    ndarray
        Correlations ``(measure, measure)``, in the order of `MEASURES`; NaN for measures that are equal in all units.

    Raises
    ------
    ValueError
        If the network is directed, or shapes differ.

    References
    ----------
    Akarca et al. (2021), doi:10.1038/s41467-021-24430-z; Achterberg, Akarca et al. (2023),
    doi:10.1038/s42256-023-00748-9.

    Examples
    --------
    >>> from spatialnets.graph.growth import grow
    >>> line = np.abs(np.subtract.outer(np.arange(20.0), np.arange(20.0)))
    >>> fingerprint(grow(line, "matching", 60, -1.0, 0.5, seed=0), line).shape
    (6, 6)
    """
    from spatialnets.graph.kernels import betweenness_binary, clustering_binary

    lengths = np.asarray(distances, dtype=np.float64)
    connected = undirected_adjacency(adjacency, "adjacency", len(lengths), single=True)
    links = connected.astype(np.float64)
    measures = np.stack(
        [
            links.sum(axis=1),
            clustering_binary(connected),
            np.round(betweenness_binary(connected), BETWEENNESS_DIGITS),
            (lengths * links).sum(axis=1),
            _local_efficiency(connected),
            matching_index(connected).sum(axis=1),
        ]
    )
    deviations = measures - measures.mean(axis=1, keepdims=True)
    spread = np.sqrt((deviations**2).sum(axis=1))
    constant = spread <= 1e-9 * np.maximum(np.abs(measures).max(axis=1, initial=0), 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = (deviations @ deviations.T) / np.outer(spread, spread)
    correlations[constant] = np.nan
    correlations[:, constant] = np.nan
    return correlations


def _local_efficiency(connected: NDArray[np.bool_]) -> FloatArray:
    from scipy.sparse.csgraph import shortest_path

    result = np.zeros(len(connected))
    for unit, row in enumerate(connected):
        neighbours = np.flatnonzero(row)
        count = len(neighbours)
        if count > 1:
            among = connected[np.ix_(neighbours, neighbours)].astype(np.float64)
            steps = shortest_path(among, unweighted=True)
            np.fill_diagonal(steps, np.inf)
            result[unit] = (1 / steps).sum() / (count * (count - 1))
    return result


def fingerprint_dissimilarity(adjacency: ArrayLike, target: ArrayLike, distances: ArrayLike) -> float:
    """Return the spectral norm of the difference between the fingerprints of two networks; 0 if they are equal.

    Parameters
    ----------
    adjacency, target
        Undirected networks ``(unit, unit)``.
    distances
        ``(unit, unit)``.

    Returns
    -------
    float
        NaN if a measure is equal in all units of either network.

    References
    ----------
    Akarca et al. (2021), doi:10.1038/s41467-021-24430-z.
    """
    difference = fingerprint(adjacency, distances) - fingerprint(target, distances)
    return float(np.linalg.norm(difference, 2)) if np.isfinite(difference).all() else np.nan


def undirected_adjacency(values: ArrayLike, name: str, n_units: int, single: bool = False) -> NDArray[np.bool_]:
    """Return undirected networks as boolean matrices ``(…, unit, unit)`` without self-connections.

    Raises
    ------
    ValueError
        If a network is directed or has another number of units, or if ``single`` is set and there are several. The
        message calls the argument `name`.
    """
    connected: NDArray[np.bool_] = np.ascontiguousarray(np.asarray(values) != 0)
    if connected.ndim < 2 or connected.shape[-2:] != (n_units, n_units):
        raise ValueError(f"{name} must have shape (…, {n_units}, {n_units}), like distances, not {connected.shape}")
    if single and connected.ndim != 2:
        raise ValueError(f"{name} must be one network (unit, unit), not {connected.shape}")
    if (connected != np.swapaxes(connected, -1, -2)).any():
        raise ValueError(f"{name} must be undirected; target_network(weights) makes a directed network undirected")
    return connected & ~np.eye(n_units, dtype=bool)
