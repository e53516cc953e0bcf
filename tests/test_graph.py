"""Thresholding, clustering, small-worldness and null models."""

from pathlib import Path
from typing import Any, Literal, TypeAlias

import networkx
import numpy as np
import pytest
from numpy.typing import NDArray

from spatialnets.geometries import Grid, Sphere
from spatialnets.graph.clustering import clustering
from spatialnets.graph.modularity import modularity
from spatialnets.graph.nulls import map_correlation, moran_surrogates, shuffle_within_distances, spin_permutations
from spatialnets.graph.paths import efficiency
from spatialnets.graph.propensity import small_world_propensity
from spatialnets.graph.rewiring import rewire
from spatialnets.graph.small_worldness import small_worldness
from spatialnets.graph.threshold import threshold_proportional

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")
FloatArray = NDArray[np.float64]
Definition: TypeAlias = Literal["paper", "paths"]
Nulls: TypeAlias = Literal["density", "degree"]
DEFINITIONS: tuple[Definition, ...] = ("paper", "paths")
NULLS: tuple[Nulls, ...] = ("density", "degree")


def trained() -> FloatArray:
    return np.abs(BCT["weights"].astype(np.float64))


def random_networks(count: int, n_units: int = 100, density: float = 0.1, seed: int = 0) -> FloatArray:
    generator = np.random.default_rng(seed)
    weights = generator.random((count, n_units, n_units))
    return threshold_proportional(weights, density)


# Threshold


def test_the_strongest_tenth_equals_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_array_equal(threshold_proportional(trained(), 0.1) > 0, BCT["top10"])


def test_both_directions_of_a_symmetric_network_are_kept_together() -> None:
    weights = np.random.default_rng(0).random((30, 30))
    kept = threshold_proportional(weights + weights.T, 0.2)
    np.testing.assert_array_equal(kept, kept.T)
    assert (kept > 0).sum() == 2 * round(0.2 * 30 * 29 / 2)
    assert (np.diagonal(kept) == 0).all()
    strongest = np.sort((weights + weights.T)[np.triu_indices(30, 1)])[-87:]
    np.testing.assert_array_equal(np.sort(kept[np.triu_indices(30, 1)])[-87:], strongest)


def test_among_equal_weights_the_first_in_column_major_order_are_kept() -> None:
    weights = np.array([[0, 1, 1, 1], [1, 0, 1, 1], [3, 1, 0, 1], [1, 1, 2, 0]], dtype=float)
    kept = threshold_proportional(weights, 5 / 12)
    assert np.argwhere(kept.T).tolist() == [[0, 1], [0, 2], [0, 3], [1, 0], [2, 3]]  # column, row
    assert kept.sum() == 8.0


def test_fewer_connections_than_requested_are_kept_as_they_are() -> None:
    few = np.zeros((6, 6))
    few[0, 1], few[3, 2] = 2.0, 1.0
    np.testing.assert_array_equal(threshold_proportional(few, 0.5), few)
    assert np.isnan(threshold_proportional(np.full((2, 4, 4), np.nan), 0.5)).all()
    with pytest.raises(ValueError, match="density must lie between 0 and 1"):
        threshold_proportional(few, 1.5)
    with pytest.raises(ValueError, match="needs square matrices"):
        threshold_proportional(few[:3], 0.5)


# Clustering


