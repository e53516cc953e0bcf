from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

from spatialnets.analyses.decoding import Decoding
from spatialnets.analyses.spatial_coding import SpatialCoding, _random_orders, spatial_spread
from spatialnets.geometries import Grid

DISTANCES = Grid().distances()


def orders(seed: int, sets: int = 1000) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(100), (sets, 1)), axis=1)


# Reference: a slow implementation of the definition


def test_spread_equals_a_slow_implementation_of_its_definition() -> None:
    generator = np.random.default_rng(0)
    drawn = orders(1, sets=200)
    for size in (2, 30, 70, 100):
        units = generator.permutation(100)[:size]
        loads = generator.uniform(size=size)

        def spread(chosen: Any, loads: Any = loads) -> float:
            return float(np.mean(DISTANCES[np.ix_(chosen, chosen)] * loads[:, None]))

        expected = np.mean([spread(units) > spread(order[:size]) for order in drawn])
        assert spatial_spread(DISTANCES, units, drawn, loads) == expected


# Random sets


def test_p_is_uniform_for_random_sets() -> None:
    generator = np.random.default_rng(2)
    values = []
    for network in range(300):
        preference = generator.normal(size=100)
        units = np.flatnonzero(preference > 0)
        values.append(spatial_spread(DISTANCES, units, orders(1000 + network, 200), np.abs(preference[units])))
    assert kstest(values, "uniform").pvalue > 0.01  # a fixed seed; one in a hundred would fail
    assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.04)  # three standard errors


def test_p_is_near_0_for_a_cluster_and_near_1_for_a_spread_out_set() -> None:
    positions = Grid().positions()
    near = np.argsort(np.linalg.norm(positions - positions[0], axis=1))[:20]
    far = np.argsort(-np.linalg.norm(positions - positions.mean(axis=0), axis=1))[:20]
    loads = np.random.default_rng(0).uniform(0.5, 1, size=20)
    for weights in (None, loads):
        assert spatial_spread(DISTANCES, near, orders(3), weights) < 0.005
        assert spatial_spread(DISTANCES, far, orders(3), weights) > 0.995


def test_each_load_weights_its_own_unit() -> None:
    # five central units and five corners: loading the centre reduces the spread, loading the corners increases it
    positions = Grid().positions()
    order = np.argsort(np.linalg.norm(positions - positions.mean(axis=0), axis=1))
    units = np.concatenate([order[:5], order[-5:]])
    drawn = orders(4)
    centre = spatial_spread(DISTANCES, units, drawn, np.repeat([1.0, 0.01], 5))
    rim = spatial_spread(DISTANCES, units, drawn, np.repeat([0.01, 1.0], 5))
    assert centre < 0.3 < 0.7 < rim


def test_p_is_nan_if_only_one_set_is_possible() -> None:
    assert np.isnan(spatial_spread(DISTANCES, [], orders(0, 10)))
    assert np.isnan(spatial_spread(DISTANCES, [4], orders(0, 10)))
    assert np.isnan(spatial_spread(DISTANCES, range(100), orders(0, 10)))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spatial_spread(DISTANCES[:5], [1, 2], orders(0, 5)), "expected distances"),
        (lambda: spatial_spread(DISTANCES, [1, 2], orders(0, 5)[:, :50]), "expected distances"),
        (lambda: spatial_spread(DISTANCES, [1, 2], orders(0, 5), [1.0]), "one load per unit"),
        (lambda: SpatialCoding(sets=0), "sets must be 1 or more"),
        (lambda: SpatialCoding(top=1), "top must be 2 or more"),
        (lambda: SpatialCoding(second="goal"), "two different codes"),
    ],
)
def test_invalid_settings_and_inputs_are_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


# The analysis of given explained variances


