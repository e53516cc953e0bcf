"""Path lengths, efficiency and betweenness."""

from itertools import pairwise, permutations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from spatialnets.geometries import Grid
from spatialnets.graph import betweenness, characteristic_path_length, efficiency, path_lengths

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
WEIGHTS = np.abs(BCT["weights"].astype(np.float64))
FloatArray = NDArray[np.float64]


def inverse(weights: FloatArray) -> FloatArray:
    return np.divide(1.0, weights, out=np.zeros_like(weights), where=weights > 0)


def sparse(n_units: int, density: float, seed: int) -> FloatArray:
    generator = np.random.default_rng(seed)
    return np.where(generator.random((n_units, n_units)) < density, generator.exponential(size=(n_units, n_units)), 0)


RING = np.roll(np.eye(10), 1, axis=1)


def test_efficiency_equals_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_allclose(efficiency(WEIGHTS), BCT["efficiency_weighted"], rtol=1e-12)  # sums of 9,900 terms
    np.testing.assert_allclose(efficiency(BCT["top5_union"]), BCT["efficiency_binary"], rtol=1e-12)
    np.testing.assert_allclose(efficiency(-WEIGHTS[0]), BCT["efficiency_weighted"][0], rtol=1e-12)


def test_betweenness_equals_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_allclose(betweenness(inverse(WEIGHTS)), BCT["betweenness_weighted"], rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(betweenness(BCT["top5_union"]), BCT["betweenness"], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_path_lengths_of_directed_networks_equal_those_of_scipy(seed: int) -> None:
    weights = sparse(30, 0.08, seed)
    np.fill_diagonal(weights, 0)
    lengths = path_lengths(weights)
    assert np.isinf(lengths).any()
    np.testing.assert_allclose(lengths, dijkstra(inverse(weights)), rtol=1e-13)
    steps = path_lengths(weights, weighted=False)
    np.testing.assert_array_equal(steps, dijkstra(weights, unweighted=True))
    np.testing.assert_array_equal(path_lengths(weights > 0), steps)
    connected = np.isfinite(steps) & ~np.eye(30, dtype=bool)
    assert float(characteristic_path_length(weights)) == pytest.approx(lengths[connected].mean())
    assert float(characteristic_path_length(weights, weighted=False)) == pytest.approx(steps[connected].mean())


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("weighted", [False, True])
def test_betweenness_of_directed_networks_equals_that_of_networkx(seed: int, weighted: bool) -> None:
    lengths = sparse(30, 0.1, seed)
    np.fill_diagonal(lengths, 0)
    lengths = lengths if weighted else (lengths > 0).astype(float)
    graph = nx.from_numpy_array(lengths, create_using=nx.DiGraph)
    expected = nx.betweenness_centrality(graph, weight="weight", normalized=False)
    np.testing.assert_allclose(betweenness(lengths), list(expected.values()), rtol=1e-12, atol=1e-12)


def test_betweenness_follows_its_definition_where_many_paths_are_equally_short() -> None:
    # the same steps in a different order add up to lengths that differ by rounding, but count as equal
    positions = Grid((3, 2, 1)).positions() * 0.1
    distances = np.linalg.norm(positions[:, None] - positions, axis=-1)
    lengths = np.where(distances < 0.11, distances, 0)
    lengths[0, 1] = lengths[1, 0] = 0.3 - 0.2  # 0.1 up to the last bit
    expected = np.zeros(6)
    for source, target in permutations(range(6), 2):
        paths = [
            path
            for size in range(5)
            for middle in permutations(set(range(6)) - {source, target}, size)
            for path in [(source, *middle, target)]
            if all(lengths[step] > 0 for step in pairwise(path))
        ]
        totals = [sum(lengths[step] for step in pairwise(path)) for path in paths]
        shortest = [path for path, total in zip(paths, totals, strict=True) if total < min(totals) * (1 + 1e-9)]
        for path in shortest:
            expected[list(path[1:-1])] += 1 / len(shortest)
    assert len(np.unique(lengths[lengths > 0])) > 1  # so that it is not treated as a binary network
    np.testing.assert_allclose(betweenness(lengths), expected, rtol=1e-12)


def test_rings_and_stars_have_known_values() -> None:
    # a directed ring: 1 + … + 9 steps from each unit; each unit is on the paths of 9 * 8 / 2 ordered pairs
    assert float(characteristic_path_length(RING)) == 5.0
    assert float(efficiency(RING)) == pytest.approx(sum(1 / step for step in range(1, 10)) / 9)
    assert betweenness(RING).tolist() == [36.0] * 10
    star = np.zeros((7, 7))
    star[0, 1:] = star[1:, 0] = 2.0
    assert betweenness(star).tolist() == [30.0, 0, 0, 0, 0, 0, 0]
    assert float(characteristic_path_length(star)) == pytest.approx((12 * 1 + 30 * 2) / 42 / 2)
    assert float(efficiency(star)) == pytest.approx(2 * (12 + 30 / 2) / 42)


def test_stronger_connections_are_shorter_and_self_connections_are_ignored() -> None:
    np.testing.assert_allclose(path_lengths(4 * WEIGHTS[0]), path_lengths(WEIGHTS[0]) / 4, rtol=1e-12)
    with_loops = WEIGHTS[0] + np.diag(np.arange(100.0))
    np.testing.assert_array_equal(path_lengths(with_loops), path_lengths(WEIGHTS[0]))
    np.testing.assert_array_equal(betweenness(inverse(with_loops)), betweenness(inverse(WEIGHTS[0])))
    np.testing.assert_allclose(path_lengths(WEIGHTS[0].T), path_lengths(WEIGHTS[0]).T, rtol=1e-12)


def test_empty_networks_have_no_paths_and_non_finite_networks_are_nan() -> None:
    networks = np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan), np.ones((4, 4))])
    assert efficiency(networks)[[0, 2]].tolist() == [0.0, 1.0]
    assert np.isnan(efficiency(networks)[1])
    assert np.isnan(characteristic_path_length(networks)).tolist() == [True, True, False]
    assert betweenness(networks)[0].tolist() == [0.0] * 4
    assert np.isnan(betweenness(networks)[1]).all()
    assert np.isinf(path_lengths(networks)[0][~np.eye(4, dtype=bool)]).all()
    assert np.isnan(path_lengths(networks)[1]).all()
    tiny = np.array([[0, 1e-320, 1.0], [0, 0, 0], [0, 0, 0]])
    assert path_lengths(tiny)[0].tolist() == [0.0, np.inf, 1.0]  # 1 / 1e-320 overflows


def test_negative_lengths_and_non_square_matrices_are_refused() -> None:
    with pytest.raises(ValueError, match="non-negative lengths"):
        betweenness(-np.ones((3, 3)))
    for measure in (betweenness, efficiency, path_lengths, characteristic_path_length):
        with pytest.raises(ValueError, match=r"needs square matrices \(…, pre, post\), not \(2, 3\)"):
            measure(np.ones((2, 3)))