def test_clustering_equals_that_of_the_brain_connectivity_toolbox() -> None:
    np.testing.assert_allclose(clustering(BCT["top10"]), BCT["clustering_top10_directed"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(clustering(BCT["top5_union"]), BCT["clustering"], rtol=1e-12, atol=1e-15)


def test_clustering_equals_that_of_networkx_and_the_definition() -> None:
    graph = networkx.gnp_random_graph(40, 0.2, seed=1)
    np.testing.assert_allclose(
        clustering(networkx.to_numpy_array(graph)), list(networkx.clustering(graph).values()), rtol=1e-12
    )
    directed = np.random.default_rng(2).random((15, 15)) < 0.3
    for unit, coefficient in enumerate(clustering(directed)):
        targets = [other for other in np.flatnonzero(directed[unit]) if other != unit]
        links = [directed[v, w] for v in targets for w in targets if v != w]
        assert coefficient == pytest.approx(np.mean(links) if links else 0.0)


def test_simple_networks_have_known_clustering() -> None:
    assert clustering(np.ones((6, 6))).tolist() == [1.0] * 6
    star = np.zeros((6, 6))
    star[0, 1:] = star[1:, 0] = 1
    assert clustering(star).tolist() == [0.0] * 6
    lattice = networkx.to_numpy_array(networkx.watts_strogatz_graph(30, 6, 0))
    np.testing.assert_allclose(clustering(lattice), 0.6)  # 3 (k - 2) / 4 (k - 1) for k = 6


def test_weighted_clustering_equals_that_of_networkx() -> None:
    weights = np.random.default_rng(3).exponential(size=(25, 25))
    weights[weights < 1.2] = 0
    undirected = np.triu(weights, 1) + np.triu(weights, 1).T
    graph = networkx.from_numpy_array(undirected)
    expected = list(networkx.clustering(graph, weight="weight").values())
    np.testing.assert_allclose(clustering(undirected, weighted=True), expected, rtol=1e-12)
    np.testing.assert_allclose(clustering(-3 * undirected + np.eye(25) * 99, weighted=True), expected, rtol=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
def test_directed_clustering_equals_that_of_networkx(weighted: bool) -> None:
    weights = np.random.default_rng(4).exponential(size=(25, 25))
    weights[weights < 1.5] = 0
    np.fill_diagonal(weights, 0)
    graph = networkx.from_numpy_array(weights, create_using=networkx.DiGraph)
    expected = list(networkx.clustering(graph, weight="weight" if weighted else None).values())
    np.testing.assert_allclose(clustering(weights, weighted=weighted, directed=True), expected, rtol=1e-12)
    both = weights + weights.T
    np.testing.assert_allclose(
        clustering(both, weighted=weighted, directed=True), clustering(both, weighted=weighted), rtol=1e-12
    )


def test_weighted_clustering_of_equal_weights_equals_binary_clustering() -> None:
    for network in (BCT["top10"][0], BCT["top5_union"][0]):  # the first is directed
        np.testing.assert_allclose(clustering(0.3 * network, weighted=True), clustering(network), rtol=1e-12)
    coefficients = clustering(np.stack([np.full((4, 4), np.nan), np.zeros((4, 4))]), weighted=True, directed=True)
    assert np.isnan(coefficients[0]).all()
    assert (coefficients[1] == 0).all()


# Small-worldness


@pytest.mark.parametrize("definition", ["paper", "paths"])
def test_a_random_network_has_small_worldness_1(definition: Definition) -> None:
    # 0.45 in the authors' demo, whose random networks are denser and undirected
    values = small_worldness(random_networks(300), definition)
    # standard deviation 0.037, so that the mean of 300 relative to the mean of 200 nulls has an error of 0.0034
    assert abs(values.mean() - 1) < 0.011
    assert values.std() < 0.05


@pytest.mark.parametrize("definition", ["paper", "paths"])
@pytest.mark.parametrize("undirected", [False, True])
def test_a_random_network_has_small_worldness_1_relative_to_rewired_networks(
    definition: Definition, undirected: bool
) -> None:
    networks = random_networks(25, seed=20)
    if undirected:
        upper = np.triu(np.random.default_rng(21).random((25, 100, 100)), 1)
        networks = threshold_proportional(upper + upper.swapaxes(1, 2), 0.1)
    for nulls in NULLS:
        values = small_worldness(networks, definition, nulls, count=20)
        # standard deviation 0.04 (undirected 0.06), of 20 nulls a fifth of that; error of the mean of 25: 0.013 at most
        assert abs(values.mean() - 1) < 0.04


def test_undirected_networks_are_compared_with_undirected_null_models() -> None:
    # a triangle and five isolated units; 56 of the 3276 placements of three undirected connections are a triangle
    triangle = np.zeros((8, 8))
    triangle[:3, :3] = 1 - np.eye(3)
    # about 68 of 4000, standard deviation 12 %; six random directed connections would give 30
    assert float(small_worldness(triangle, count=4000)) == pytest.approx(3276 / 56, rel=0.4)


def test_clustering_explained_by_degrees_is_not_a_small_world_relative_to_rewired_networks() -> None:
    # hubs raise clustering above that of networks of the same density, but not above that of the same degrees
    hubness = np.random.default_rng(22).pareto(1.5, size=100)
    network = threshold_proportional(hubness[:, None] * hubness + 1e-9 * np.arange(10000).reshape(100, 100), 0.1)
    networks = rewire(np.stack([network] * 4), np.random.default_rng(23), exchanges=30)
    assert (small_worldness(networks) > 3).all()
    # few networks have these degrees, so that they vary little
    assert (np.abs(small_worldness(networks, nulls="degree", count=10) - 1) < 0.03).all()
    lattice = networkx.to_numpy_array(networkx.watts_strogatz_graph(100, 10, 0, seed=3))
    for definition in DEFINITIONS:
        assert small_worldness(lattice, definition, "degree", count=10) > 2
    assert small_worldness(lattice, "paper", "degree", count=10) > 5


def test_a_ring_with_few_shortcuts_is_a_small_world_and_path_length_separates_it_from_a_lattice() -> None:
    ring, small = (
        networkx.to_numpy_array(networkx.watts_strogatz_graph(100, 10, rewired, seed=3)) for rewired in (0.0, 0.1)
    )
    for network in (ring, small):
        assert small_worldness(network) > 3
    assert small_worldness(small, "paths") > 1.3 * small_worldness(ring, "paths")


def test_the_papers_definition_is_clustering_relative_to_density() -> None:
    # the expected clustering of a random network is its density, 0.1
    np.testing.assert_allclose(small_worldness(trained()), clustering(BCT["top10"]).mean(axis=-1) / 0.1, rtol=0.01)


def test_small_worldness_does_not_depend_on_scale_unit_order_or_self_connections() -> None:
    weights = trained()[0]
    order = np.random.default_rng(4).permutation(100)
    expected = small_worldness(weights, "paths")
    for other in (7 * weights, weights[np.ix_(order, order)], weights + np.diag(np.arange(100.0))):
        assert float(small_worldness(other, "paths")) == pytest.approx(float(expected), rel=1e-9)


def test_small_worldness_of_empty_networks_is_nan_and_unknown_settings_are_refused() -> None:
    assert np.isnan(small_worldness(np.stack([np.zeros((5, 5)), np.full((5, 5), np.nan)]))).all()
    with pytest.raises(ValueError, match="definition must be paper, paths or propensity, not 'wrong'"):
        small_worldness(np.ones((3, 3)), "wrong")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="nulls must be density or degree, not 'wrong'"):
        small_worldness(np.ones((3, 3)), nulls="wrong")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="count must be 1 or more, not 0"):
        small_worldness(np.ones((3, 3)), count=0)
    with pytest.raises(ValueError, match="leave out nulls='degree'"):
        small_worldness(np.ones((3, 3)), "propensity", "degree")


def test_small_worldness_is_reproducible_independent_of_the_batch_and_prints_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for nulls in NULLS:
        batch = small_worldness(trained()[:3], "paths", nulls, count=3, seed=5)
        assert float(batch[2]) == float(small_worldness(trained()[2], "paths", nulls, count=3, seed=5))
        assert float(batch[2]) != float(small_worldness(trained()[2], "paths", nulls, count=3, seed=6))
    assert capsys.readouterr() == ("", "")


# Small-world propensity


def weighted_ring(rewired: float, seed: int = 0) -> FloatArray:
    """A ring of 60 units whose weights fall with distance, with a fraction of connections moved to random pairs."""
    generator = np.random.default_rng(seed)
    steps = np.abs(np.subtract.outer(np.arange(60), np.arange(60)))
    steps = np.minimum(steps, 60 - steps)
    weights = np.triu(np.where(steps <= 4, 2.0 ** -steps.astype(float), 0), 1)
    pairs = np.triu_indices(60, 1)
    connected = np.flatnonzero(weights[pairs])
    moving = generator.permutation(connected)[: round(rewired * len(connected))]
    free = np.flatnonzero(weights[pairs] == 0)
    values = weights[pairs]
    values[generator.choice(free, len(moving), replace=False)] = values[moving]
    values[moving] = 0
    weights[pairs] = values
    return weights + weights.T


def test_propensity_follows_its_definition_with_measures_of_networkx() -> None:
    network = weighted_ring(0.15)

    def measures(weights: FloatArray) -> tuple[float, float]:
        graph = networkx.from_numpy_array(weights)
        for _, _, link in graph.edges(data=True):
            link["length"] = 1 / link["weight"]
        lengths = [
            length
            for unit, lengths_from in networkx.all_pairs_dijkstra_path_length(graph, weight="length")
            for other, length in lengths_from.items()
            if unit != other
        ]
        return float(np.mean(list(networkx.clustering(graph, weight="weight").values()))), float(np.mean(lengths))

    pairs = np.triu_indices(60, 1)
    generator = np.random.default_rng(1)
    random = []
    for _ in range(20):
        null = np.zeros((60, 60))
        null[pairs] = generator.permutation(network[pairs])
        random.append(measures(null + null.T))
    clustering_, length = measures(network)
    clustering_lattice, length_lattice = measures(
        weighted_ring(0.0)
    )  # the same weights, the strongest between nearest units
    clustering_random, length_random = np.mean(random, axis=0)
    result = small_world_propensity(network, count=20)
    deficit = (clustering_lattice - clustering_) / (clustering_lattice - clustering_random)
    excess = (length - length_random) / (length_lattice - length_random)
    assert 0.1 < deficit < 0.9
    assert 0.02 < excess < 0.9
    assert float(result.clustering_deficit) == pytest.approx(deficit, abs=0.02)  # means of 20 nulls vary by 0.006
    assert float(result.length_excess) == pytest.approx(excess, abs=0.02)
    assert float(result.propensity) == pytest.approx(1 - np.sqrt((deficit**2 + excess**2) / 2), abs=0.02)
    np.testing.assert_array_equal(small_worldness(network, "propensity", count=20), result.propensity)


def test_small_worlds_have_high_propensity_lattices_and_random_networks_low_propensity() -> None:
    lattice, small, random = (small_world_propensity(weighted_ring(rewired)) for rewired in (0.0, 0.1, 1.0))
    assert lattice.clustering_deficit < 0.01
    assert lattice.length_excess > 0.95
    assert random.clustering_deficit > 0.95
    assert random.length_excess < 0.1
    assert small.propensity > 0.7
    for extreme in (lattice, random):
        assert float(extreme.propensity) == pytest.approx(1 - np.sqrt(0.5), abs=0.03)


def test_propensity_does_not_depend_on_scale_direction_or_self_connections() -> None:
    network = weighted_ring(0.1)
    expected = small_world_propensity(network)
    for other in (7 * network, -network, 2 * np.triu(network), network + 5 * np.eye(60)):
        np.testing.assert_allclose(small_world_propensity(other), expected, rtol=1e-9)


def test_propensity_is_nan_for_empty_full_and_non_finite_networks() -> None:
    disconnected = weighted_ring(0.1)
    disconnected[7] = disconnected[:, 7] = 0
    networks = np.stack([np.zeros((60, 60)), np.full((60, 60), np.nan), np.ones((60, 60)), disconnected])
    result = small_world_propensity(networks)
    assert np.isnan(result.propensity).tolist() == [True, True, True, False]
    assert result.length_excess[3] == 1.0  # one unit cannot be reached
    with pytest.raises(ValueError, match="count must be 1 or more"):
        small_world_propensity(networks, count=0)


# Weights shuffled within distance bins


def test_shuffling_keeps_every_weight_in_its_distance_bin() -> None:
    distances = Grid().distances()
    weights = trained()[:3]
    shuffled = shuffle_within_distances(weights, distances, np.random.default_rng(5), bins=8)
    off_diagonal = ~np.eye(100, dtype=bool)
    np.testing.assert_array_equal(np.diagonal(shuffled, axis1=-2, axis2=-1), np.diagonal(weights, axis1=-2, axis2=-1))
    edges = np.unique(np.quantile(distances[off_diagonal], np.linspace(0, 1, 9)[1:-1]))
    label = np.where(off_diagonal, np.searchsorted(edges, distances), -1)
    for before, after in zip(weights, shuffled, strict=True):
        assert (before != after).mean() > 0.9
        for number in range(label.max() + 1):
            np.testing.assert_array_equal(np.sort(before[label == number]), np.sort(after[label == number]))
        # the relation of weight and length is preserved, up to the width of a bin
        assert np.corrcoef(distances[off_diagonal], before[off_diagonal])[0, 1] == pytest.approx(
            np.corrcoef(distances[off_diagonal], after[off_diagonal])[0, 1], abs=0.03
        )


def test_modules_that_distance_explains_survive_shuffling_and_others_do_not() -> None:
    generator = np.random.default_rng(6)
    distances = Grid().distances()
    local = np.exp(-distances) * generator.random((100, 100))  # local and therefore modular
    halves = np.kron(np.eye(2), np.ones((50, 50))) + 0.2
    scattered = generator.permutation(100)
    planted = halves[np.ix_(scattered, scattered)] * generator.random(
        (100, 100)
    )  # modules that do not depend on distance
    for weights, survives in ((local, True), (planted, False)):
        shuffled = shuffle_within_distances(weights, distances, generator)
        kept = float(modularity(shuffled)[0] / modularity(weights)[0])
        assert (kept > 0.8) == survives


def test_all_orders_of_shuffled_weights_are_equally_likely() -> None:
    distances = np.ones((3, 3)) - np.eye(3)
    weights = np.arange(9.0).reshape(3, 3)
    generator = np.random.default_rng(7)
    first = [shuffle_within_distances(weights, distances, generator)[0, 1] for _ in range(3000)]
    _, counts = np.unique(first, return_counts=True)
    assert len(counts) == 6
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500 * 5 / 6)  # five standard deviations


