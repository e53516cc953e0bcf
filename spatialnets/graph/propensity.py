"""Small-world propensity: how near a weighted network is to a lattice in clustering and to chance in path length."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.clustering import clustering
from spatialnets.graph.matrices import measure_each
from spatialnets.graph.paths import path_lengths
from spatialnets.protocols import FloatArray

__all__ = ["SmallWorldPropensity", "small_world_propensity"]

SEED = 1998
COUNT = 3  # lattices, and random networks; on trained networks, other ones change the propensity by about 0.001


class SmallWorldPropensity(NamedTuple):
    """Small-world propensity and what it is made of, ``(…)`` each, 0 to 1.

    Parameters
    ----------
    propensity
        1 for a network as clustered as a lattice whose ways are as short as by chance.
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

    with both :math:`\Delta` clipped to 0 … 1, Onnela's weighted clustering :math:`C`, and the mean length :math:`L` of
    shortest ways, a connection being :math:`1 / w` long. Networks are made undirected, :math:`w = (|W| + |W|^T) / 2`.
    A lattice has the same weights, units on a ring, stronger ones between nearer units; a random network has them
    anywhere.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; self-connections do not count.
    count
        How many lattices and random networks are averaged. In a lattice, weights between units equally far apart are in
        random order.
    seed
        Of their order; each network's are the same in whatever batch it is.

    Returns
    -------
    SmallWorldPropensity
        :math:`\phi`, :math:`\Delta_C`, :math:`\Delta_L`; NaN where weights are not finite, or where a lattice cannot be
        told from chance (no triangles in either, weights all equal and everywhere).

    Raises
    ------
    ValueError
        If the count is below 1, or matrices are not square.

    Notes
    -----
    If no way connects some units, :math:`\Delta_L` is 1; in lattices and random networks, such pairs do not count. The
    original takes one lattice and one random network.

    References
    ----------
    Muldoon, Bridgeford & Bassett (2016), doi:10.1038/srep22057, eqs 1-3; Onnela et al. (2005),
    doi:10.1103/PhysRevE.71.065103.

    Examples
    --------
    >>> ring = np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), 2, axis=1) + np.roll(np.eye(60), 3, axis=1)
    >>> found = small_world_propensity(ring)  # a lattice is as clustered as can be, and its ways are long
    >>> float(found.clustering_deficit), float(found.length_excess), round(float(found.propensity), 3)
    (0.0, 1.0, 0.293)
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    found = measure_each(weights, "small-world propensity", lambda matrix: _deviations(matrix, count, seed), (2,))
    deficit, excess = found[..., 0], found[..., 1]
    return SmallWorldPropensity(np.asarray(1 - np.sqrt((deficit**2 + excess**2) / 2)), deficit, excess)


def _deviations(matrix: FloatArray, count: int, seed: int) -> FloatArray:
    n_units = len(matrix)
    network = np.abs(matrix)
    network = (network + network.T) / 2
    np.fill_diagonal(network, 0)
    ones, others = np.triu_indices(n_units, 1)
    above, below = ones * n_units + others, others * n_units + ones
    pairs = network.ravel()[above]
    strongest_first = np.sort(pairs)[::-1]
    around = np.minimum(others - ones, n_units - (others - ones))  # how far apart on a ring
    nearest_first = np.argsort(around, kind="stable")
    full = (n_units - 1) // 2 * n_units  # n pairs are 1 apart, n are 2 apart, …; if n is even, n / 2 are n / 2 apart
    generator = np.random.default_rng(seed)

    def placed(values: FloatArray) -> tuple[float, float]:
        null = np.zeros_like(network)
        null.ravel()[above] = null.ravel()[below] = values
        return _clustering_and_length(null)[:2]

    lattices, randoms = [], []
    for _ in range(count):
        arranged = np.empty_like(pairs)
        arranged[nearest_first[:full]] = generator.permuted(strongest_first[:full].reshape(-1, n_units), axis=1).ravel()
        arranged[nearest_first[full:]] = generator.permutation(strongest_first[full:])
        lattices.append(placed(arranged))
        randoms.append(placed(generator.permutation(pairs)))
    own_clustering, own_length, whole = _clustering_and_length(network)
    lattice_clustering, lattice_length = np.mean(lattices, axis=0)
    random_clustering, random_length = np.mean(randoms, axis=0)
    return np.array(
        [
            _share(lattice_clustering - own_clustering, lattice_clustering - random_clustering, lattice_clustering),
            _share(own_length - random_length, lattice_length - random_length, lattice_length) if whole else 1.0,
        ]
    )


def _clustering_and_length(network: FloatArray) -> tuple[float, float, bool]:
    """Return mean clustering, mean path length of connected pairs, and whether all pairs are connected."""
    if not network.any():
        return np.nan, np.nan, True
    lengths = path_lengths(network)
    connected = np.isfinite(lengths)
    pairs = int(connected.sum()) - len(lengths)
    return (
        float(clustering(network, weighted=True).mean()),
        float(lengths[connected].sum()) / pairs,
        bool(connected.all()),
    )


def _share(part: float, whole: float, scale: float) -> float:
    """Return part / whole within 0 … 1; NaN where the whole is rounding."""
    return float(np.clip(part / whole, 0, 1)) if abs(whole) > 1e-12 * abs(scale) else np.nan
