"""Thresholds, clustering, small-worldness and nulls."""

from pathlib import Path

import networkx
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.geometries import Grid, Sphere
from spatialnets.graph.clustering import clustering
from spatialnets.graph.modularity import modularity
from spatialnets.graph.nulls import map_correlation, moran_surrogates, shuffle_within_distances, spin_permutations
from spatialnets.graph.small_worldness import small_worldness
from spatialnets.graph.threshold import threshold_proportional

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
FloatArray = NDArray[np.float64]


def trained() -> FloatArray:
    return np.abs(BCT["weights"].astype(np.float64))


def random_networks(count: int, n_units: int = 100, density: float = 0.1, seed: int = 0) -> FloatArray:
    generator = np.random.default_rng(seed)
    weights = generator.random((count, n_units, n_units))
    return threshold_proportional(weights, density)


# Threshold


def test_the_strongest_tenth_is_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_array_equal(threshold_proportional(trained(), 0.1) > 0, BCT["top10"])


def test_pairs_are_kept_whole_where_directions_are_equal() -> None:
    weights = np.random.default_rng(0).random((30, 30))
    kept = threshold_proportional(weights + weights.T, 0.2)
    np.testing.assert_array_equal(kept, kept.T)
    assert (kept > 0).sum() == 2 * round(0.2 * 30 * 29 / 2)
    assert (np.diagonal(kept) == 0).all()
    strongest = np.sort((weights + weights.T)[np.triu_indices(30, 1)])[-87:]
    np.testing.assert_array_equal(np.sort(kept[np.triu_indices(30, 1)])[-87:], strongest)


def test_nothing_is_made_up_and_nothing_spoilt() -> None:
    few = np.zeros((6, 6))
    few[0, 1], few[3, 2] = 2.0, 1.0
    np.testing.assert_array_equal(threshold_proportional(few, 0.5), few)
    assert np.isnan(threshold_proportional(np.full((2, 4, 4), np.nan), 0.5)).all()
    with pytest.raises(ValueError, match="density must be between 0 and 1"):
        threshold_proportional(few, 1.5)
    with pytest.raises(ValueError, match="needs square matrices"):
        threshold_proportional(few[:3], 0.5)


# Clustering