# Spin permutations and Moran surrogates


def test_spins_are_permutations_that_keep_neighbours_together() -> None:
    sphere = Sphere(n=80)
    spins = spin_permutations(sphere.positions(), 20, np.random.default_rng(8))
    distances = sphere.distances()
    for spin in spins:
        assert sorted(spin.tolist()) == list(range(80))
        rotated = distances[np.ix_(spin, spin)]
        assert np.corrcoef(rotated[np.triu_indices(80, 1)], distances[np.triu_indices(80, 1)])[0, 1] > 0.95
    mean = np.mean(
        [sphere.positions()[spin][0] for spin in spin_permutations(sphere.positions(), 400, np.random.default_rng(9))],
        axis=0,
    )
    assert np.linalg.norm(mean) < 0.2  # rotations are uniform: a unit moves to all positions equally often


def test_hemispheres_rotate_as_mirror_images() -> None:
    left = Sphere(n=40).positions()
    parts = np.repeat(np.arange(2), 40)
    spins = spin_permutations(np.vstack([left, left * [-1, 1, 1]]), 10, np.random.default_rng(10), parts)
    for spin in spins:
        np.testing.assert_array_equal(spin[40:] - 40, spin[:40])


def test_surrogates_keep_mean_variance_and_morans_i() -> None:
    distances = Grid((6, 5, 3)).distances()
    proximity = np.divide(1, distances, out=np.zeros_like(distances), where=distances > 0)
    values = Grid((6, 5, 3)).positions() @ [1.0, 0.3, -0.5] + 4
    surrogates = moran_surrogates(values, distances, 200, np.random.default_rng(11))

    def moran(maps: FloatArray) -> FloatArray:
        centred = maps - maps.mean(axis=-1, keepdims=True)
        products = np.einsum("...i,ij,...j->...", centred, proximity, centred)
        return np.asarray(products / proximity.sum() / (centred**2).mean(axis=-1))

    np.testing.assert_allclose(surrogates.mean(axis=1), values.mean(), rtol=1e-9)
    np.testing.assert_allclose(surrogates.std(axis=1), values.std(), rtol=1e-9)
    # exact if 1/D had a constant eigenvector; on a grid it has one only after centring
    np.testing.assert_allclose(moran(surrogates), moran(values), rtol=0.02)
    assert len(np.unique(surrogates.round(6), axis=0)) == 200


