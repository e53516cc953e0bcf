"""Small-world propensity: clustering relative to a lattice and path length relative to a random network."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.clustering import clustering_of_links, relative_links
from spatialnets.graph.matrices import measure_each
from spatialnets.graph.paths import direct_lengths, mean_path_length, path_lengths, shortest_path_lengths
from spatialnets.validation import require_at_least

__all__ = ["SmallWorldPropensity", "small_world_propensity"]

SEED = 1998
COUNT = 3  # of each null model; on trained networks, other draws change the propensity by about 0.001


class SmallWorldPropensity(NamedTuple):
    """Small-world propensity and its two components, each ``(…)``, 0 to 1.

    Parameters
    ----------
    propensity
        1 for a network as clustered as a lattice, with paths as short as in a random network.
    clustering_deficit
        0 for the clustering of a lattice, 1 for that of a random network.
    length_excess
        0 for the path length of a random network, 1 for that of a lattice.
    """

    propensity: FloatArray
    clustering_deficit: FloatArray
    length_excess: FloatArray


def small_world_propensity(weights: ArrayLike, count: int = COUNT, seed: int = SEED) -> SmallWorldPropensity:
    r"""Return the small-world propensity of each weighted network.

    .. math:: \phi = 1 - \sqrt{\frac{\Delta_C^2 + \Delta_L^2}{2}}, \quad
              \Delta_C = \frac{C_{lattice} - C}{C_{lattice} - C_{random}}, \quad
              \Delta_L = \frac{L - L_{random}}{L_{lattice} - L_{random}}

    where both :math:`\Delta` are clipped to 0 … 1, :math:`C` is Onnela's weighted clustering and :math:`L` the mean
    shortest-path length (the length of a connection is :math:`1 / w`). Networks are symmetrised,
    :math:`w = (|W| + |W|^T) / 2`. Both null models have the same weights: the lattice is a ring on which nearer units
    have stronger connections; the random network has weights in random order.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; self-connections are ignored.
    count
        Number of lattices and of random networks to average. In a lattice, weights at equal distance are in random
        order.
    seed
        Seed of the random orders; results do not depend on the other networks of a batch.

    Returns
    -------
    SmallWorldPropensity
        :math:`\phi`, :math:`\Delta_C`, :math:`\Delta_L`; NaN for non-finite weights, or if lattice and random network
        do not differ (no triangles in either, or a full network of equal weights).

    Raises
    ------
    ValueError
        If ``count`` is below 1, or matrices are not square.

    Notes
    -----
    If some units are not connected by any path, :math:`\Delta_L` is 1; in the null models, such pairs are left out.
    The original method uses one lattice and one random network.

    References
    ----------
    Muldoon, Bridgeford & Bassett (2016), doi:10.1038/srep22057, eqs 1-3; Onnela et al. (2005),
    doi:10.1103/PhysRevE.71.065103.

    Examples
    --------
    >>> ring = np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), 2, axis=1) + np.roll(np.eye(60), 3, axis=1)
    >>> result = small_world_propensity(ring)  # a lattice: clustering is maximal and paths are long
    >>> float(result.clustering_deficit), float(result.length_excess), round(float(result.propensity), 3)
    (0.0, 1.0, 0.293)
    """
    require_at_least("count", count, 1)
    deviations = measure_each(weights, "small-world propensity", lambda matrix: _deviations(matrix, count, seed), (2,))
    deficit, excess = deviations[..., 0], deviations[..., 1]
    return SmallWorldPropensity(np.asarray(1 - np.sqrt((deficit**2 + excess**2) / 2)), deficit, excess)


def _deviations(matrix: FloatArray, count: int, seed: int) -> FloatArray:
    n_units = len(matrix)
    network = np.abs(matrix)
    network = (network + network.T) / 2
    np.fill_diagonal(network, 0)
    rows, columns = np.triu_indices(n_units, 1)
    upper, lower = rows * n_units + columns, columns * n_units + rows
    pairs = network.ravel()[upper]
    if not pairs.any():
        return np.array([np.nan, np.nan])
    strongest_first = np.argsort(pairs)[::-1]
    ring_distance = np.minimum(columns - rows, n_units - (columns - rows))
    nearest_first = np.argsort(ring_distance, kind="stable")
    full = (n_units - 1) // 2 * n_units  # n pairs at each ring distance, but n / 2 at the largest one if n is even
    generator = np.random.default_rng(seed)

    # null models hold the same weights, so roots and reciprocals are taken once
    roots, reciprocals = relative_links(pairs), direct_lengths(pairs)
    equal = np.ptp(pairs[pairs > 0]) == 0

    def measures_of(order: NDArray[np.int64]) -> tuple[float, float, bool]:
        """Return mean clustering, mean path length of connected pairs, and whether all pairs are connected."""
        links, lengths = np.zeros_like(network), np.zeros_like(network)
        links.ravel()[upper] = links.ravel()[lower] = roots[order]
        if equal:  # lengths of paths are numbers of connections
            lengths.ravel()[upper] = lengths.ravel()[lower] = pairs[order]
            lengths = path_lengths(lengths)
        else:
            lengths.ravel()[upper] = lengths.ravel()[lower] = reciprocals[order]
            lengths = shortest_path_lengths(lengths)
        return float(clustering_of_links(links).mean()), mean_path_length(lengths), bool(np.isfinite(lengths).all())

    lattices, randoms = [], []
    for _ in range(count):
        arranged = np.empty_like(strongest_first)
        arranged[nearest_first[:full]] = generator.permuted(strongest_first[:full].reshape(-1, n_units), axis=1).ravel()
        arranged[nearest_first[full:]] = generator.permutation(strongest_first[full:])
        lattices.append(measures_of(arranged)[:2])
        randoms.append(measures_of(generator.permutation(len(pairs)))[:2])
    c, length, connected = measures_of(np.arange(len(pairs)))
    c_lattice, length_lattice = np.mean(lattices, axis=0)
    c_random, length_random = np.mean(randoms, axis=0)
    deficit = _clipped_ratio(c_lattice - c, c_lattice - c_random, c_lattice)
    excess = _clipped_ratio(length - length_random, length_lattice - length_random, length_lattice)
    return np.array([deficit, excess if connected else 1.0])


def _clipped_ratio(numerator: float, denominator: float, scale: float) -> float:
    """Return a ratio, clipped to 0 … 1; NaN if the denominator is a rounding error of numbers of this scale."""
    return float(np.clip(numerator / denominator, 0, 1)) if abs(denominator) > 1e-12 * abs(scale) else np.nan
