"""Topological fingerprints: how measures of units go together in a network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.matching import matching_index
from spatialnets.protocols import FloatArray

__all__ = ["DIGITS", "MEASURES", "fingerprint", "fingerprint_dissimilarity", "undirected"]

MEASURES = ("degree", "clustering", "betweenness", "total_length", "local_efficiency", "matching")
DIGITS = 9  # betweenness is a sum of fractions: what differs by rounding alone is equal


def fingerprint(adjacency: ArrayLike, distances: ArrayLike) -> FloatArray:
    """Return how six measures of units go together in a network: its topological fingerprint.

    Degree, clustering coefficient, betweenness, total length of a unit's connections, local efficiency (mean
    reciprocal of the number of steps between two of a unit's neighbours, through neighbours alone) and sum of matching
    indices with all others, correlated over units (Pearson).

    Parameters
    ----------
    adjacency
        One undirected network ``(unit, unit)``.
    distances
        ``(unit, unit)``.

    Returns
    -------
    ndarray
        Correlations ``(measure, measure)``, in the order of `MEASURES`; NaN where a measure is the same in all units.

    Raises
    ------
    ValueError
        If the network is not undirected, or shapes differ.

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
    connected = undirected(adjacency, "adjacency", len(lengths))
    if connected.ndim != 2:
        raise ValueError(f"adjacency must be one network (unit, unit), not {connected.shape}")
    links = connected.astype(np.float64)
    degree = links.sum(axis=1)
    measures = np.stack(
        [
            degree,
            clustering_binary(connected),
            np.round(betweenness_binary(connected), DIGITS),
            (lengths * links).sum(axis=1),
            _local_efficiency(connected),
            matching_index(connected).sum(axis=1),
        ]
    )
    off = measures - measures.mean(axis=1, keepdims=True)
    spread = np.sqrt((off**2).sum(axis=1))
    constant = spread <= 1e-9 * np.maximum(np.abs(measures).max(axis=1, initial=0), 1e-300)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = (off @ off.T) / np.outer(spread, spread)
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
    """Return the distance (2-norm of the difference) of two networks' fingerprints; 0 for the same.

    Parameters
    ----------
    adjacency, target
        Undirected networks ``(unit, unit)``.
    distances
        ``(unit, unit)``.

    Returns
    -------
    float
        NaN where a measure is the same in all units of either.

    References
    ----------
    Akarca et al. (2021), doi:10.1038/s41467-021-24430-z.
    """
    difference = fingerprint(adjacency, distances) - fingerprint(target, distances)
    return float(np.linalg.norm(difference, 2)) if np.isfinite(difference).all() else np.nan


def undirected(adjacency: ArrayLike, name: str, n_units: int) -> NDArray[np.bool_]:
    """Return undirected networks ``(…, unit, unit)`` without self-connections, or say by which name they are none.

    Raises
    ------
    ValueError
        If a network is directed, or has another number of units.
    """
    connected: NDArray[np.bool_] = np.ascontiguousarray(np.asarray(adjacency) != 0)
    if connected.ndim < 2 or connected.shape[-2:] != (n_units, n_units):
        raise ValueError(f"{name} has shape {connected.shape}; distances ask for (…, {n_units}, {n_units})")
    if (connected != np.swapaxes(connected, -1, -2)).any():
        raise ValueError(f"{name} must be undirected; take target_network(weights) of a directed one")
    return connected & ~np.eye(n_units, dtype=bool)