@pytest.mark.parametrize("kind", ["spin", "moran"])
def test_independent_smooth_maps_are_rarely_significant(kind: str) -> None:
    generator = np.random.default_rng(12)
    sphere = Sphere(n=100)
    distances = sphere.distances()
    smooth = np.linalg.cholesky(np.exp(-distances / 0.8) + 1e-9 * np.eye(100))
    spins = spin_permutations(sphere.positions(), 199, generator)
    naive, spatial = [], []
    for _ in range(150):
        first, second = smooth @ generator.normal(size=100), smooth @ generator.normal(size=100)
        surrogates = first[spins] if kind == "spin" else moran_surrogates(first, distances, 199, generator)
        spatial.append(map_correlation(first, second, surrogates)[1] < 0.05)
        shuffled = np.array([generator.permutation(first) for _ in range(199)])
        naive.append(map_correlation(first, second, shuffled)[1] < 0.05)
    assert np.mean(naive) > 0.15  # a null model that ignores space
    assert np.mean(spatial) < 0.11  # 0.05 plus three standard errors of 0.018


def test_similar_maps_are_significant_and_constant_maps_give_nan() -> None:
    generator = np.random.default_rng(13)
    distances = Grid().distances()
    smooth = np.linalg.cholesky(np.exp(-distances) + 1e-9 * np.eye(100)) @ generator.normal(size=100)
    r, p = map_correlation(
        smooth, smooth + 0.3 * generator.normal(size=100), moran_surrogates(smooth, distances, 499, generator)
    )
    assert r > 0.8
    assert p < 0.01
    assert all(np.isnan(map_correlation(smooth, np.ones(100), moran_surrogates(smooth, distances, 9, generator))))


