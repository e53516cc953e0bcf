"""Small-worldness: more clustered than chance, and ways no longer than by chance."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.clustering import clustering
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import FloatArray

__all__ = ["small_worldness"]

DENSITY = 0.1  # the paper's: the strongest tenth of all possible connections
NULLS = 200  # random networks; the mean of their clustering is then known to 0.1 %
SEED = 1998


def small_worldness(weights: ArrayLike, definition: Literal["paper", "paths"] = "paper") -> FloatArray:
    r"""Return the small-worldness of each network.

    .. math:: \sigma = \frac{C / C_{random}}{L / L_{random}}

    of the strongest tenth of all directed connections, with the mean clustering coefficient :math:`C` and the mean path
    length :math:`L`; the random networks have as many connections.

    Parameters
    ----------
    weights
        Magnitudes ``(…, pre, post)``; self-connections do not count.
    definition
        ``"paper"``: as the authors' code has it. It hands the connections to a function that expects distances, so that
        :math:`L` is the density, which is the same in the random networks: :math:`\sigma = C / C_{random}`.
        ``"paths"``: :math:`L` is the mean length, in connections, of the shortest ways between all ordered pairs of
        units that a way connects.

    Returns
    -------
    ndarray
        ``(…)``, about 1 for a random network; NaN where weights are not finite, or nothing is connected.

    Raises
    ------
    ValueError
        If the definition is no known word, or matrices are not square.

    References
    ----------
    Humphries & Gurney (2008), doi:10.1371/journal.pone.0002051; Achterberg, Akarca et al. (2023),
    doi:10.1038/s42256-023-00748-9, eqs 10-12.

    Examples
    --------
    >>> ring = np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), 2, axis=1) + np.roll(np.eye(60), 3, axis=1)
    >>> bool(small_worldness(ring + ring.T) > 4)
    True
    """
    if definition not in ("paper", "paths"):
        raise ValueError(f"definition must be paper or paths, not {definition!r}")
    strongest = threshold_proportional(weights, DENSITY)
    leading, n_units = strongest.shape[:-2], strongest.shape[-1]
    result = np.full(int(np.prod(leading, dtype=int)), np.nan)
    for place, matrix in enumerate(strongest.reshape(-1, n_units, n_units)):
        exists = matrix > 0
        count = int(exists.sum())
        if not count or not np.isfinite(matrix).all():
            continue
        random_clustering, random_length = _random(n_units, count)
        ratio = float(clustering(exists).mean()) / random_clustering if random_clustering > 0 else np.nan
        if definition == "paths":
            ratio /= _mean_path_length(exists) / random_length
        result[place] = ratio
    return result.reshape(leading)


@cache
def _random(n_units: int, count: int) -> tuple[float, float]:
    """Return mean clustering and mean path length of directed random networks with so many connections."""
    generator = np.random.default_rng(SEED)
    others = np.flatnonzero(~np.eye(n_units, dtype=bool).ravel())
    clusterings, lengths = [], []
    for _ in range(NULLS):
        network = np.zeros((n_units, n_units), dtype=bool)
        network.ravel()[generator.choice(others, count, replace=False)] = True
        clusterings.append(float(clustering(network).mean()))
        lengths.append(_mean_path_length(network))
    return float(np.mean(clusterings)), float(np.nanmean(lengths))


def _mean_path_length(exists: NDArray[np.bool_]) -> float:
    """Return the mean number of connections on the shortest ways between ordered pairs that a way connects."""
    from scipy.sparse.csgraph import shortest_path

    lengths = shortest_path(exists.astype(np.float64), unweighted=True)
    connected = np.isfinite(lengths) & ~np.eye(len(exists), dtype=bool)
    return float(lengths[connected].mean()) if connected.any() else np.nan
