"""Growth of networks by wiring rules, compared with a slow implementation of the definitions."""

import importlib.util
import itertools
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import Any

import networkx
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chisquare

from spatialnets.geometries import Grid
from spatialnets.graph import growth, growth_kernels
from spatialnets.graph.growth import FAMILIES, RULES, grow

FloatArray = NDArray[np.float64]

COMBINATIONS: dict[str, Callable[[float, float], float]] = {
    "avg": lambda a, b: (a + b) / 2,
    "min": min,
    "max": max,
    "diff": lambda a, b: abs(a - b),
    "prod": lambda a, b: a * b,
}


def values(rule: str, network: NDArray[Any]) -> Callable[[int, int], float]:
    """K of a pair of units, by sets and networkx."""
    graph = networkx.from_numpy_array((network != 0).astype(int))
    kind, _, combination = rule.partition("-")
    if kind in ("deg", "clu"):
        of_units = dict(graph.degree) if kind == "deg" else networkx.clustering(graph)
        return lambda a, b: COMBINATIONS[combination](of_units[a], of_units[b])
    neighbours = {unit: set(graph[unit]) for unit in graph}
    if rule == "neighbors":
        return lambda a, b: len(neighbours[a] & neighbours[b])

    def matching(a: int, b: int) -> float:
        # shared connections, relative to all connections of both units except the one between them
        total = len(neighbours[a] - {b}) + len(neighbours[b] - {a})
        return 2 * len(neighbours[a] & neighbours[b]) / total if total else 0.0

    return matching


def likelihoods(
    rule: str, network: NDArray[Any], distances: FloatArray, eta: float, gamma: float, epsilon: float = 1e-5
) -> FloatArray:
    """The sampling weight of each pair, in the upper triangle; 0 where it is connected."""
    result, value = np.zeros(distances.shape), values(rule, network)
    for pair in itertools.combinations(range(len(distances)), 2):
        if not network[pair]:
            topology = 1.0 if rule == "spatial" else (value(*pair) + epsilon) ** gamma
            result[pair] = distances[pair] ** eta * topology
    return result


def random_distances(n_units: int, seed: int) -> FloatArray:
    positions = np.random.default_rng(seed).random((n_units, 3))
    return np.asarray(np.linalg.norm(positions[:, None] - positions[None], axis=-1))


def random_network(n_units: int, n_edges: int, seed: int) -> NDArray[np.int64]:
    return np.asarray(networkx.to_numpy_array(networkx.gnm_random_graph(n_units, n_edges, seed=seed), dtype=np.int64))


