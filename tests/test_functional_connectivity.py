from typing import Any

import numpy as np
import pytest
import xarray as xr

from spatialnets.analyses.functional_connectivity import FunctionalConnectivity, functional_connectivity
from spatialnets.analyses.selection import RecordingAnalysis
from spatialnets.geometries import Grid
from spatialnets.networks.recording import Recording


def test_functional_connectivity_equals_numpys_correlation_over_trials_and_steps() -> None:
    states = np.random.default_rng(0).normal(size=(20, 15, 6)).astype(np.float32)
    expected = np.corrcoef(states.reshape(-1, 6).astype(float).T)
    np.testing.assert_allclose(functional_connectivity(states), expected, atol=1e-12)  # float64 sums


def test_silent_and_non_finite_units_are_nan_and_do_not_affect_others() -> None:
    states = np.random.default_rng(1).normal(size=(20, 15, 5))
    whole = functional_connectivity(states)
    states[:, :, 1], states[3, 4, 2] = 2.5, np.nan
    connectivity = functional_connectivity(states)
    assert np.isnan(connectivity[1:3]).all()
    assert np.isnan(connectivity[:, 1:3]).all()
    kept = np.ix_([0, 3, 4], [0, 3, 4])
    np.testing.assert_allclose(connectivity[kept], whole[kept], atol=1e-12)
    assert np.isnan(functional_connectivity(np.zeros((2, 3, 4)))).all()


def test_states_must_have_three_dimensions() -> None:
    with pytest.raises(ValueError, match="expected states"):
        functional_connectivity(np.zeros((5, 4)))


def measure(monkeypatch: pytest.MonkeyPatch, states: Any, weights: Any, geometry: Grid) -> xr.Dataset:
    shard = xr.Dataset(
        {
            "weights": (("network", "epoch", "pre", "post"), weights[None, None]),
            "distances": (("pre", "post"), geometry.distances()),
        },
        {"network": [0], "epoch": [9]},
    )
    monkeypatch.setattr(
        RecordingAnalysis, "recordings", lambda self, shard, setups: iter([(0, Recording(states[None], ()))])
    )
    return FunctionalConnectivity().of_shard(shard, {}).sel(network=0, epoch=9)


def test_correlations_that_fall_with_distance_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    # each unit mixes the activity of its neighbours, so that correlation falls with distance
    generator = np.random.default_rng(2)
    geometry = Grid((12,))
    proximity = np.exp(-geometry.distances())
    states = generator.normal(size=(40, 30, 12)) @ proximity
    weights = proximity * np.random.default_rng(3).choice([-1, 1], size=(12, 12))  # magnitudes count
    table = measure(monkeypatch, states, weights, geometry)
    assert float(table["functional_distance_correlation"]) < -0.6
    assert float(table["functional_weight_correlation"]) > 0.6
    pairs = np.triu_indices(12, 1)
    connectivity = np.asarray(np.corrcoef(states.reshape(-1, 12).T))[pairs]
    weight = (np.abs(weights) + np.abs(weights.T))[pairs] / 2
    expected = np.corrcoef(connectivity, weight)[0, 1]
    assert float(table["functional_weight_correlation"]) == pytest.approx(expected, abs=1e-10)
    assert float(table["mean_functional_connectivity"]) == pytest.approx(np.abs(connectivity).mean(), abs=1e-10)
    assert float(table["silent_units"]) == 0


def test_both_directions_of_a_connection_count(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    states, weights = generator.normal(size=(10, 30, 6)), generator.normal(size=(6, 6))
    original = measure(monkeypatch, states, weights, Grid((6,)))
    transposed = measure(monkeypatch, states, weights.T, Grid((6,)))
    xr.testing.assert_allclose(original, transposed)


def test_silent_units_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    states, weights = generator.normal(size=(10, 30, 6)), generator.normal(size=(6, 6))
    states[:, :, 5] = 0
    table = measure(monkeypatch, states, weights, Grid((6,)))
    without = measure(monkeypatch, states[..., :5], weights[:5, :5], Grid((5,)))
    assert float(table["silent_units"]) == 1
    for name in ("functional_distance_correlation", "functional_weight_correlation", "mean_functional_connectivity"):
        assert float(table[name]) == pytest.approx(float(without[name]))
    silent = measure(monkeypatch, np.zeros((10, 30, 6)), weights, Grid((6,)))
    assert float(silent["silent_units"]) == 6
    assert np.isnan(silent["functional_distance_correlation"])
    assert np.isnan(silent["mean_functional_connectivity"])
