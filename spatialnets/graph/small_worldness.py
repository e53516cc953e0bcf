"""Small-worldness: more clustered than chance, and ways no longer than by chance."""

from __future__ import annotations

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.clustering import clustering
from spatialnets.graph.matrices import measure_each
from spatialnets.graph.paths import characteristic_path_length
from spatialnets.graph.propensity import small_world_propensity
from spatialnets.graph.rewiring import rewire
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import FloatArray

__all__ = ["NULL_COUNTS", "small_worldness"]

DENSITY = 0.1  # the paper's: the strongest tenth of all possible connections
NULL_COUNTS = {"density": 200, "degree": 20}  # the mean of their clustering is then known to 0.1 %, 0.4 %
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

    of the strongest tenth of all directed connections (of all that there are, if they are equally strong), with the
    mean clustering coefficient :math:`C` and the mean path length :math:`L`. Random networks have as many connections,
    or the same degrees, and are directed if the network is.

    Parameters
    ----------
    weights
        Magnitudes ``(…, pre, post)``; self-connections do not count.
    definition
        ``"paper"``: as the authors' code has it. It hands the connections to a function that expects distances, so that
        :math:`L` is the density, which is the same in the random networks: :math:`\sigma = C / C_{random}`.
        ``"paths"``: :math:`L` is the mean length, in connections, of the shortest ways between all ordered pairs of
        units that a way connects. ``"propensity"``: another measure, of the weights themselves, 0 to 1; see
        `small_world_propensity`.
    nulls
        ``"density"``: random networks with as many connections. ``"degree"``: in which, too, every unit begins and ends
        as many connections as here (`rewire`); what the degrees alone bring about then counts as chance.
    count
        How many random networks; by default 200 for a density (they are made once for all networks of it), 20 for
        degrees, 3 lattices and 3 random networks for the propensity.
    seed
        Of the random networks; each network's are the same in whatever batch it is.

    Returns
    -------
    ndarray
        ``(…)``, about 1 for a random network (the propensity: about 0.3); NaN where weights are not finite, or nothing
        is connected.

    Raises
    ------
    ValueError
        If the definition or the kind of random network is no known word, the count is below 1, or matrices are not
        square; if other nulls are asked for than the propensity's own.

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
    if count is not None and count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    if definition == "propensity":
        if nulls != "density":
            raise ValueError(
                "the propensity compares with lattices and random networks of the same weights, not degree"
            )
        return small_world_propensity(weights, seed=seed, **({} if count is None else {"count": count})).propensity
    number = NULL_COUNTS[nulls] if count is None else count
    paths = definition == "paths"

    def one(matrix: FloatArray) -> float:
        exists = matrix != 0
        np.fill_diagonal(exists, False)
        if np.unique(matrix[exists]).size > 1:  # of equal connections none are the strongest
            exists = threshold_proportional(matrix, DENSITY) > 0
        links = int(exists.sum())
        if not links:
            return np.nan
        if nulls == "degree":
            generator = np.random.default_rng(seed)
            chance = _mean_of([rewire(exists, generator) for _ in range(number)], paths)
        else:
            chance = _at_random(len(exists), links, bool((exists == exists.T).all()), number, seed)
        own = _mean_of([exists], paths)
        ratio = own[0] / chance[0] if chance[0] > 0 else np.nan
        return ratio / (own[1] / chance[1]) if paths else ratio

    return measure_each(weights, "small-worldness", one)


def _mean_of(networks: list[NDArray[np.bool_]], paths: bool = True) -> tuple[float, float]:
    """Return mean clustering and, if asked for, mean path length of networks."""
    clusterings = [clustering(network).mean() for network in networks]
    lengths = [characteristic_path_length(network) for network in networks] if paths else [np.nan]
    known = np.asarray(lengths)[np.isfinite(lengths)]
    return float(np.mean(clusterings)), float(known.mean()) if len(known) else np.nan


@cache
def _at_random(n_units: int, links: int, undirected: bool, count: int, seed: int) -> tuple[float, float]:
    """Return mean clustering and mean path length of random networks with so many connections."""
    generator = np.random.default_rng(seed)
    others = (
        np.flatnonzero(np.triu(np.ones((n_units, n_units), dtype=bool), 1))
        if undirected
        else (np.flatnonzero(~np.eye(n_units, dtype=bool)))
    )
    networks = []
    for _ in range(count):
        network = np.zeros((n_units, n_units), dtype=bool)
        network.ravel()[generator.choice(others, links // 2 if undirected else links, replace=False)] = True
        networks.append(network | network.T if undirected else network)
    return _mean_of(networks)