def kernel(
    kernels: ModuleType,
    rule: str,
    distances: FloatArray,
    n_edges: int,
    eta: float,
    gamma: float,
    seed: int,
    start: NDArray[Any] | None = None,
) -> tuple[NDArray[np.bool_], FloatArray]:
    """The grown network and the sampling weights of its next connection."""
    kind, _, combination = rule.partition("-")
    initial = np.zeros(distances.shape, dtype=np.bool_) if start is None else start != 0
    draws = np.random.default_rng(seed).random((n_edges, 2))
    with np.errstate(all="ignore"):
        factor, code = growth._distance_factor(distances, eta), growth._COMBINATIONS.get(combination, 0)
        grown: tuple[NDArray[np.bool_], FloatArray] = kernels.grow_network(
            initial, factor, growth._KINDS[kind], code, gamma, 1e-5, draws
        )
    return grown


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    """The kernels as they run without numba."""
    patch = pytest.MonkeyPatch()
    patch.setattr("spatialnets.compiled.jit", lambda function: function)
    spec = importlib.util.spec_from_file_location("plain_growth_kernels", growth_kernels.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    patch.undo()
    return module


# The definition


@pytest.mark.parametrize("rule", RULES)
def test_sampling_weights_follow_the_definition_after_every_connection(rule: str) -> None:
    distances = random_distances(11, seed=1)
    before = np.zeros((11, 11), dtype=bool)
    for count in range(36):
        # the same draws and one more: the same network with one more connection
        network, weights = kernel(growth_kernels, rule, distances, count, -1.3, 0.7, seed=2)
        assert (network & ~before).sum() == (2 if count else 0)
        assert not (before & ~network).any()
        before = network
        np.testing.assert_array_equal(weights, weights.T)
        expected = likelihoods(rule, network, distances, -1.3, 0.7)
        # equal up to a constant; powers and quotients differ in the last digits
        np.testing.assert_allclose(
            np.triu(weights) / weights.max(), expected / expected.max(), rtol=1e-10, err_msg=f"{count} connections"
        )


@pytest.mark.parametrize("rule", RULES)
def test_initial_connections_count(rule: str) -> None:
    distances, start = random_distances(12, seed=3), random_network(12, 25, seed=4)
    _, weights = kernel(growth_kernels, rule, distances, 0, 0.8, -0.5, seed=0, start=start)
    expected = likelihoods(rule, start, distances, 0.8, -0.5)
    np.testing.assert_allclose(np.triu(weights) / weights.max(), expected / expected.max(), rtol=1e-10)


@pytest.mark.parametrize("rule", ["spatial", "neighbors", "matching", "clu-avg", "deg-prod"])
def test_pairs_of_connections_are_drawn_with_the_defined_probability(rule: str) -> None:
    distances, start = random_distances(6, seed=5), random_network(6, 7, seed=6)
    eta, gamma, epsilon = -1.0, 0.5, 0.1

    def probabilities(network: NDArray[Any]) -> FloatArray:
        weights = likelihoods(rule, network, distances, eta, gamma, epsilon)
        return weights / weights.sum()

    expected: Counter[tuple[int, ...]] = Counter()
    first = probabilities(start)
    for i in np.flatnonzero(first):
        grown = start.copy()
        grown[np.unravel_index(i, start.shape)] = grown.T[np.unravel_index(i, start.shape)] = 1
        second = probabilities(grown)
        for j in np.flatnonzero(second):
            expected[tuple(sorted((int(i), int(j))))] += first.ravel()[i] * second.ravel()[j]
    assert sum(expected.values()) == pytest.approx(1)
    generator, count = np.random.default_rng(7), 2000
    counts = Counter(
        tuple(
            np.flatnonzero(
                np.triu(grow(distances, rule, 2, eta, gamma, generator, start=start, epsilon=epsilon) - start)
            ).tolist()
        )
        for _ in range(count)
    )
    assert set(counts) <= set(expected)
    keys = list(expected)
    p = chisquare([counts[key] for key in keys], [count * expected[key] for key in keys]).pvalue
    assert p > 0.001


# Errors of bctpy


@pytest.mark.parametrize("rule", RULES)
def test_the_only_unconnected_pair_is_drawn(rule: str) -> None:
    distances = random_distances(5, seed=8)
    for a, b in itertools.combinations(range(5), 2):
        start = 1 - np.eye(5, dtype=np.int64)
        start[a, b] = start[b, a] = 0
        np.testing.assert_array_equal(grow(distances, rule, 1, -2.0, 1.0, 0, start=start), 1 - np.eye(5))


def test_the_smallest_and_the_largest_draw_select_unconnected_pairs() -> None:
    start = ~np.eye(5, dtype=np.bool_)
    for a, b in ((1, 2), (1, 3), (2, 3)):
        start[a, b] = start[b, a] = False
    for draw, expected in ((0.0, (1, 2)), (np.nextafter(1.0, 0.0), (2, 3))):
        for scale in (1.0, 5e-324):  # also the smallest positive number, of which no fraction exists
            factor = np.full((5, 5), scale)
            network, _ = growth_kernels.grow_network(start, factor, 0, 0, 0.0, 0.0, np.full((1, 2), draw))
            added = np.argwhere(np.triu(network & ~start)).tolist()
            assert added == [list(expected)]


@pytest.mark.parametrize("rule", RULES)
def test_exactly_the_requested_number_of_connections_is_added(rule: str) -> None:
    distances = Grid((4, 3, 2)).distances()
    for n_edges in (0, 1, 100, 276):  # 276 are all pairs
        for eta, gamma in ((-3.0, 3.0), (3.0, -3.0), (0.0, 0.0)):
            network = grow(distances, rule, n_edges, eta, gamma, 9)
            assert network.sum() == 2 * n_edges
            assert set(np.unique(network)) <= {0, 1}
            np.testing.assert_array_equal(network, network.T)
            assert not network.diagonal().any()


@pytest.mark.parametrize("rule", RULES)
def test_gamma_changes_the_network(rule: str) -> None:
    distances = Grid((4, 3, 2)).distances()
    grown = {gamma: grow(distances, rule, 80, -1.0, gamma, 10) for gamma in (-2.0, 0.0, 2.0)}
    equal = {(grown[a] == grown[b]).all() for a, b in itertools.combinations(grown, 2)}
    assert equal == ({True} if rule == "spatial" else {False})


@pytest.mark.parametrize(
    ("rule", "more"), [("neighbors", "clustering"), ("matching", "clustering"), ("deg-prod", "hubs")]
)
def test_a_high_gamma_favours_pairs_with_large_k(rule: str, more: str) -> None:
    distances = Grid((4, 4, 3)).distances()

    def measure(network: NDArray[np.int64]) -> float:
        graph = networkx.from_numpy_array(network)
        return float(networkx.transitivity(graph) if more == "clustering" else network.sum(axis=0).max())

    low, high = (
        np.mean([measure(grow(distances, rule, 120, 0.0, gamma, seed)) for seed in range(5)]) for gamma in (-1.0, 1.0)
    )
    assert high > 1.3 * low


# Extremes


def test_coinciding_units_are_connected_first_if_eta_is_negative_and_last_if_positive() -> None:
    positions = np.array([0.0, 0.0, 1.0, 1.0, 5.0, 9.0])
    distances = np.abs(np.subtract.outer(positions, positions))
    coinciding = distances + np.eye(6) == 0
    for rule in RULES:
        for seed in range(5):
            assert grow(distances, rule, 2, -1.0, 0.3, seed)[coinciding].all()
            assert not grow(distances, rule, 13, 1.0, 0.3, seed)[coinciding].any()
            assert grow(distances, rule, 15, 1.0, 0.3, seed)[coinciding].all()


def test_infinite_weights_are_equally_likely_and_a_factor_of_0_excludes_a_pair() -> None:
    positions = np.array([0.0, 1.0, 3.0, 7.0, 7.0, 8.0, 8.0])
    distances = np.abs(np.subtract.outer(positions, positions))
    generator = np.random.default_rng(25)
    firsts = sum(grow(distances, "deg-avg", 1, -1.0, 0.5, generator)[3, 4] for _ in range(400))
    assert abs(firsts - 200) < 4 * 10  # four standard deviations
    # 3 and 4 coincide but share no neighbour: without epsilon their weight is 0 times infinity, so 0 and 2 come first
    path = np.zeros((7, 7), dtype=np.int64)
    path[[0, 1, 1, 2], [1, 0, 2, 1]] = 1
    for seed in range(20):
        assert grow(distances, "neighbors", 1, -1.0, 1.0, seed, start=path, epsilon=0.0)[0, 2]


@pytest.mark.parametrize("gamma", [-2.0, 2.0])
@pytest.mark.parametrize("rule", RULES)
def test_networks_grow_without_epsilon(rule: str, gamma: float) -> None:
    distances = random_distances(15, seed=11)
    assert grow(distances, rule, 60, -1.0, gamma, 12, epsilon=0.0).sum() == 120
    if rule in ("deg-min", "deg-prod") and gamma < 0:  # pairs with an unconnected unit have infinite weight
        assert (grow(distances, rule, 14, -1.0, gamma, 12, epsilon=0.0).sum(axis=0) > 0).all()


def test_extreme_exponents_select_the_shortest_and_the_longest_pairs() -> None:
    distances = random_distances(9, seed=13)
    lengths = np.sort(distances[np.triu_indices(9, 1)])
    for eta, expected in ((-5000.0, lengths[:1]), (5000.0, lengths[-1:])):
        network = grow(distances, "spatial", 1, eta, 0.0, 14)
        np.testing.assert_array_equal(distances[np.triu(network) > 0], expected)
    # 1e-5 to the power of -100 overflows: units without neighbours are connected first
    assert (grow(distances, "deg-max", 4, 0.0, -100.0, 15).sum(axis=0) <= 1).all()


def test_networks_do_not_depend_on_the_unit_of_length_or_the_kind_of_seed() -> None:
    distances = random_distances(20, seed=16)
    expected = grow(distances, "matching", 60, -1.7, 0.4, 17)
    for factor in (1024.0, 2.0**-40):  # powers of two do not round lengths
        np.testing.assert_array_equal(grow(factor * distances, "matching", 60, -1.7, 0.4, 17), expected)
    np.testing.assert_array_equal(grow(distances, "matching", 60, -1.7, 0.4, np.random.default_rng(17)), expected)
    assert (grow(distances, "matching", 60, -1.7, 0.4, 18) != expected).any()
    assert grow(np.zeros((4, 4)), "matching", 3, -1.0, 1.0, 0).sum() == 6
    assert grow(np.zeros((1, 1)), "matching", 0, -1.0, 1.0, 0).shape == (1, 1)


def test_initial_connections_are_kept_and_not_counted() -> None:
    start = random_network(15, 20, seed=19)
    network = grow(random_distances(15, seed=20), "clu-max", 30, -1.0, 0.5, 21, start=start)
    assert network.sum() == 2 * (20 + 30)
    assert network[start > 0].all()


def test_impossible_growth_is_refused() -> None:
    distances = random_distances(5, seed=22)
    full = 1 - np.eye(5)
    for n_edges in (11, -1, 2.5):
        with pytest.raises(ValueError, match="from 0 to 10, the pairs of 5 units"):
            grow(distances, "spatial", n_edges, 0.0, 0.0, 0)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="from 0 to 0, the pairs of 5 units that start leaves unconnected"):
        grow(distances, "spatial", 1, 0.0, 0.0, 0, start=full)
    with pytest.raises(ValueError, match="unknown wiring rule 'match': did you mean 'matching'"):
        grow(distances, "match", 1, 0.0, 0.0, 0)
    asymmetric, negative, missing = distances.copy(), -distances, distances.copy()
    asymmetric[0, 1] *= 1.01
    missing[0, 1] = missing[1, 0] = np.nan
    for wrong, message in (
        (asymmetric, "must be symmetric"),
        (negative, "not negative"),
        (missing, "must be finite"),
        (distances[:3], "square"),
    ):
        with pytest.raises(ValueError, match=message):
            grow(wrong, "spatial", 1, 0.0, 0.0, 0)
    for wrong in (full[:4], np.triu(full), full + np.eye(5)):
        with pytest.raises(ValueError, match="start must be a symmetric matrix"):
            grow(distances, "spatial", 0, 0.0, 0.0, 0, start=wrong)
    for exponents, message in (((np.nan, 0.0), "eta must be"), ((0.0, np.inf), "gamma must be")):
        with pytest.raises(ValueError, match=message):
            grow(distances, "spatial", 1, *exponents, 0)
    with pytest.raises(ValueError, match="epsilon must be"):
        grow(distances, "matching", 1, 0.0, 0.0, 0, epsilon=-1.0)


def test_there_are_thirteen_rules_in_four_families() -> None:
    assert len(RULES) == len(set(RULES)) == 13
    assert Counter(FAMILIES.values()) == {"spatial": 1, "homophily": 2, "clustering": 5, "degree": 5}
    assert [rule for rule in RULES if FAMILIES[rule] == "homophily"] == ["neighbors", "matching"]


@pytest.mark.parametrize("rule", RULES)
def test_networks_are_the_same_without_numba(rule: str, plain: ModuleType) -> None:
    distances, start = Grid((4, 3, 2)).distances(), random_network(24, 10, seed=23)
    for eta, gamma in ((-1.7, 0.6), (0.5, -0.8)):
        compiled_network, compiled_weights = kernel(growth_kernels, rule, distances, 70, eta, gamma, 24, start)
        network, weights = kernel(plain, rule, distances, 70, eta, gamma, 24, start)
        np.testing.assert_array_equal(network, compiled_network)
        # numpy and the compiler may round powers differently
        np.testing.assert_allclose(weights, compiled_weights, rtol=1e-12)
