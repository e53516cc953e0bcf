import pickle
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.linalg import expm

from spatialnets.analyses import Modularity, PassRate, SmallWorldness, Wiring
from spatialnets.analyses.entropy import Entropy
from spatialnets.analyses.topology import Topology
from spatialnets.analyses.wiring import magnitudes, weight_distance_correlation
from spatialnets.geometries import Grid
from spatialnets.graph import (
    assortativity,
    betweenness,
    characteristic_path_length,
    clustering,
    communicability,
    efficiency,
    matching_index,
    path_lengths,
    shannon_entropy,
    small_world_propensity,
    small_worldness,
    threshold_proportional,
)
from spatialnets.graph.modularity import modularity

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")


class Measured(Protocol):
    def of_shard(self, shard: xr.Dataset) -> xr.Dataset: ...


def shard(weights: np.ndarray[Any, Any], **variables: Any) -> xr.Dataset:
    """A shard with weights (network, epoch, pre, post) on the paper's grid."""
    return xr.Dataset(
        {
            "weights": (("network", "epoch", "pre", "post"), weights.astype(np.float32)),
            "distances": (("pre", "post"), Grid().distances()),
            **variables,
        },
        {"network": np.arange(weights.shape[0]), "epoch": np.arange(weights.shape[1])},
        attrs={"length_unit": "step"},
    )


ANALYSES = (Wiring(), Modularity(), SmallWorldness(), Topology(), Entropy())
TRAINED = shard(BCT["weights"].reshape(5, 2, 100, 100))


def test_wiring_equals_a_slow_implementation_of_its_definitions() -> None:
    table, distances = Wiring().of_shard(TRAINED), Grid().distances()
    for network in range(5):
        for epoch in range(2):
            weights = np.abs(TRAINED["weights"][network, epoch].to_numpy().astype(float))
            exists = weights > 0
            of_pairs = communicability(torch.from_numpy(weights)).numpy()  # arrays use different code
            expected = {
                "total_weight": weights.sum(),
                "weight_distance_correlation": np.corrcoef(weights[exists], distances[exists])[0, 1],
                "weighted_edge_length": np.average(distances, weights=weights),
                "weighted_edge_length_paper": np.mean(weights @ distances),
                "communicability": of_pairs.sum(),
                "mean_communicability": of_pairs.sum() / 9900,
            }
            for name, value in expected.items():
                np.testing.assert_allclose(table[name][network, epoch], value, rtol=1e-10, err_msg=name)  # float64 sums


def test_in_spatial_networks_of_the_authors_weights_fall_with_distance() -> None:
    weights = np.abs(BCT["weights"].astype(float))
    correlation = weight_distance_correlation(weights, Grid().distances())
    assert (correlation[1:5] < -0.2).all()  # seRNNs; the first one has almost no regularization
    assert (np.abs(correlation[5:]) < 0.1).all()  # five L1 networks


def test_correlation_is_nan_if_weights_or_lengths_do_not_vary() -> None:
    distances = Grid((3,)).distances()
    empty, equal = np.zeros((3, 3)), np.ones((3, 3))
    single = np.diag([1.0, 0, 0])
    non_finite = np.full((3, 3), np.nan)
    assert np.isnan(weight_distance_correlation(np.stack([empty, equal, single, non_finite]), distances)).all()


def test_modularity_is_measured_with_all_methods() -> None:
    table = Modularity().of_shard(TRAINED)
    # float32 in the shard, float64 in the reference
    np.testing.assert_allclose(table["modularity"].to_numpy().ravel(), BCT["modularity_und"], atol=1e-6)
    np.testing.assert_allclose(table["modularity_directed"].to_numpy().ravel(), BCT["modularity_dir"], atol=1e-6)
    assert "modularity_louvain" not in table
    few = TRAINED.isel(network=[2])
    louvain = Modularity(louvain=True).of_shard(few)["modularity_louvain"]
    expected = modularity(np.abs(few["weights"].to_numpy().astype(float)), "louvain")[0]
    np.testing.assert_array_equal(louvain, expected)


