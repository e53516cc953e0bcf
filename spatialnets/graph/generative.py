"""Generative models of a network: which wiring rule, with which exponents, grows networks like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.errors import nearest
from spatialnets.graph.fingerprint import DIGITS, undirected
from spatialnets.graph.growth import FAMILIES, RULES, grow
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import FloatArray
from spatialnets.statistics.effects import mean_interval

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
LEAST_ENERGY = 1e-3  # a perfect network is as attractive as one this good, not infinitely so

SearchMethod: TypeAlias = Literal["voronoi", "grid"]


class Discrepancy(NamedTuple):
    """How far networks are from a target.

    Parameters
    ----------
    energy
        The largest of the four, ``(…)``, 0 to 1.
    ks
        Kolmogorov-Smirnov statistics ``(…, statistic)`` of `STATISTICS`.
    """

    energy: FloatArray
    ks: FloatArray


class Fit(NamedTuple):
    """All simulations of a search; ``grow(distances, rule, n_edges, eta[i], gamma[i], seed[i])`` is the i-th.

    Parameters
    ----------
    eta, gamma, energy
        ``(simulation,)``; gamma is 0 where the rule has none.
    ks
        ``(simulation, statistic)``.
    seed
        ``(simulation,)``.
    best
        The simulation of lowest energy; the first of them.
    """

    eta: FloatArray
    gamma: FloatArray
    energy: FloatArray
    ks: FloatArray
    seed: NDArray[np.int64]
    best: int


class RuleStatistics(NamedTuple):
    """What energies say of rules.

    Parameters
    ----------
    n
        How many networks.
    f, p
        One-way analysis of variance over rules.
    tukey
        p of each pair of rules (Tukey-Kramer), ``(rule, rule)``.
    best
        The rule of lowest mean energy; empty where nothing is known.
    homophily_lowest
        Whether both homophily rules have lower means than all others.
    homophily_p
        The largest Tukey p between a homophily rule and another.
    advantage, interval
        Mean energy of the homophily rules less that of the best other rule, over networks, and its 95 % interval
        (None for fewer than two networks); below 0 where homophily is better.
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
    """Return the undirected network of the strongest connections, which a generative model is to grow.

    Of all directed connections the strongest share is kept, by magnitude and without self-connections; two units are
    connected if either direction is kept. So there are between half as many and as many connections as were kept.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, of any sign.
    density
        Share of all possible directed connections that is kept, 0 to 1.

    Returns
    -------
    ndarray
        ``(…, unit, unit)``, 0 or 1; nothing is connected where weights are not finite.

    Raises
    ------
    ValueError
        If the density is no share, or matrices are not square.

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
    """What the energy compares, each sorted."""

    degree: FloatArray
    clustering: FloatArray
    betweenness: FloatArray
    edge_length: FloatArray


def _distributions(adjacency: NDArray[np.bool_], distances: FloatArray) -> _Distributions:
    from spatialnets.graph.kernels import betweenness_binary, clustering_binary

    betweenness = np.round(betweenness_binary(adjacency), DIGITS)
    return _Distributions(
        np.sort(adjacency.sum(axis=1).astype(np.float64)),
        np.sort(clustering_binary(adjacency)),
        np.sort(betweenness),
        np.sort(distances[np.triu(adjacency, 1)]),
    )


def _kolmogorov_smirnov(one: FloatArray, other: FloatArray) -> float:
    """Return the largest difference of two cumulative distributions, of sorted values."""
    if not one.size or not other.size:
        return float(one.size != other.size)
    at = np.concatenate([one, other])
    difference = (
        np.searchsorted(one, at, side="right") / one.size - np.searchsorted(other, at, side="right") / other.size
    )
    return float(np.abs(difference).max())


def _discrepancies(one: _Distributions, other: _Distributions) -> list[float]:
    return [_kolmogorov_smirnov(*pair) for pair in zip(one, other, strict=True)]


def energy(adjacency: ArrayLike, target: ArrayLike, distances: ArrayLike) -> Discrepancy:
    r"""Return how far networks are from a target: 0 for the same, 1 for nothing in common.

    .. math:: E = \max(KS_k, KS_c, KS_b, KS_d)

    with Kolmogorov-Smirnov statistics (the largest difference of two cumulative distributions) of degree, clustering
    coefficient and betweenness over units, and of length over connections.

    Parameters
    ----------
    adjacency
        Undirected networks ``(…, unit, unit)``; whatever is not zero is a connection.
    target
        ``(unit, unit)``.
    distances
        ``(unit, unit)``.

    Returns
    -------
    Discrepancy
        ``energy, ks``. A network without connections has a length statistic of 1 against one that has some.

    Raises
    ------
    ValueError
        If networks are not undirected, or shapes differ.

    References
    ----------
    Betzel et al. (2016), doi:10.1016/j.neuroimage.2015.09.041.

    Examples
    --------
    >>> star = np.zeros((5, 5))
    >>> star[0, 1:] = star[1:, 0] = 1
    >>> ring = np.roll(np.eye(5), 1, axis=1) + np.roll(np.eye(5), -1, axis=1)
    >>> found = energy(star, ring, np.ones((5, 5)))
    >>> float(found.energy), found.ks.round(3).tolist()
    (0.8, [0.8, 0.0, 0.8, 0.0])
    """
    lengths = np.asarray(distances, dtype=np.float64)
    networks = undirected(adjacency, "adjacency", len(lengths))
    wanted = undirected(target, "target", len(lengths))
    if wanted.ndim != 2:
        raise ValueError(f"target must be one network (unit, unit), not {wanted.shape}")
    aim = _distributions(wanted, lengths)
    flat = networks.reshape(-1, *wanted.shape)
    ks = np.array([_discrepancies(_distributions(network, lengths), aim) for network in flat])
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
    r"""Grow many networks by one rule, looking for the exponents that give the lowest energy.

    ``"voronoi"``, as in the paper: exponents of the first level are drawn uniformly from the square of `limits`.
    At each further level a Voronoi cell of all points so far (those nearer to one point than to any other) is drawn
    with probability :math:`\propto E^{-p}`, for each new point, and the point uniformly from the cell; :math:`p` goes
    from 0 at the first level to `power` at the last. Cells are exact polygons: the square's edges are made by the
    points' mirror images. ``spatial`` has no gamma: cells are intervals of eta.

    ``"grid"``: as many simulations at most, at the points of a regular grid, limits included.

    Parameters
    ----------
    target
        Undirected network ``(unit, unit)``; as many connections are grown, from none.
    distances
        ``(unit, unit)``.
    rule
        One of `spatialnets.graph.growth.RULES`.
    levels, per_level
        How often points are chosen anew, and how many each time.
    power
        How strongly the last level prefers low energies.
    limits
        Of eta and of gamma.
    seed
        Decides all that is drawn.
    method
        ``"voronoi"`` or ``"grid"``.

    Returns
    -------
    Fit
        Every simulation, and which is best.

    Raises
    ------
    ValueError
        If there is no such rule or method, the target has no connection or is directed, or numbers make no sense.

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
    if rule not in RULES:
        raise ValueError(f"there is no rule '{rule}': {nearest(rule, RULES)}")
    if method not in ("voronoi", "grid"):
        raise ValueError(f"method must be voronoi or grid, not {method!r}")
    check_search(levels, per_level, power, limits)
    lengths = np.asarray(distances, dtype=np.float64)
    wanted = undirected(target, "target", len(lengths))
    if wanted.ndim != 2 or not wanted.any():
        raise ValueError(f"target must be one network (unit, unit) with a connection; its shape is {wanted.shape}")
    aim, n_edges = _distributions(wanted, lengths), int(wanted.sum()) // 2
    generator = np.random.default_rng(seed)
    low, width = limits[0], limits[1] - limits[0]
    free = 1 if rule == "spatial" else 2  # exponents

    points = np.zeros((0, 2))  # in units of the square
    ks: list[list[float]] = []
    seeds: list[int] = []
    for share in np.linspace(0, power, levels) if method == "voronoi" else (0.0,):
        if method == "grid":
            new = _grid(levels * per_level, free)
        elif not len(points):
            new = generator.random((per_level, free))
        else:
            likely = np.maximum(np.array(ks).max(axis=1), LEAST_ENERGY) ** -share
            cells = generator.choice(len(points), per_level, p=likely / likely.sum())
            new = _within_cells(points[:, :free], cells, generator)
        if free == 1:
            new = np.column_stack([new[:, 0], np.full(len(new), np.nan)])
        for eta, gamma in new:
            seeds.append(int(generator.integers(2**63)))
            exponent = 0.0 if free == 1 else low + width * gamma
            network = grow(lengths, rule, n_edges, low + width * eta, exponent, seeds[-1])
            ks.append(_discrepancies(_distributions(network != 0, lengths), aim))
        points = np.vstack([points, new])
    found = np.array(ks)
    energies = found.max(axis=1)
    exponents = low + width * points
    return Fit(
        exponents[:, 0],
        np.zeros(len(points)) if free == 1 else exponents[:, 1],
        energies,
        found,
        np.array(seeds),
        int(np.argmin(energies)),
    )


