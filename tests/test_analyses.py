from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr

from spatialnets.analyses import Modularity, PassRate, Wiring
from spatialnets.analyses.wiring import magnitudes, weight_distance_correlation
from spatialnets.geometries import Grid
from spatialnets.graph.communicability import communicability
from spatialnets.graph.modularity import modularity

BCT = np.load(Path(__file__).parent / "data" / "bct.npz")


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


TRAINED = shard(BCT["weights"].reshape(5, 2, 100, 100))


def test_wiring_is_what_a_slow_reading_of_its_definitions_gives() -> None:
    found, distances = Wiring().of_shard(TRAINED), Grid().distances()
    for network in range(5):
        for epoch in range(2):
            weights = np.abs(TRAINED["weights"][network, epoch].to_numpy().astype(float))
            exists = weights > 0
            price = communicability(torch.from_numpy(weights)).numpy()
            expected = {
                "total_weight": weights.sum(),
                "weight_distance_correlation": np.corrcoef(weights[exists], distances[exists])[0, 1],
                "weighted_edge_length": np.average(distances, weights=weights),
                "weighted_edge_length_paper": np.mean(weights @ distances),
                "communicability": price.sum(),
                "mean_communicability": price.sum() / 9900,
            }
            for name, value in expected.items():
                np.testing.assert_allclose(found[name][network, epoch], value, rtol=1e-10, err_msg=name)  # float64 sums


def test_spatial_networks_of_the_authors_prune_long_connections() -> None:
    weights = np.abs(BCT["weights"].astype(float))
    correlation = weight_distance_correlation(weights, Grid().distances())
    assert (correlation[1:5] < -0.2).all()  # seRNNs; the first one has no strength to speak of
    assert (np.abs(correlation[5:]) < 0.1).all()  # five L1 networks


def test_correlation_is_undefined_where_nothing_varies() -> None:
    distances = Grid((3,)).distances()
    nothing, equal = np.zeros((3, 3)), np.ones((3, 3))
    one = np.diag([1.0, 0, 0])
    bad = np.full((3, 3), np.nan)
    assert np.isnan(weight_distance_correlation(np.stack([nothing, equal, one, bad]), distances)).all()


def test_modularity_is_measured_both_ways() -> None:
    found = Modularity().of_shard(TRAINED)
    # float32 in the shard, float64 in the reference
    np.testing.assert_allclose(found["modularity"].to_numpy().ravel(), BCT["modularity_und"], atol=1e-6)
    np.testing.assert_allclose(found["modularity_directed"].to_numpy().ravel(), BCT["modularity_dir"], atol=1e-6)


def test_diverged_networks_have_no_measurements_and_disturb_nobody() -> None:
    weights = TRAINED["weights"].to_numpy().copy()
    weights[1, 1] = np.nan
    weights[2, 0] = 0
    damaged = shard(weights)
    for analysis in (Wiring(), Modularity()):
        found, before = analysis.of_shard(damaged), analysis.of_shard(TRAINED)
        for name in found.data_vars:
            assert np.isnan(found[name][1, 1])
            np.testing.assert_array_equal(found[name][3:], before[name][3:])
    assert float(Wiring().of_shard(damaged)["total_weight"][2, 0]) == 0
    assert np.isnan(Modularity().of_shard(damaged)["modularity"][2, 0])


def test_gates_are_summed() -> None:
    weights = np.random.default_rng(0).normal(size=(2, 1, 3, 4, 4))
    gated = xr.Dataset({"weights": (("network", "epoch", "gate", "pre", "post"), weights)})
    np.testing.assert_allclose(magnitudes(gated), np.abs(weights).sum(axis=2))


def test_passing_is_reaching_the_threshold() -> None:
    accuracy = np.array([[0.1, 0.9], [0.5, 0.899], [0.2, np.nan]])
    scores = xr.Dataset(
        {"validation_accuracy": (("network", "epoch"), accuracy)}, {"strength": ("network", [1.0, 2.0, 3.0])}
    )
    assert PassRate().of_shard(scores)["passed"].to_numpy().tolist() == [[False, True], [False, False], [False, False]]
    assert PassRate(threshold=0.5).of_shard(scores)["passed"].to_numpy().sum() == 3
    for threshold in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="threshold must be between 0 and 1"):
            PassRate(threshold=threshold)


@pytest.mark.parametrize("measure", [Wiring().of_shard, Modularity().of_shard])
def test_every_measurement_says_what_it_is(measure: Callable[[xr.Dataset], xr.Dataset]) -> None:
    for name, values in measure(TRAINED.isel(network=[0], epoch=[0])).data_vars.items():
        assert values.attrs["long_name"], name
        assert values.attrs["units"] in ("1", "step"), name


def test_modularity_separates_the_authors_groups() -> None:
    quality, _ = modularity(np.abs(BCT["weights"].astype(float)))
    assert quality[:5].mean() > quality[5:].mean()
