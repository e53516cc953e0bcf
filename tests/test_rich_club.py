"""Degrees, assortativity, degree-preserving rewiring, and the rich club."""

from pathlib import Path

import networkx as nx
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.graph import assortativity, clustering, degrees, rewire, rich_club, strengths

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
FloatArray = NDArray[np.float64]


def directed(n_units: int, density: float, seed: int) -> NDArray[np.bool_]:
    exists = np.random.default_rng(seed).random((n_units, n_units)) < density
    np.fill_diagonal(exists, False)
    return exists


def scale_free(n_units: int = 80, seed: int = 1) -> FloatArray:
    return np.asarray(nx.to_numpy_array(nx.barabasi_albert_graph(n_units, 4, seed=seed)))


# Degrees and strengths


def test_degrees_equal_those_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_array_equal(degrees(BCT["top5_union"]), BCT["degree"])
    np.testing.assert_array_equal(degrees(BCT["top5_union"], "both"), 2 * BCT["degree"])


def test_out_measures_sum_rows_and_in_measures_sum_columns() -> None:
    weights = np.array([[7.0, -2.0, 0.0], [0.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    assert degrees(weights).tolist() == [1, 1, 1]
    assert degrees(weights, "in").tolist() == [0, 2, 1]
    assert strengths(weights).tolist() == [9, 3, 1]
    assert strengths(weights, "in").tolist() == [7, 3, 3]
    assert strengths(weights, "both").tolist() == [16, 6, 4]
    for measure in (degrees, strengths):
        with pytest.raises(ValueError, match="direction must be out, in or both, not 'up'"):
            measure(weights, "up")  # type: ignore[arg-type]
        values = measure(np.stack([weights, np.full((3, 3), np.inf)]))
        assert np.isnan(values).tolist() == [[False] * 3, [True] * 3]


# Assortativity


@pytest.mark.parametrize("source", ["out", "in"])
@pytest.mark.parametrize("target", ["out", "in"])
def test_assortativity_equals_that_of_networkx(source: str, target: str) -> None:
    exists = directed(40, 0.1, 0)
    graph = nx.from_numpy_array(exists.astype(int), create_using=nx.DiGraph)
    expected = nx.degree_assortativity_coefficient(graph, x=source, y=target)
    assert float(assortativity(exists, source, target)) == pytest.approx(expected, abs=1e-12)  # type: ignore[arg-type]
    undirected = nx.degree_assortativity_coefficient(nx.from_numpy_array(scale_free()))
    value = assortativity(scale_free(), source, target)  # type: ignore[arg-type]
    assert float(value) == pytest.approx(undirected, abs=1e-12)


def test_assortativity_is_nan_if_degrees_do_not_vary() -> None:
    ring = np.roll(np.eye(5), 1, axis=1)
    assert np.isnan(assortativity(np.stack([ring, np.zeros((5, 5)), np.full((5, 5), np.nan)]))).all()
    with pytest.raises(ValueError, match="target must be out or in, not 'both'"):
        assortativity(ring, "out", "both")  # type: ignore[arg-type]


# Rewiring


def test_rewiring_keeps_the_degrees_of_every_unit() -> None:
    exists = BCT["top10"].astype(bool)
    rewired = rewire(exists, np.random.default_rng(0))
    np.testing.assert_array_equal(rewired.sum(axis=-1), exists.sum(axis=-1))
    np.testing.assert_array_equal(rewired.sum(axis=-2), exists.sum(axis=-2))
    assert not rewired[:, np.arange(100), np.arange(100)].any()
    # about a tenth of the 990 connections stay by chance, more if degrees vary widely
    assert ((rewired & exists).sum(axis=(-2, -1)) < 0.5 * exists.sum(axis=(-2, -1))).all()


def test_rewiring_keeps_undirected_networks_undirected() -> None:
    rewired = rewire(scale_free(), np.random.default_rng(1))
    np.testing.assert_array_equal(rewired, rewired.T)
    np.testing.assert_array_equal(rewired.sum(axis=0), scale_free().sum(axis=0))
    assert not rewired.diagonal().any()
    lattice = nx.to_numpy_array(nx.watts_strogatz_graph(60, 6, 0))
    assert clustering(rewire(lattice, np.random.default_rng(2))).mean() < 0.2  # it was 0.6


@pytest.mark.parametrize("undirected", [False, True])
def test_all_networks_with_the_same_degrees_are_about_equally_likely(undirected: bool) -> None:
    # six units of degree 1: 15 pairings; four units of in- and out-degree 1: 9 networks without self-connections
    if undirected:
        network = np.kron(np.eye(3), 1 - np.eye(2))
        expected = 15
    else:
        network = np.roll(np.eye(4), 1, axis=1)
        expected = 9
    generator = np.random.default_rng(3)
    # both odd and even numbers of swaps, because one parity reaches only half of the networks
    rewired = [rewire(network, generator, exchanges=9 + i % 2).tobytes() for i in range(4500)]
    counts = np.array([rewired.count(distinct) for distinct in set(rewired)])
    assert len(counts) == expected
    mean = 4500 / expected
    assert ((counts - mean) ** 2 / mean).sum() < 3 * expected  # chi-square with expected - 1 degrees of freedom


def test_networks_that_cannot_be_rewired_stay_unchanged() -> None:
    for network in (np.zeros((4, 4)), 1 - np.eye(4)):
        np.testing.assert_array_equal(rewire(network, np.random.default_rng(4)), network)
    with pytest.raises(ValueError, match="exchanges must be 0 or more"):
        rewire(np.ones((3, 3)), np.random.default_rng(0), exchanges=-1)


# The rich club


def test_the_rich_club_equals_that_of_networkx() -> None:
    expected = nx.rich_club_coefficient(nx.from_numpy_array(scale_free()), normalized=False)
    coefficients = rich_club(scale_free())
    assert coefficients.shape == (80,)
    np.testing.assert_allclose(coefficients[list(expected)], list(expected.values()), rtol=1e-13)
    assert np.isnan(coefficients[max(expected) + 1 :]).all()


def test_the_rich_club_of_directed_networks_follows_its_definition() -> None:
    exists = directed(20, 0.2, 5)
    coefficients = rich_club(exists, directed=True)
    degree = exists.sum(axis=0) + exists.sum(axis=1)
    for level in range(39):
        rich = np.flatnonzero(degree > level)
        among = exists[np.ix_(rich, rich)].sum()
        expected = among / (len(rich) * (len(rich) - 1)) if len(rich) > 1 else np.nan
        assert coefficients[level] == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match="needs directed=True"):
        rich_club(exists)


def test_the_normalised_rich_club_is_1_for_random_networks_and_above_1_for_a_club() -> None:
    random = nx.to_numpy_array(nx.gnp_random_graph(80, 0.15, seed=6))
    common = slice(0, 12)  # above this degree, few units remain and the null model varies
    np.testing.assert_allclose(rich_club(random, normalised=True, count=30)[common], 1, atol=0.1)
    club = scale_free()
    club[:10, :10] = 1 - np.eye(10)
    separated = scale_free()
    rich = np.argsort(-separated.sum(axis=0))[:10]
    separated[np.ix_(rich, rich)] = 0
    assert rich_club(club, normalised=True, count=30)[20] > 1.2
    assert rich_club(separated, normalised=True, count=30)[8] < 0.8


def test_the_rich_club_is_nan_for_empty_and_non_finite_networks() -> None:
    coefficients = rich_club(np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan), 1 - np.eye(4)]))
    assert np.isnan(coefficients[:2]).all()
    assert coefficients[2, :3].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="count must be 1 or more"):
        rich_club(np.zeros((3, 3)), normalised=True, count=0)