def check_search(levels: int, per_level: int, power: float, limits: tuple[float, float]) -> None:
    """Raise ValueError if the numbers of a search make no sense."""
    if levels < 1 or per_level < 1:
        raise ValueError(f"levels and per_level must be 1 or more, not {levels} and {per_level}")
    if not (np.isfinite(power) and power >= 0):
        raise ValueError(f"power must be finite and not negative, not {power}")
    if len(limits) != 2 or not np.isfinite(limits).all() or limits[0] >= limits[1]:
        raise ValueError(f"limits must be two finite numbers, the lower first, not {limits}")


def _grid(at_most: int, free: int) -> FloatArray:
    """Return the points of a regular grid on the unit interval or square, ``(point, exponent)``."""
    side = at_most if free == 1 else int(np.sqrt(at_most))
    line = np.linspace(0, 1, side) if side > 1 else np.array([0.5])
    return np.stack(np.meshgrid(*[line] * free, indexing="ij"), axis=-1).reshape(-1, free)


def _within_cells(points: FloatArray, cells: NDArray[np.int64], generator: np.random.Generator) -> FloatArray:
    """Return a uniform point of the Voronoi cell, clipped to the unit square, of each point named in `cells`."""
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0])
        line = points[order, 0]
        edges = np.concatenate([[0.0], (line[1:] + line[:-1]) / 2, [1.0]])
        place = np.empty(len(line), dtype=np.int64)
        place[order] = np.arange(len(line))
        left, right = edges[place[cells]], edges[place[cells] + 1]
        return (left + (right - left) * generator.random(len(cells)))[:, None]

    from scipy.spatial import Voronoi

    # a point and its mirror image are parted by the edge between them: so cells end at the square's edges
    mirrored = [points]
    for axis in range(2):
        for edge in (0.0, 1.0):
            image = points.copy()
            image[:, axis] = 2 * edge - image[:, axis]
            mirrored.append(image)
    diagram = Voronoi(np.vstack(mirrored))
    found = np.empty((len(cells), 2))
    for row, (cell, (which, one, other)) in enumerate(zip(cells, generator.random((len(cells), 3)), strict=True)):
        centre = points[cell]
        spokes = diagram.vertices[diagram.regions[diagram.point_region[cell]]] - centre
        spokes = spokes[np.argsort(np.arctan2(spokes[:, 1], spokes[:, 0]))]
        turned = np.roll(spokes, -1, axis=0)
        areas = np.abs(spokes[:, 0] * turned[:, 1] - spokes[:, 1] * turned[:, 0])  # of triangles around the centre
        triangle = int(np.searchsorted(np.cumsum(areas), which * areas.sum(), side="right").clip(max=len(areas) - 1))
        if one + other > 1:  # a parallelogram, folded to its triangle
            one, other = 1 - one, 1 - other
        found[row] = centre + one * spokes[triangle] + other * turned[triangle]
    return found.clip(0, 1)


