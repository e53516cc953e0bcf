"""Generative network models: search for the wiring rule and exponents that best reproduce a network's topology."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.fingerprint import BETWEENNESS_DIGITS, undirected_adjacency
from spatialnets.graph.growth import FAMILIES, RULES, check_rule, grow
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.statistics.effects import mean_interval
from spatialnets.validation import require_at_least, require_not_negative

__all__ = [
    "STATISTICS",
    "Discrepancy",
    "Fit",
    "RuleStatistics",
    "SearchMethod",
    "check_search",
    "energy",
    "rule_statistics",
    "search",
    "target_network",
]

STATISTICS = ("degree", "clustering", "betweenness", "edge_length")
MIN_ENERGY = 1e-3  # lower energies are raised to this, so that a perfect fit does not get infinite sampling weight

SearchMethod: TypeAlias = Literal["voronoi", "grid"]


class Discrepancy(NamedTuple):
    """Topological difference between networks and a target network.

    Parameters
    ----------
    energy
        Largest of the four statistics, ``(…)``, 0 to 1.
    ks
        Kolmogorov-Smirnov statistics ``(…, statistic)``, in the order of `STATISTICS`.
    """

    energy: FloatArray
    ks: FloatArray


class Fit(NamedTuple):
    """All simulations of a search; ``grow(distances, rule, n_edges, eta[i], gamma[i], seed[i])`` repeats number `i`.

    Parameters
    ----------
    eta, gamma, energy
        ``(simulation,)``; gamma is 0 for rules without it.
    ks
        ``(simulation, statistic)``.
    seed
        ``(simulation,)``.
    best
        Index of the (first) simulation of lowest energy.
    """

    eta: FloatArray
    gamma: FloatArray
    energy: FloatArray
    ks: FloatArray
    seed: NDArray[np.int64]
    best: int


class RuleStatistics(NamedTuple):
    """Comparison of the energies of wiring rules over networks.

    Parameters
    ----------
    n
        Number of networks.
    f, p
        One-way analysis of variance over rules.
    tukey
        p-value of each pair of rules (Tukey-Kramer), ``(rule, rule)``.
    best
        Rule of lowest mean energy; empty if no network was measured.
    homophily_lowest
        Whether both homophily rules have a lower mean energy than all other rules.
    homophily_p
        Largest Tukey p-value between a homophily rule and any other rule.
    advantage, interval
        Mean energy of the homophily rules minus that of the best other rule, averaged over networks, and its 95 %
        confidence interval (None for fewer than two networks); negative if homophily fits better.
    """

    n: int
    f: float
    p: float
    tukey: FloatArray
    best: str
    homophily_lowest: bool
    homophily_p: float
    advantage: float
    interval: tuple[float, float] | None


def target_network(weights: ArrayLike, density: float = 0.05) -> NDArray[np.int64]:
    """Return the undirected network of the strongest connections, the target of generative models.

    The strongest directed connections are kept, by magnitude and without self-connections; two units are connected if
    either direction is kept. The undirected network thus has between half and all as many connections as were kept.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, signed or unsigned.
    density
        Fraction of all possible directed connections to keep, 0 to 1.

    Returns
    -------
    ndarray
        ``(…, unit, unit)``, 0 or 1; all 0 for networks with non-finite weights.

    Raises
    ------
    ValueError
        If ``density`` is outside 0 to 1, or matrices are not square.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3c.

    Examples
    --------
    >>> target_network([[9.0, 1.0, -2.0], [3.0, 9.0, 4.0], [5.0, -6.0, 9.0]], density=1 / 3).tolist()
    [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    """
    kept = threshold_proportional(np.abs(np.asarray(weights, dtype=np.float64)), density) > 0
    return (kept | np.swapaxes(kept, -1, -2)).astype(np.int64)


class _Distributions(NamedTuple):
    """Sorted values of the measures that the energy compares."""

    degree: FloatArray
    clustering: FloatArray
    betweenness: FloatArray
    edge_length: FloatArray


def _distributions(adjacency: NDArray[np.bool_], distances: FloatArray) -> _Distributions:
    from spatialnets.graph.kernels import betweenness_binary, clustering_binary

    betweenness = np.round(betweenness_binary(adjacency), BETWEENNESS_DIGITS)
    return _Distributions(
        np.sort(adjacency.sum(axis=1).astype(np.float64)),
        np.sort(clustering_binary(adjacency)),
        np.sort(betweenness),
        np.sort(distances[np.triu(adjacency, 1)]),
    )


def _kolmogorov_smirnov(first: FloatArray, second: FloatArray) -> float:
    """Return the largest difference between the cumulative distributions of two sorted samples."""
    if not first.size or not second.size:
        return float(first.size != second.size)
    values = np.concatenate([first, second])
    cumulative = [np.searchsorted(sample, values, side="right") / sample.size for sample in (first, second)]
    return float(np.abs(cumulative[0] - cumulative[1]).max())


def _discrepancies(first: _Distributions, second: _Distributions) -> list[float]:
    return [_kolmogorov_smirnov(*pair) for pair in zip(first, second, strict=True)]


def energy(adjacency: ArrayLike, target: ArrayLike, distances: ArrayLike) -> Discrepancy:
    r"""Return the energy of networks, their topological difference from a target: 0 for the same network, at most 1.

    .. math:: E = \max(KS_k, KS_c, KS_b, KS_d)

    with the Kolmogorov-Smirnov statistics (largest difference between two cumulative distributions) of degree,
    clustering coefficient and betweenness over units, and of length over connections.

    Parameters
    ----------
    adjacency
        Undirected networks ``(…, unit, unit)``; nonzero entries are connections.
    target
        ``(unit, unit)``.
    distances
        ``(unit, unit)``.

    Returns
    -------
    Discrepancy
        ``energy, ks``. If only one of the two networks has connections, its length statistic is 1.

    Raises
    ------
    ValueError
        If networks are directed, or shapes differ.

    References
    ----------
    Betzel et al. (2016), doi:10.1016/j.neuroimage.2015.09.041.

    Examples
    --------
    >>> star = np.zeros((5, 5))
    >>> star[0, 1:] = star[1:, 0] = 1
    >>> ring = np.roll(np.eye(5), 1, axis=1) + np.roll(np.eye(5), -1, axis=1)
    >>> difference = energy(star, ring, np.ones((5, 5)))
    >>> float(difference.energy), difference.ks.round(3).tolist()
    (0.8, [0.8, 0.0, 0.8, 0.0])
    """
    lengths = np.asarray(distances, dtype=np.float64)
    networks = undirected_adjacency(adjacency, "adjacency", len(lengths))
    target_adjacency = undirected_adjacency(target, "target", len(lengths), single=True)
    of_target = _distributions(target_adjacency, lengths)
    flat = networks.reshape(-1, *target_adjacency.shape)
    ks = np.array([_discrepancies(_distributions(network, lengths), of_target) for network in flat])
    ks = ks.reshape(*networks.shape[:-2], len(STATISTICS))
    return Discrepancy(ks.max(axis=-1), ks)


def search(
    target: ArrayLike,
    distances: ArrayLike,
    rule: str,
    levels: int = 5,
    per_level: int = 200,
    power: float = 2.0,
    limits: tuple[float, float] = (-3.0, 3.0),
    seed: int | np.random.Generator = 0,
    *,
    method: SearchMethod = "voronoi",
) -> Fit:
    r"""Grow many networks by one wiring rule, searching for the exponents of lowest energy.

    ``"voronoi"``, as in the paper: in the first level, points (eta, gamma) are drawn uniformly from the square of
    `limits`. In each further level, every new point is drawn uniformly from a Voronoi cell of the points so far, and
    the cell with probability :math:`\propto E^{-p}`, where :math:`p` rises from 0 in the first level to `power` in the
    last. Cells are exact polygons: mirror images of the points clip them to the square. ``spatial`` has no gamma, so
    its cells are intervals of eta.

    ``"grid"``: at most as many simulations, on a regular grid that includes the limits.

    Parameters
    ----------
    target
        Undirected network ``(unit, unit)``; networks are grown from none to the same number of connections.
    distances
        ``(unit, unit)``.
    rule
        One of `spatialnets.graph.growth.RULES`.
    levels, per_level
        Number of levels, and of points in each level.
    power
        Preference of the last level for low energies.
    limits
        Range of eta and of gamma.
    seed
        Seed or generator of all random draws.
    method
        ``"voronoi"`` or ``"grid"``.

    Returns
    -------
    Fit
        All simulations and the index of the best.

    Raises
    ------
    ValueError
        If the rule or method is unknown, the target is directed or has no connections, or a number is out of range.

    References
    ----------
    Betzel et al. (2016), doi:10.1016/j.neuroimage.2015.09.041, "Model fitting"; Achterberg, Akarca et al. (2023),
    doi:10.1038/s42256-023-00748-9, Methods.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer(np.arange(20.0), np.arange(20.0)))
    >>> target = grow(line, "spatial", 40, -2.0, 0.0, seed=0)
    >>> fit = search(target, line, "spatial", levels=3, per_level=20, seed=1)
    >>> bool(-3 <= fit.eta[fit.best] < -1), len(fit.energy)
    (True, 60)
    """
    check_rule(rule)
    if method not in ("voronoi", "grid"):
        raise ValueError(f"method must be voronoi or grid, not {method!r}")
    check_search(levels, per_level, power, limits)
    lengths = np.asarray(distances, dtype=np.float64)
    target_adjacency = undirected_adjacency(target, "target", len(lengths), single=True)
    if not target_adjacency.any():
        raise ValueError("target must have at least one connection")
    of_target, n_edges = _distributions(target_adjacency, lengths), int(target_adjacency.sum()) // 2
    generator = np.random.default_rng(seed)
    low, width = limits[0], limits[1] - limits[0]
    free = 1 if rule == "spatial" else 2  # number of exponents

    points = np.zeros((0, 2))  # in the unit square
    ks: list[list[float]] = []
    seeds: list[int] = []
    for level_power in np.linspace(0, power, levels) if method == "voronoi" else (0.0,):
        if method == "grid":
            new = _grid(levels * per_level, free)
        elif not len(points):
            new = generator.random((per_level, free))
        else:
            preference = np.maximum(np.array(ks).max(axis=1), MIN_ENERGY) ** -level_power
            cells = generator.choice(len(points), per_level, p=preference / preference.sum())
            new = _within_cells(points[:, :free], cells, generator)
        if free == 1:
            new = np.column_stack([new[:, 0], np.full(len(new), np.nan)])
        for eta, gamma in new:
            seeds.append(int(generator.integers(2**63)))
            exponent = 0.0 if free == 1 else low + width * gamma
            network = grow(lengths, rule, n_edges, low + width * eta, exponent, seeds[-1])
            ks.append(_discrepancies(_distributions(network != 0, lengths), of_target))
        points = np.vstack([points, new])
    statistics = np.array(ks)
    energies = statistics.max(axis=1)
    exponents = low + width * points
    gammas = np.zeros(len(points)) if free == 1 else exponents[:, 1]
    return Fit(exponents[:, 0], gammas, energies, statistics, np.array(seeds), int(np.argmin(energies)))


def check_search(levels: int, per_level: int, power: float, limits: tuple[float, float]) -> None:
    """Raise a ValueError if a setting of a search is out of range."""
    require_at_least("levels", levels, 1)
    require_at_least("per_level", per_level, 1)
    require_not_negative("power", power)
    if len(limits) != 2 or not np.isfinite(limits).all() or limits[0] >= limits[1]:
        raise ValueError(f"limits must be two finite numbers, the smaller first, not {limits}")


def _grid(max_points: int, free: int) -> FloatArray:
    """Return the points of a regular grid on the unit interval or square, ``(point, exponent)``."""
    side = max_points if free == 1 else int(np.sqrt(max_points))
    line = np.linspace(0, 1, side) if side > 1 else np.array([0.5])
    return np.stack(np.meshgrid(*[line] * free, indexing="ij"), axis=-1).reshape(-1, free)


def _within_cells(points: FloatArray, cells: NDArray[np.int64], generator: np.random.Generator) -> FloatArray:
    """Return, for each index in `cells`, a uniform point of that Voronoi cell, clipped to the unit square."""
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        line = points[order, 0]
        edges = np.concatenate([[0.0], (line[1:] + line[:-1]) / 2, [1.0]])
        rank = np.empty(len(line), dtype=np.int64)
        rank[order] = np.arange(len(line))
        left, right = edges[rank[cells]], edges[rank[cells] + 1]
        return (left + (right - left) * generator.random(len(cells)))[:, None]

    from scipy.spatial import Voronoi

    # the edge of the square lies midway between a point and its mirror image, so that it bounds the cells
    mirrored = [points]
    for axis in range(2):
        for edge in (0.0, 1.0):
            image = points.copy()
            image[:, axis] = 2 * edge - image[:, axis]
            mirrored.append(image)
    diagram = Voronoi(np.vstack(mirrored))
    drawn = np.empty((len(cells), 2))
    for row, (cell, (pick, a, b)) in enumerate(zip(cells, generator.random((len(cells), 3)), strict=True)):
        centre = points[cell]
        spokes = diagram.vertices[diagram.regions[diagram.point_region[cell]]] - centre
        spokes = spokes[np.argsort(np.arctan2(spokes[:, 1], spokes[:, 0]))]
        following = np.roll(spokes, -1, axis=0)
        areas = np.abs(spokes[:, 0] * following[:, 1] - spokes[:, 1] * following[:, 0])  # of triangles at the centre
        triangle = int(np.searchsorted(np.cumsum(areas), pick * areas.sum(), side="right").clip(max=len(areas) - 1))
        if a + b > 1:  # fold the parallelogram onto the triangle
            a, b = 1 - a, 1 - b
        drawn[row] = centre + a * spokes[triangle] + b * following[triangle]
    return drawn.clip(0, 1)


def rule_statistics(energies: ArrayLike, rules: Sequence[str] = RULES) -> RuleStatistics:
    """Compare the energies of wiring rules over networks, and homophily rules with all others.

    Parameters
    ----------
    energies
        Lowest energy of each network under each rule, ``(network, rule)``; networks with NaN are left out.
    rules
        Names of the rules.

    Returns
    -------
    RuleStatistics
        Tests are NaN for fewer than two networks or fewer than two rules. Comparisons with homophily are NaN
        without homophily rules, or without others.

    Raises
    ------
    ValueError
        If there is not one column for each rule, or a rule is unknown.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3c: analysis of variance over rules, then
    Tukey-Kramer over pairs.

    Examples
    --------
    >>> energies = np.array([[0.3, 0.1, 0.2], [0.4, 0.1, 0.2], [0.3, 0.2, 0.1]])
    >>> comparison = rule_statistics(energies, ("spatial", "matching", "neighbors"))
    >>> comparison.best, comparison.homophily_lowest, round(comparison.p, 3), round(comparison.advantage, 3)
    ('matching', True, 0.011, -0.183)
    """
    for rule in rules:
        check_rule(rule)
    values = np.asarray(energies, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != len(rules):
        raise ValueError(f"energies must be (network, rule) with {len(rules)} rules, not {values.shape}")
    values = values[np.isfinite(values).all(axis=1)]
    n, homophily = len(values), np.array([FAMILIES[rule] == "homophily" for rule in rules])
    both = bool(n and homophily.any() and not homophily.all())
    f = p = largest = advantage = np.nan
    tukey, best, lowest, interval = np.full((len(rules), len(rules)), np.nan), "", False, None
    if n:
        means = values.mean(axis=0)
        best = rules[int(np.argmin(means))]
    if both:
        best_other = int(np.flatnonzero(~homophily)[np.argmin(means[~homophily])])
        lowest = bool(means[homophily].max() < means[best_other])
        difference = values[:, homophily].mean(axis=1) - values[:, best_other]
        advantage, interval = float(difference.mean()), mean_interval(difference)

    if n > 1 and len(rules) > 1 and (values.std(axis=0) > 0).any():
        from scipy.stats import f_oneway, tukey_hsd

        f, p = (float(number) for number in f_oneway(*values.T))
        tukey = np.asarray(tukey_hsd(*values.T).pvalue)
        largest = float(tukey[np.ix_(homophily, ~homophily)].max()) if both else np.nan
    return RuleStatistics(n, f, p, tukey, best, lowest, largest, advantage, interval)
