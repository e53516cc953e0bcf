from typing import Any

import numpy as np
import pytest
import xarray as xr

from spatialnets.analyses.functional_connectivity import FunctionalConnectivity, functional_connectivity
from spatialnets.analyses.selection import Recorded
from spatialnets.geometries import Grid
from spatialnets.networks.recording import Recording


def test_functional_connectivity_is_numpys_correlation_over_trials_and_steps() -> None:
    states = np.random.default_rng(0).normal(size=(20, 15, 6)).astype(np.float32)
    found = functional_connectivity(states)
    np.testing.assert_allclose(found, np.corrcoef(states.reshape(-1, 6).astype(float).T), atol=1e-12)  # float64 sums


def test_silent_and_broken_units_are_nan_and_disturb_nobody() -> None:
    states = np.random.default_rng(1).normal(size=(20, 15, 5))
    whole = functional_connectivity(states)
    states[:, :, 1], states[3, 4, 2] = 2.5, np.nan
    found = functional_connectivity(states)
    assert np.isnan(found[1:3]).all()
    assert np.isnan(found[:, 1:3]).all()
    kept = np.ix_([0, 3, 4], [0, 3, 4])
    np.testing.assert_allclose(found[kept], whole[kept], atol=1e-12)
    assert np.isnan(functional_connectivity(np.zeros((2, 3, 4)))).all()


def test_states_need_trials_time_and_units() -> None:
    with pytest.raises(ValueError, match="expected states"):
        functional_connectivity(np.zeros((5, 4)))


def measured(monkeypatch: pytest.MonkeyPatch, states: Any, weights: Any, geometry: Grid) -> xr.Dataset:
    shard = xr.Dataset(
        {
            "weights": (("network", "epoch", "pre", "post"), weights[None, None]),
            "distances": (("pre", "post"), geometry.distances()),
        },
        {"network": [0], "epoch": [9]},
    )
    monkeypatch.setattr(Recorded, "recordings", lambda self, shard, parts: iter([(0, Recording(states[None], ()))]))
    return FunctionalConnectivity().of_shard(shard, {}).sel(network=0, epoch=9)


def test_neighbours_on_a_line_that_act_together_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    # the activity of each unit is a smooth mixture, so that correlation falls with distance
    generator = np.random.default_rng(2)
    geometry = Grid((12,))
    nearness = np.exp(-geometry.distances())
    states = generator.normal(size=(40, 30, 12)) @ nearness
    weights = nearness * np.random.default_rng(3).choice([-1, 1], size=(12, 12))  # magnitudes count
    found = measured(monkeypatch, states, weights, geometry)
    assert float(found["functional_distance_correlation"]) < -0.6
    assert float(found["functional_weight_correlation"]) > 0.6
    pairs = np.triu_indices(12, 1)
    together = np.asarray(np.corrcoef(states.reshape(-1, 12).T))[pairs]
    wired = (np.abs(weights) + np.abs(weights.T))[pairs] / 2
    expected = np.corrcoef(together, wired)[0, 1]
    assert float(found["functional_weight_correlation"]) == pytest.approx(expected, abs=1e-10)
    assert float(found["mean_functional_connectivity"]) == pytest.approx(np.abs(together).mean(), abs=1e-10)
    assert float(found["silent_units"]) == 0


def test_both_directions_of_a_connection_count(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(4)
    states, weights = generator.normal(size=(10, 30, 6)), generator.normal(size=(6, 6))
    one = measured(monkeypatch, states, weights, Grid((6,)))
    other = measured(monkeypatch, states, weights.T, Grid((6,)))
    xr.testing.assert_allclose(one, other)


def test_silent_units_are_counted_and_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(5)
    states, weights = generator.normal(size=(10, 30, 6)), generator.normal(size=(6, 6))
    states[:, :, 5] = 0
    found = measured(monkeypatch, states, weights, Grid((6,)))
    without = measured(monkeypatch, states[..., :5], weights[:5, :5], Grid((5,)))
    assert float(found["silent_units"]) == 1
    for name in ("functional_distance_correlation", "functional_weight_correlation", "mean_functional_connectivity"):
        assert float(found[name]) == pytest.approx(float(without[name]))
    dead = measured(monkeypatch, np.zeros((10, 30, 6)), weights, Grid((6,)))
    assert float(dead["silent_units"]) == 6
    assert np.isnan(dead["functional_distance_correlation"])
    assert np.isnan(dead["mean_functional_connectivity"])