# Layout and validity of matrices


def test_the_memory_layout_of_matrices_does_not_matter() -> None:
    weights = random_networks(8, 20, 0.5).reshape(2, 4, 20, 20)
    selected = weights[:, [2, 3]]  # NumPy does not return this in C order
    for other in (np.asfortranarray(weights), selected):
        plain = np.ascontiguousarray(other)
        np.testing.assert_array_equal(threshold_proportional(other, 0.1), threshold_proportional(plain, 0.1))
        np.testing.assert_array_equal(rewire(other, np.random.default_rng(3)), rewire(plain, np.random.default_rng(3)))
        np.testing.assert_array_equal(efficiency(other > 0), efficiency(plain > 0))


@pytest.mark.parametrize("density", [0.1, 0.2, 0.4])
@pytest.mark.parametrize("undirected", [False, True])
@pytest.mark.parametrize("definition", ["paper", "paths"])
def test_a_binary_random_network_of_any_density_has_small_worldness_1(
    density: float, undirected: bool, definition: Any
) -> None:
    generator = np.random.default_rng(6)
    networks = (generator.random((8, 60, 60)) < density).astype(int)
    if undirected:
        networks = np.triu(networks, 1) + np.triu(networks, 1).transpose(0, 2, 1)
    # at the lowest density the eight undirected networks have about 270 triangles, with a standard deviation of 6 %
    assert small_worldness(networks, definition, count=50).mean() == pytest.approx(1, abs=0.12)


def test_negative_weights_and_networks_without_units_are_refused() -> None:
    with pytest.raises(ValueError, match="pass their absolute values"):
        threshold_proportional([[0, -1], [2, 0]], 0.5)
    with pytest.raises(ValueError, match="at least one unit"):
        threshold_proportional(np.zeros((0, 0)), 0.5)
