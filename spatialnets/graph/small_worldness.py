"""Small-worldness: clustering and path length relative to random networks."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.clustering import clustering
from spatialnets.graph.matrices import adjacency, measure_each
from spatialnets.graph.paths import characteristic_path_length
from spatialnets.graph.propensity import small_world_propensity
from spatialnets.graph.rewiring import rewire
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.validation import require_at_least

__all__ = ["NULL_COUNTS", "small_worldness"]

DENSITY = 0.1  # the paper's: the strongest tenth of all possible connections
NULL_COUNTS = {"density": 200, "degree": 20}  # errors of their mean clustering: 0.1 % and 0.4 %
SEED = 1998


def small_worldness(
    weights: ArrayLike,
    definition: Literal["paper", "paths", "propensity"] = "paper",
    nulls: Literal["density", "degree"] = "density",
    count: int | None = None,
    seed: int = SEED,
) -> FloatArray:
    r"""Return the small-worldness of each network.

    .. math:: \sigma = \frac{C / C_{random}}{L / L_{random}}

    where :math:`C` is the mean clustering coefficient and :math:`L` the mean path length of the strongest tenth of all
    directed connections (of all existing connections, if their weights are equal). The random networks have the same
    number of connections, or the same degrees, and are directed if the network is.

    Parameters
    ----------
    weights
        Magnitudes ``(…, pre, post)``; self-connections are ignored.
    definition
        ``"paper"``: as in the authors' code, which passes connections to a function that expects distances. There
        :math:`L` is the density, which random networks share, so that :math:`\sigma = C / C_{random}`. ``"paths"``:
        :math:`L` is the mean shortest-path length, in connections, over connected ordered pairs of units.
        ``"propensity"``: a different measure of the weights themselves, 0 to 1; see `small_world_propensity`.
    nulls
        ``"density"``: random networks with the same number of connections. ``"degree"``: random networks in which every
        unit also keeps its in- and out-degree (`rewire`), so that effects of degrees alone do not count.
    count
        Number of random networks; by default 200 for ``"density"`` (generated once and shared by all networks of the
        same density), 20 for ``"degree"``, and 3 lattices and 3 random networks for the propensity.
    seed
        Seed of the random networks; results do not depend on the other networks of a batch.

    Returns
    -------
    ndarray
        ``(…)``, about 1 for a random network (propensity: about 0.3); NaN for networks without connections or with
        non-finite weights.

    Raises
    ------
    ValueError
        If the definition or null model is unknown, ``count`` is below 1, matrices are not square, or ``nulls`` is set
        for the propensity, which has its own null models.

    References
    ----------
    Humphries & Gurney (2008), doi:10.1371/journal.pone.0002051; Maslov & Sneppen (2002), doi:10.1126/science.1065103;
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 10-12.

    Examples
    --------
    >>> ring = np.roll(np.eye(60), 1, axis=1) + np.roll(np.eye(60), 2, axis=1) + np.roll(np.eye(60), 3, axis=1)
    >>> bool(small_worldness(ring + ring.T) > 4)
    True
    """
    if definition not in ("paper", "paths", "propensity"):
        raise ValueError(f"definition must be paper, paths or propensity, not {definition!r}")
    if nulls not in NULL_COUNTS:
        raise ValueError(f"nulls must be density or degree, not {nulls!r}")
    if count is not None:
        require_at_least("count", count, 1)
    if definition == "propensity":
        if nulls != "density":
            raise ValueError("the propensity has its own null models, of the same weights: leave out nulls='degree'")
        return small_world_propensity(weights, seed=seed, **({} if count is None else {"count": count})).propensity
    n_nulls = NULL_COUNTS[nulls] if count is None else count
    paths = definition == "paths"

    def small_worldness_of(matrix: FloatArray) -> float:
        exists = adjacency(matrix)
        present = matrix[exists]
        if len(present) and np.ptp(present) > 0:  # among equal connections there are no strongest ones
            exists = threshold_proportional(matrix, DENSITY) > 0
        n_connections = int(exists.sum())
        if not n_connections:
            return np.nan
        if nulls == "degree":
            generator = np.random.default_rng(seed)
            null = _mean_measures([rewire(exists, generator) for _ in range(n_nulls)], paths)
        else:
            null = _random_measures(len(exists), n_connections, bool((exists == exists.T).all()), n_nulls, seed)
        observed = _mean_measures([exists], paths)
        ratio = observed[0] / null[0] if null[0] > 0 else np.nan
        return ratio / (observed[1] / null[1]) if paths else ratio

    return measure_each(weights, "small-worldness", small_worldness_of)


def _mean_measures(networks: list[NDArray[np.bool_]], paths: bool = True) -> tuple[float, float]:
    """Return the mean clustering of networks and, if requested, their mean path length (otherwise NaN)."""
    clusterings = [clustering(network).mean() for network in networks]
    lengths = [characteristic_path_length(network) for network in networks] if paths else [np.nan]
    finite = np.asarray(lengths)[np.isfinite(lengths)]
    return float(np.mean(clusterings)), float(finite.mean()) if len(finite) else np.nan


@cache
def _random_measures(n_units: int, n_connections: int, undirected: bool, count: int, seed: int) -> tuple[float, float]:
    """Return the mean clustering and path length of random networks with a given number of connections."""
    generator = np.random.default_rng(seed)
    possible = ~np.eye(n_units, dtype=bool)
    candidates = np.flatnonzero(np.triu(possible) if undirected else possible)
    networks = []
    for _ in range(count):
        network = np.zeros((n_units, n_units), dtype=bool)
        chosen = generator.choice(candidates, n_connections // 2 if undirected else n_connections, replace=False)
        network.ravel()[chosen] = True
        networks.append(network | network.T if undirected else network)
    return _mean_measures(networks)