def test_diverged_networks_are_nan_and_do_not_affect_others() -> None:
    whole = TRAINED.isel(network=slice(4))
    weights = whole["weights"].to_numpy().copy()
    weights[1, 1] = np.nan
    weights[2, 0] = 0
    damaged = shard(weights)
    for analysis in ANALYSES:
        after, before = analysis.of_shard(damaged), analysis.of_shard(whole)
        for name in after.data_vars:
            assert np.isnan(after[name][1, 1])
            np.testing.assert_array_equal(after[name][3:], before[name][3:])
    assert float(Wiring().of_shard(damaged)["total_weight"][2, 0]) == 0
    assert float(Topology().of_shard(damaged)["efficiency"][2, 0]) == 0
    assert float(Entropy().of_shard(damaged)["communicability_entropy"][2, 0]) == 0
    assert np.isnan(Modularity().of_shard(damaged)["modularity"][2, 0])


def test_gates_are_summed() -> None:
    weights = np.random.default_rng(0).normal(size=(2, 1, 3, 4, 4))
    gated = xr.Dataset({"weights": (("network", "epoch", "gate", "pre", "post"), weights)})
    np.testing.assert_allclose(magnitudes(gated), np.abs(weights).sum(axis=2))
    gated["weights"][0, 0, 1, 2, 3] = np.nan
    assert np.isnan(magnitudes(gated)[0, 0, 2, 3])  # NaN in one gate is not ignored


def test_networks_that_reach_the_threshold_pass() -> None:
    accuracy = np.array([[0.1, 0.9], [0.5, 0.899], [0.2, np.nan]])
    scores = xr.Dataset(
        {"validation_accuracy": (("network", "epoch"), accuracy)}, {"strength": ("network", [1.0, 2.0, 3.0])}
    )
    assert PassRate().of_shard(scores)["passed"].to_numpy().tolist() == [[False, True], [False, False], [False, False]]
    assert PassRate(threshold=0.5).of_shard(scores)["passed"].to_numpy().sum() == 3
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="threshold must lie between 0 and 1"):
            PassRate(threshold=threshold)


@pytest.mark.parametrize("analysis", ANALYSES)
def test_every_measurement_has_a_name_and_a_unit_and_is_independent_of_the_batch(analysis: Measured) -> None:
    assert pickle.loads(pickle.dumps(analysis)) == analysis
    alone = analysis.of_shard(TRAINED.isel(network=[1], epoch=[1]))
    whole = analysis.of_shard(TRAINED.isel(network=[0, 1]))
    for name, values in alone.data_vars.items():
        assert values.attrs["long_name"], name
        assert values.attrs["units"] in ("1", "step", "bit"), name
        assert np.isfinite(values.item()), name
        assert float(whole[name][1, 1]) == pytest.approx(values.item(), rel=1e-13), name


# Small-worldness, topology, entropy


def test_small_worldness_is_measured_in_three_ways() -> None:
    table, weights = SmallWorldness().of_shard(TRAINED), np.abs(TRAINED["weights"].to_numpy().astype(float))
    np.testing.assert_array_equal(table["small_worldness"], small_worldness(weights))
    np.testing.assert_array_equal(table["small_worldness_paths"], small_worldness(weights, "paths"))
    propensity = small_world_propensity(weights)
    np.testing.assert_array_equal(table["small_world_propensity"], propensity.propensity)
    np.testing.assert_array_equal(table["clustering_deficit"], propensity.clustering_deficit)
    np.testing.assert_array_equal(table["length_excess"], propensity.length_excess)
    few = TRAINED.isel(network=[0], epoch=[1])
    degree = SmallWorldness(nulls="degree").of_shard(few)["small_worldness"].item()
    assert degree == float(small_worldness(weights[0, 1], nulls="degree"))
    with pytest.raises(ValueError, match="nulls must be density or degree, not 'strength'"):
        SmallWorldness(nulls="strength")  # type: ignore[arg-type]