def rule_statistics(energies: ArrayLike, rules: Sequence[str] = RULES) -> RuleStatistics:
    """Compare rules by the energies of several networks, homophily rules with all others.

    Parameters
    ----------
    energies
        Lowest energy of each network under each rule, ``(network, rule)``; networks with NaN are left out.
    rules
        The rules' names.

    Returns
    -------
    RuleStatistics
        Tests are NaN where there are fewer than two networks, or two rules; so is what needs homophily rules and
        others where there are not both.

    Raises
    ------
    ValueError
        If there is not one column for each rule, or no such rule.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3c: analysis of variance over rules, then
    Tukey-Kramer over pairs.

    Examples
    --------
    >>> energies = np.array([[0.3, 0.1, 0.2], [0.4, 0.1, 0.2], [0.3, 0.2, 0.1]])
    >>> found = rule_statistics(energies, ("spatial", "matching", "neighbors"))
    >>> found.best, found.homophily_lowest, round(found.p, 3), round(found.advantage, 3)
    ('matching', True, 0.011, -0.183)
    """
    for rule in rules:
        if rule not in RULES:
            raise ValueError(f"there is no rule '{rule}': {nearest(rule, RULES)}")
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
        rival = int(np.flatnonzero(~homophily)[np.argmin(means[~homophily])])
        lowest = bool(means[homophily].max() < means[rival])
        difference = values[:, homophily].mean(axis=1) - values[:, rival]
        advantage, interval = float(difference.mean()), mean_interval(difference)
    if n > 1 and len(rules) > 1 and (values.std(axis=0) > 0).any():
        from scipy.stats import f_oneway, tukey_hsd

        f, p = (float(number) for number in f_oneway(*values.T))
        tukey = np.asarray(tukey_hsd(*values.T).pvalue)
        largest = float(tukey[np.ix_(homophily, ~homophily)].max()) if both else np.nan
    return RuleStatistics(n, f, p, tukey, best, lowest, largest, advantage, interval)
