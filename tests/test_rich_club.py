"""Degrees, assortativity, random networks of the same degrees, and the rich club."""

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


def test_degrees_are_those_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_array_equal(degrees(BCT["top5_union"]), BCT["degree"])
    np.testing.assert_array_equal(degrees(BCT["top5_union"], "both"), 2 * BCT["degree"])


def test_out_is_along_rows_and_in_along_columns() -> None:
    weights = np.array([[7.0, -2.0, 0.0], [0.0, 0.0, 3.0], [0.0, 1.0, 0.0]])
    assert degrees(weights).tolist() == [1, 1, 1]
    assert degrees(weights, "in").tolist() == [0, 2, 1]
    assert strengths(weights).tolist() == [9, 3, 1]
    assert strengths(weights, "in").tolist() == [7, 3, 3]
    assert strengths(weights, "both").tolist() == [16, 6, 4]
    for measure in (degrees, strengths):
        with pytest.raises(ValueError, match="direction must be out, in or both, not 'up'"):
            measure(weights, "up")  # type: ignore[arg-type]
        found = measure(np.stack([weights, np.full((3, 3), np.inf)]))
        assert np.isnan(found).tolist() == [[False] * 3, [True] * 3]


# Assortativity


@pytest.mark.parametrize("source", ["out", "in"])
@pytest.mark.parametrize("target", ["out", "in"])
def test_assortativity_is_that_of_networkx(source: str, target: str) -> None:
    exists = directed(40, 0.1, 0)
    graph = nx.from_numpy_array(exists.astype(int), create_using=nx.DiGraph)
    expected = nx.degree_assortativity_coefficient(graph, x=source, y=target)
    assert float(assortativity(exists, source, target)) == pytest.approx(expected, abs=1e-12)  # type: ignore[arg-type]
    undirected = nx.degree_assortativity_coefficient(nx.from_numpy_array(scale_free()))
    found = assortativity(scale_free(), source, target)  # type: ignore[arg-type]
    assert float(found) == pytest.approx(undirected, abs=1e-12)


def test_assortativity_needs_degrees_that_differ() -> None:
    ring = np.roll(np.eye(5), 1, axis=1)
    assert np.isnan(assortativity(np.stack([ring, np.zeros((5, 5)), np.full((5, 5), np.nan)]))).all()
    with pytest.raises(ValueError, match="target must be out or in, not 'both'"):
        assortativity(ring, "out", "both")  # type: ignore[arg-type]


# Rewiring


def test_rewiring_keeps_every_units_degrees_exactly() -> None:
    exists = BCT["top10"].astype(bool)
    mixed = rewire(exists, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed.sum(axis=-1), exists.sum(axis=-1))
    np.testing.assert_array_equal(mixed.sum(axis=-2), exists.sum(axis=-2))
    assert not mixed[:, np.arange(100), np.arange(100)].any()
    # of 990 connections, chance leaves about a tenth, more where degrees differ much
    assert ((mixed & exists).sum(axis=(-2, -1)) < 0.5 * exists.sum(axis=(-2, -1))).all()


def test_rewiring_keeps_undirected_networks_undirected() -> None:
    mixed = rewire(scale_free(), np.random.default_rng(1))
    np.testing.assert_array_equal(mixed, mixed.T)
    np.testing.assert_array_equal(mixed.sum(axis=0), scale_free().sum(axis=0))
    assert not mixed.diagonal().any()
    lattice = nx.to_numpy_array(nx.watts_strogatz_graph(60, 6, 0))
    assert clustering(rewire(lattice, np.random.default_rng(2))).mean() < 0.2  # it was 0.6


@pytest.mark.parametrize("undirected", [False, True])
def test_all_networks_of_the_same_degrees_are_about_equally_likely(undirected: bool) -> None:
    # six units with one connection each: 15 ways to pair them; four with one to and one from: 9 ways without a loop
    if undirected:
        network = np.kron(np.eye(3), 1 - np.eye(2))
        expected = 15
    else:
        network = np.roll(np.eye(4), 1, axis=1)
        expected = 9
    generator = np.random.default_rng(3)
    # an odd number of exchanges and an even one: otherwise every second network would be out of reach
    found = [rewire(network, generator, exchanges=9 + turn % 2).tobytes() for turn in range(4500)]
    counts = np.array(list({one: found.count(one) for one in set(found)}.values()))
    assert len(counts) == expected
    mean = 4500 / expected
    assert ((counts - mean) ** 2 / mean).sum() < 3 * expected  # chi-square with that many degrees, less one


def test_rewiring_leaves_what_cannot_be_rewired() -> None:
    for network in (np.zeros((4, 4)), 1 - np.eye(4)):
        np.testing.assert_array_equal(rewire(network, np.random.default_rng(4)), network)
    with pytest.raises(ValueError, match="exchanges must not be negative"):
        rewire(np.ones((3, 3)), np.random.default_rng(0), exchanges=-1)


# The rich club


def test_the_rich_club_is_that_of_networkx() -> None:
    expected = nx.rich_club_coefficient(nx.from_numpy_array(scale_free()), normalized=False)
    found = rich_club(scale_free())
    assert found.shape == (80,)
    np.testing.assert_allclose(found[list(expected)], list(expected.values()), rtol=1e-13)
    assert np.isnan(found[max(expected) + 1 :]).all()


def test_the_rich_club_of_directed_networks_is_its_definition() -> None:
    exists = directed(20, 0.2, 5)
    found = rich_club(exists, directed=True)
    degree = exists.sum(axis=0) + exists.sum(axis=1)
    for level in range(39):
        rich = np.flatnonzero(degree > level)
        among = exists[np.ix_(rich, rich)].sum()
        expected = among / (len(rich) * (len(rich) - 1)) if len(rich) > 1 else np.nan
        assert found[level] == pytest.approx(expected, nan_ok=True)
    with pytest.raises(ValueError, match="needs directed=True"):
        rich_club(exists)


def test_a_club_is_more_than_degrees_make_it_and_chance_is_1() -> None:
    random = nx.to_numpy_array(nx.gnp_random_graph(80, 0.15, seed=6))
    common = slice(0, 12)  # above, few units are left, and chance scatters
    np.testing.assert_allclose(rich_club(random, normalised=True, count=30)[common], 1, atol=0.1)
    club = scale_free()
    club[:10, :10] = 1 - np.eye(10)
    apart = scale_free()
    rich = np.argsort(-apart.sum(axis=0))[:10]
    apart[np.ix_(rich, rich)] = 0
    assert rich_club(club, normalised=True, count=30)[20] > 1.2
    assert rich_club(apart, normalised=True, count=30)[8] < 0.8


def test_the_rich_club_of_nothing_is_not_a_number_from_the_start() -> None:
    found = rich_club(np.stack([np.zeros((4, 4)), np.full((4, 4), np.nan), 1 - np.eye(4)]))
    assert np.isnan(found[:2]).all()
    assert found[2, :3].tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError, match="count must be at least 1"):
        rich_club(np.zeros((3, 3)), normalised=True, count=0)