def test_topology_equals_the_graph_measures() -> None:
    table = Topology().of_shard(TRAINED)
    np.testing.assert_allclose(table["efficiency"].to_numpy().ravel(), BCT["efficiency_weighted"], rtol=1e-6)
    matching = BCT["matching"].sum(axis=(-2, -1)) / 9900
    np.testing.assert_allclose(table["matching"].to_numpy().ravel(), matching, rtol=1e-12)
    mean_clustering = BCT["clustering_top10_directed"].mean(axis=-1)
    np.testing.assert_allclose(table["clustering"].to_numpy().ravel(), mean_clustering, rtol=1e-12)
    weights = np.abs(TRAINED["weights"][3, 1].to_numpy().astype(float))
    strongest = threshold_proportional(weights, 0.1) > 0
    off_diagonal = ~np.eye(100, dtype=bool)
    expected = {
        "efficiency": efficiency(weights),
        "efficiency_per_weight": efficiency(weights) / weights.sum(),
        "clustering_weighted": clustering(weights, weighted=True).mean(),
        "efficiency_binary": efficiency(strongest),
        "path_length": characteristic_path_length(strongest),
        "connected_pairs": np.isfinite(path_lengths(strongest))[off_diagonal].mean(),
        "clustering": clustering(strongest).mean(),
        "betweenness": betweenness(strongest).mean(),
        "assortativity": assortativity(strongest),
        "matching": matching_index(BCT["top5_union"][7])[off_diagonal].mean(),
    }
    assert set(expected) == set(table.data_vars)
    for name, value in expected.items():
        np.testing.assert_allclose(table[name][3, 1], value, rtol=1e-12, err_msg=name)
    with pytest.raises(ValueError, match="matching_density must be above 0 and at most 1, not 0"):
        Topology(matching_density=0)


def test_entropy_equals_a_slow_implementation_of_its_definitions() -> None:
    table = Entropy().of_shard(TRAINED)
    for network, epoch in ((0, 0), (4, 1)):
        signed = TRAINED["weights"][network, epoch].to_numpy().astype(float)
        values = np.linalg.eigvals(signed)
        fraction = np.abs(values) / np.abs(values).sum()
        expected = {
            "weight_entropy": shannon_entropy(np.abs(signed)),
            "communicability_entropy": shannon_entropy(communicability(np.abs(signed)) + _diagonal(np.abs(signed))),
            "log_spectral_abscissa": np.log(values.real.max()),
            "spectral_entropy": -(fraction * np.log2(fraction)).sum(),
        }
        assert set(expected) == set(table.data_vars)
        for name, value in expected.items():
            np.testing.assert_allclose(table[name][network, epoch], value, rtol=1e-10, err_msg=name)  # float64 sums


def _diagonal(weights: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    root = np.sqrt(weights.sum(axis=1))
    return np.diag(np.diagonal(expm(weights / np.outer(root, root))))


def test_the_log_spectral_abscissa_is_nan_if_no_eigenvalue_is_positive() -> None:
    table = Entropy().of_shard(shard(-np.eye(100)[None, None] * 0.5))
    assert np.isnan(table["log_spectral_abscissa"].item())
    assert table["spectral_entropy"].item() == pytest.approx(np.log2(100))
    assert table["weight_entropy"].item() == 0.0


def test_modularity_separates_the_authors_groups() -> None:
    quality, _ = modularity(np.abs(BCT["weights"].astype(float)))
    assert quality[:5].mean() > quality[5:].mean()


def test_binary_modularity_is_measured_on_the_strongest_connections() -> None:
    table = Modularity(binary_density=0.1).of_shard(TRAINED)
    expected, _ = modularity(BCT["top10"].astype(float).reshape(5, 2, 100, 100))
    np.testing.assert_allclose(table["modularity_binary"], expected, atol=1e-12)  # the same sums of whole numbers
    assert "modularity_binary" not in Modularity().of_shard(TRAINED)
    with pytest.raises(ValueError, match="binary_density must be above 0"):
        Modularity(binary_density=0.0)


def test_strict_networks_must_exceed_the_threshold() -> None:
    scores = xr.Dataset({"validation_accuracy": (("network", "epoch"), np.array([[0.9], [0.91]]))})
    assert PassRate().of_shard(scores)["passed"].to_numpy().tolist() == [[True], [True]]
    assert PassRate(strict=True).of_shard(scores)["passed"].to_numpy().tolist() == [[False], [True]]