def test_clustering_is_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_allclose(clustering(BCT["top10"]), BCT["clustering_top10_directed"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(clustering(BCT["top5_union"]), BCT["clustering"], rtol=1e-12, atol=1e-15)


def test_clustering_is_that_of_networkx_and_of_the_definition() -> None:
    graph = networkx.gnp_random_graph(40, 0.2, seed=1)
    np.testing.assert_allclose(
        clustering(networkx.to_numpy_array(graph)), list(networkx.clustering(graph).values()), rtol=1e-12
    )
    directed = np.random.default_rng(2).random((15, 15)) < 0.3
    for unit, found in enumerate(clustering(directed)):
        targets = [other for other in np.flatnonzero(directed[unit]) if other != unit]
        links = [directed[v, w] for v in targets for w in targets if v != w]
        assert found == pytest.approx(np.mean(links) if links else 0.0)


def test_clustering_of_simple_networks_is_known() -> None:
    assert clustering(np.ones((6, 6))).tolist() == [1.0] * 6
    star = np.zeros((6, 6))
    star[0, 1:] = star[1:, 0] = 1
    assert clustering(star).tolist() == [0.0] * 6
    lattice = networkx.to_numpy_array(networkx.watts_strogatz_graph(30, 6, 0))
    np.testing.assert_allclose(clustering(lattice), 0.6)  # 3 (k - 2) / 4 (k - 1) for k = 6


# Small-worldness


@pytest.mark.parametrize("definition", ["paper", "paths"])
def test_a_random_network_has_small_worldness_1(definition: str) -> None:
    found = small_worldness(random_networks(300), definition)  # type: ignore[arg-type]
    # single ones scatter by 0.037, so the mean of 300 against that of 200 nulls by 0.0034
    assert abs(found.mean() - 1) < 0.011
    assert found.std() < 0.05


def test_a_ring_with_few_shortcuts_is_a_small_world_and_paths_tell_it_from_a_lattice() -> None:
    ring, small = (
        networkx.to_numpy_array(networkx.watts_strogatz_graph(100, 10, rewired, seed=3)) for rewired in (0.0, 0.1)
    )
    for network in (ring, small):
        assert small_worldness(network) > 3
    assert small_worldness(small, "paths") > 1.3 * small_worldness(ring, "paths")


def test_the_papers_definition_is_clustering_against_density() -> None:
    # a random network's expected clustering is its density, 0.1
    np.testing.assert_allclose(small_worldness(trained()), clustering(BCT["top10"]).mean(axis=-1) / 0.1, rtol=0.01)


def test_small_worldness_is_blind_to_scale_numbering_and_the_diagonal() -> None:
    weights = trained()[0]
    order = np.random.default_rng(4).permutation(100)
    expected = small_worldness(weights, "paths")
    for other in (7 * weights, weights[np.ix_(order, order)], weights + np.diag(np.arange(100.0))):
        assert float(small_worldness(other, "paths")) == pytest.approx(float(expected), rel=1e-9)


def test_small_worldness_of_nothing_is_not_a_number() -> None:
    found = small_worldness(np.stack([np.zeros((5, 5)), np.full((5, 5), np.nan)]))
    assert np.isnan(found).all()
    with pytest.raises(ValueError, match="definition must be paper or paths, not 'wrong'"):
        small_worldness(np.ones((3, 3)), "wrong")  # type: ignore[arg-type]


# Weights shuffled within distances


def test_shuffling_keeps_every_weight_among_those_of_its_length() -> None:
    distances = Grid().distances()
    weights = trained()[:3]
    shuffled = shuffle_within_distances(weights, distances, np.random.default_rng(5), bins=8)
    apart = ~np.eye(100, dtype=bool)
    np.testing.assert_array_equal(np.diagonal(shuffled, axis1=-2, axis2=-1), np.diagonal(weights, axis1=-2, axis2=-1))
    edges = np.unique(np.quantile(distances[apart], np.linspace(0, 1, 9)[1:-1]))
    label = np.where(apart, np.searchsorted(edges, distances), -1)
    for one, other in zip(weights, shuffled, strict=True):
        assert (one != other).mean() > 0.9
        for number in range(label.max() + 1):
            np.testing.assert_array_equal(np.sort(one[label == number]), np.sort(other[label == number]))
    # a length comes as often as in the network: the relation of weight and length stays, within a class
    for one, other in zip(weights, shuffled, strict=True):
        assert np.corrcoef(distances[apart], one[apart])[0, 1] == pytest.approx(
            np.corrcoef(distances[apart], other[apart])[0, 1], abs=0.03
        )


def test_modules_that_come_from_space_survive_shuffling_and_others_do_not() -> None:
    generator = np.random.default_rng(6)
    distances = Grid().distances()
    near = np.exp(-distances) * generator.random((100, 100))  # local, therefore modular
    halves = np.kron(np.eye(2), np.ones((50, 50))) + 0.2
    scattered = generator.permutation(100)
    planted = halves[np.ix_(scattered, scattered)] * generator.random((100, 100))  # modules anywhere
    for weights, survives in ((near, True), (planted, False)):
        shuffled = shuffle_within_distances(weights, distances, generator)
        kept = float(modularity(shuffled)[0] / modularity(weights)[0])
        assert (kept > 0.8) == survives


def test_shuffled_networks_are_equally_likely_to_be_any_order() -> None:
    distances = np.ones((3, 3)) - np.eye(3)
    weights = np.arange(9.0).reshape(3, 3)
    generator = np.random.default_rng(7)
    first = [shuffle_within_distances(weights, distances, generator)[0, 1] for _ in range(3000)]
    _, counts = np.unique(first, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500 * 5 / 6)  # five standard deviations


# Spins and Moran's maps


def test_spins_are_permutations_that_keep_neighbours_together() -> None:
    sphere = Sphere(n=80)
    spins = spin_permutations(sphere.positions(), 20, np.random.default_rng(8))
    distances = sphere.distances()
    for spin in spins:
        assert sorted(spin.tolist()) == list(range(80))
        turned = distances[np.ix_(spin, spin)]
        assert np.corrcoef(turned[np.triu_indices(80, 1)], distances[np.triu_indices(80, 1)])[0, 1] > 0.95
    mean = np.mean(
        [sphere.positions()[spin][0] for spin in spin_permutations(sphere.positions(), 400, np.random.default_rng(9))],
        axis=0,
    )
    assert np.linalg.norm(mean) < 0.2  # rotations are uniform: a unit goes everywhere alike


def test_hemispheres_spin_as_mirror_images() -> None:
    left = Sphere(n=40).positions()
    parts = np.repeat(np.arange(2), 40)
    spins = spin_permutations(np.vstack([left, left * [-1, 1, 1]]), 10, np.random.default_rng(10), parts)
    for spin in spins:
        np.testing.assert_array_equal(spin[40:] - 40, spin[:40])


def test_surrogates_keep_mean_variance_and_morans_i() -> None:
    distances = Grid((6, 5, 3)).distances()
    near = np.divide(1, distances, out=np.zeros_like(distances), where=distances > 0)
    values = Grid((6, 5, 3)).positions() @ [1.0, 0.3, -0.5] + 4
    surrogates = moran_surrogates(values, distances, 200, np.random.default_rng(11))

    def moran(maps: FloatArray) -> FloatArray:
        centred = maps - maps.mean(axis=-1, keepdims=True)
        top = np.einsum("...i,ij,...j->...", centred, near, centred)
        return np.asarray(top / near.sum() / (centred**2).mean(axis=-1))

    np.testing.assert_allclose(surrogates.mean(axis=1), values.mean(), rtol=1e-9)
    np.testing.assert_allclose(surrogates.std(axis=1), values.std(), rtol=1e-9)
    # constants are no eigenvector of 1/D on a grid, but for the centring: exact up to it
    np.testing.assert_allclose(moran(surrogates), moran(values), rtol=0.02)
    assert len(np.unique(surrogates.round(6), axis=0)) == 200


@pytest.mark.parametrize("kind", ["spin", "moran"])
def test_smooth_maps_that_have_nothing_to_do_with_each_other_are_seldom_found_to(kind: str) -> None:
    generator = np.random.default_rng(12)
    sphere = Sphere(n=100)
    distances = sphere.distances()
    smooth = np.linalg.cholesky(np.exp(-distances / 0.8) + 1e-9 * np.eye(100))
    spins = spin_permutations(sphere.positions(), 199, generator)
    naive, found = [], []
    for _ in range(150):
        one, other = smooth @ generator.normal(size=100), smooth @ generator.normal(size=100)
        surrogates = one[spins] if kind == "spin" else moran_surrogates(one, distances, 199, generator)
        found.append(map_correlation(one, other, surrogates)[1] < 0.05)
        shuffled = np.array([generator.permutation(one) for _ in range(199)])
        naive.append(map_correlation(one, other, shuffled)[1] < 0.05)
    assert np.mean(naive) > 0.15  # what one gets without regard to space
    assert np.mean(found) < 0.11  # 0.05, and three standard errors of 0.018


def test_maps_that_are_alike_are_found_to_be() -> None:
    generator = np.random.default_rng(13)
    distances = Grid().distances()
    one = np.linalg.cholesky(np.exp(-distances) + 1e-9 * np.eye(100)) @ generator.normal(size=100)
    r, p = map_correlation(
        one, one + 0.3 * generator.normal(size=100), moran_surrogates(one, distances, 499, generator)
    )
    assert r > 0.8
    assert p < 0.01
    assert all(np.isnan(map_correlation(one, np.ones(100), moran_surrogates(one, distances, 9, generator))))