def measure(monkeypatch: pytest.MonkeyPatch, explained: np.ndarray[Any, Any], **fields: Any) -> xr.Dataset:
    """Measure networks with given explained variances, ``(network, unit, window, predictor)``."""
    n_networks, n_windows = explained.shape[0], explained.shape[2]
    table = xr.Dataset(
        {"explained_variance": (("network", "epoch", "unit", "window", "predictor"), explained[:, None])},
        {
            "network": np.arange(n_networks),
            "epoch": [9],
            "window": np.arange(n_windows),
            "window_start": ("window", 5 * np.arange(n_windows)),
            "predictor": ["correct", "choices", "goal"],
        },
    )
    monkeypatch.setattr("spatialnets.analyses.spatial_coding.load_or_decode", lambda *arguments: table)
    shard = xr.Dataset(
        {"distances": (("pre", "post"), DISTANCES)},
        {"network": np.arange(n_networks), "epoch": [9], "seed": ("network", 10 + np.arange(n_networks))},
        attrs={"group": "sernn"},
    )
    return SpatialCoding(**fields).of_shard(shard, {}, Decoding())  # type: ignore[arg-type]


POSITIONS = Grid().positions()
CORNER = np.linalg.norm(POSITIONS - POSITIONS[0], axis=1) < 3.1
RIM = np.linalg.norm(POSITIONS - POSITIONS.mean(axis=0), axis=1) > 2.6


def test_planted_clusters_and_spread_out_codes_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    explained = generator.uniform(0, 0.1, size=(3, 100, 2, 3))
    explained[0, CORNER, 1, 2] += 0.5  # units that represent the goal
    explained[1, RIM, 1, 1] += 0.5  # units that represent the choices
    explained[2, 5] = np.nan
    table = measure(monkeypatch, explained, top=int(min(CORNER.sum(), RIM.sum())))
    assert table["p"].dims == ("network", "epoch", "window", "code")
    assert table["code"].to_numpy().tolist() == ["goal", "choices"]
    for name in ("p", "p_top"):
        p = table[name].sel(epoch=9)
        assert float(p.sel(network=0, window=1, code="goal")) < 0.02
        assert float(p.sel(network=1, window=1, code="choices")) > 0.98
        unplanted = p.sel(window=0).to_numpy()[:2]
        assert unplanted.min() > 0.02
        assert unplanted.max() < 0.98
        assert np.isnan(p.sel(network=2)).all()


def test_preferences_use_magnitudes_unless_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = np.zeros((1, 100, 1, 3))
    explained[0, CORNER, 0, 2] = -0.5  # with magnitudes, as in the code, negative values count like positive ones
    explained[0, ~CORNER, 0, 1] = 0.2
    table = measure(monkeypatch, explained)
    assert float(table["p"].sel(network=0, epoch=9, window=0, code="goal")) < 0.01
    assert np.isnan(table["p_top"].sel(network=0, epoch=9, window=0, code="goal"))  # none is above zero
    signed = measure(monkeypatch, explained, signed=True)["p"].sel(network=0, epoch=9, window=0)
    assert np.isnan(signed.sel(code="goal"))  # all units prefer the choices


def test_the_preference_of_a_unit_is_its_load(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = np.random.default_rng(5).uniform(size=(1, 100, 2, 3))
    table = measure(monkeypatch, explained)["p"].sel(network=0, epoch=9)
    for window in range(2):
        preference = explained[0, :, window, 2] - explained[0, :, window, 1]
        for code, side in (("goal", preference > 0), ("choices", preference < 0)):
            units, drawn = np.flatnonzero(side), _random_orders(10, window, 1000, 100)
            expected = spatial_spread(DISTANCES, units, drawn, np.abs(preference[side]))
            assert float(table.sel(window=window, code=code)) == expected
            assert expected != spatial_spread(DISTANCES, units, drawn)


def test_units_without_explained_variance_are_not_in_the_top_set(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = np.zeros((1, 100, 1, 3))
    units = np.random.default_rng(1).permutation(100)[:12]
    explained[0, units, 0, 1] = 0.3
    table = measure(monkeypatch, explained)
    expected = spatial_spread(DISTANCES, np.sort(units), _random_orders(10, 0, 1000, 100))
    assert float(table["p_top"].sel(network=0, epoch=9, window=0, code="choices")) == expected


def test_random_sets_depend_only_on_seed_and_window() -> None:
    np.testing.assert_array_equal(_random_orders(3, 1, 5, 20), _random_orders(3, 1, 5, 20))
    assert not np.array_equal(_random_orders(3, 1, 5, 20), _random_orders(3, 2, 5, 20))
    assert not np.array_equal(_random_orders(3, 1, 5, 20), _random_orders(4, 1, 5, 20))
    assert (np.sort(_random_orders(3, 1, 5, 20), axis=1) == np.arange(20)).all()
