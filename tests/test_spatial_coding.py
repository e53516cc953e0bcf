from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import kstest

from spatialnets.analyses.decoding import Decoding
from spatialnets.analyses.spatial_coding import SpatialCoding, _orders, spatial_spread
from spatialnets.geometries import Grid

DISTANCES = Grid().distances()


def orders(seed: int, sets: int = 1000) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(100), (sets, 1)), axis=1)


# Oracle: the definition, read slowly


def test_spread_is_what_a_slow_reading_of_its_definition_gives() -> None:
    generator = np.random.default_rng(0)
    drawn = orders(1, sets=200)
    for size in (2, 30, 70, 100):
        units = generator.permutation(100)[:size]
        loads = generator.uniform(size=size)

        def spread(chosen: Any, loads: Any = loads) -> float:
            return float(np.mean(DISTANCES[np.ix_(chosen, chosen)] * loads[:, None]))

        expected = np.mean([spread(units) > spread(order[:size]) for order in drawn])
        assert spatial_spread(DISTANCES, units, drawn, loads) == expected


# Under chance


def test_of_sets_drawn_by_chance_p_is_uniform() -> None:
    generator = np.random.default_rng(2)
    found = []
    for network in range(300):
        preference = generator.normal(size=100)
        units = np.flatnonzero(preference > 0)
        found.append(spatial_spread(DISTANCES, units, orders(1000 + network, 200), np.abs(preference[units])))
    assert kstest(found, "uniform").pvalue > 0.01  # a fixed draw; one in a hundred would fail
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.04)  # three standard errors


def test_a_cluster_has_p_near_zero_and_a_spread_out_set_near_one() -> None:
    positions = Grid().positions()
    near = np.argsort(np.linalg.norm(positions - positions[0], axis=1))[:20]
    far = np.argsort(-np.linalg.norm(positions - positions.mean(axis=0), axis=1))[:20]
    loads = np.random.default_rng(0).uniform(0.5, 1, size=20)
    for weights in (None, loads):
        assert spatial_spread(DISTANCES, near, orders(3), weights) < 0.005
        assert spatial_spread(DISTANCES, far, orders(3), weights) > 0.995


def test_loads_count_at_their_own_place() -> None:
    # one unit in the centre of a cluster of corners: loading it draws the set together, loading the others apart
    positions = Grid().positions()
    order = np.argsort(np.linalg.norm(positions - positions.mean(axis=0), axis=1))
    units = np.concatenate([order[:5], order[-5:]])
    drawn = orders(4)
    centre = spatial_spread(DISTANCES, units, drawn, np.repeat([1.0, 0.01], 5))
    rim = spatial_spread(DISTANCES, units, drawn, np.repeat([0.01, 1.0], 5))
    assert centre < 0.3 < 0.7 < rim


def test_a_set_without_any_choice_has_no_p() -> None:
    assert np.isnan(spatial_spread(DISTANCES, [], orders(0, 10)))
    assert np.isnan(spatial_spread(DISTANCES, [4], orders(0, 10)))
    assert np.isnan(spatial_spread(DISTANCES, range(100), orders(0, 10)))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: spatial_spread(DISTANCES[:5], [1, 2], orders(0, 5)), "expected distances"),
        (lambda: spatial_spread(DISTANCES, [1, 2], orders(0, 5)[:, :50]), "expected distances"),
        (lambda: spatial_spread(DISTANCES, [1, 2], orders(0, 5), [1.0]), "one load per unit"),
        (lambda: SpatialCoding(sets=0), "sets must be 1 or more"),
        (lambda: SpatialCoding(top=1), "top must be 2 or more"),
        (lambda: SpatialCoding(second="goal"), "two codes"),
    ],
)
def test_tests_that_cannot_be_are_refused(call: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        call()


# The analysis, on planted explained variances


def planted(monkeypatch: pytest.MonkeyPatch, explained: np.ndarray[Any, Any], **words: Any) -> xr.Dataset:
    """Measure networks whose explained variances are given, ``(network, unit, window, predictor)``."""
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
    monkeypatch.setattr("spatialnets.analyses.spatial_coding.decoded", lambda *arguments: table)
    shard = xr.Dataset(
        {"distances": (("pre", "post"), DISTANCES)},
        {"network": np.arange(n_networks), "epoch": [9], "seed": ("network", 10 + np.arange(n_networks))},
        attrs={"group": "sernn"},
    )
    return SpatialCoding(**words).of_shard(shard, {}, Decoding())  # type: ignore[arg-type]


POSITIONS = Grid().positions()
CORNER = np.linalg.norm(POSITIONS - POSITIONS[0], axis=1) < 3.1
RIM = np.linalg.norm(POSITIONS - POSITIONS.mean(axis=0), axis=1) > 2.6


def test_planted_clusters_and_spread_out_codes_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    explained = generator.uniform(0, 0.1, size=(3, 100, 2, 3))
    explained[0, CORNER, 1, 2] += 0.5  # units of the goal
    explained[1, RIM, 1, 1] += 0.5  # units of the choices
    explained[2, 5] = np.nan
    found = planted(monkeypatch, explained, top=int(min(CORNER.sum(), RIM.sum())))
    assert found["p"].dims == ("network", "epoch", "window", "code")
    assert found["code"].to_numpy().tolist() == ["goal", "choices"]
    for name in ("p", "p_top"):
        p = found[name].sel(epoch=9)
        assert float(p.sel(network=0, window=1, code="goal")) < 0.02
        assert float(p.sel(network=1, window=1, code="choices")) > 0.98
        elsewhere = p.sel(window=0).to_numpy()[:2]  # where nothing was planted
        assert elsewhere.min() > 0.02
        assert elsewhere.max() < 0.98
        assert np.isnan(p.sel(network=2)).all()


def test_preferences_are_of_magnitudes(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = np.zeros((1, 100, 1, 3))
    explained[0, CORNER, 0, 2] = -0.5  # as coded, a negative drop is as good as a positive one
    explained[0, ~CORNER, 0, 1] = 0.2
    found = planted(monkeypatch, explained)
    assert float(found["p"].sel(network=0, epoch=9, window=0, code="goal")) < 0.01
    assert np.isnan(found["p_top"].sel(network=0, epoch=9, window=0, code="goal"))  # none is above zero
    as_written = planted(monkeypatch, explained, signed=True)["p"].sel(network=0, epoch=9, window=0)
    assert np.isnan(as_written.sel(code="goal"))  # all of them prefer the choices


def test_the_preference_of_a_unit_is_its_load(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = np.random.default_rng(5).uniform(size=(1, 100, 2, 3))
    found = planted(monkeypatch, explained)["p"].sel(network=0, epoch=9)
    for window in range(2):
        preference = explained[0, :, window, 2] - explained[0, :, window, 1]
        for code, side in (("goal", preference > 0), ("choices", preference < 0)):
            units, drawn = np.flatnonzero(side), _orders(10, window, 1000, 100)
            expected = spatial_spread(DISTANCES, units, drawn, np.abs(preference[side]))
            assert float(found.sel(window=window, code=code)) == expected
            assert expected != spatial_spread(DISTANCES, units, drawn)


def test_units_that_tell_nothing_are_not_among_the_top(monkeypatch: pytest.MonkeyPatch) -> None:
    explained = np.zeros((1, 100, 1, 3))
    chosen = np.random.default_rng(1).permutation(100)[:12]
    explained[0, chosen, 0, 1] = 0.3
    found = planted(monkeypatch, explained)
    expected = spatial_spread(DISTANCES, np.sort(chosen), _orders(10, 0, 1000, 100))
    assert float(found["p_top"].sel(network=0, epoch=9, window=0, code="choices")) == expected


def test_random_sets_depend_on_seed_and_window_alone() -> None:
    np.testing.assert_array_equal(_orders(3, 1, 5, 20), _orders(3, 1, 5, 20))
    assert not np.array_equal(_orders(3, 1, 5, 20), _orders(3, 2, 5, 20))
    assert not np.array_equal(_orders(3, 1, 5, 20), _orders(4, 1, 5, 20))
    assert (np.sort(_orders(3, 1, 5, 20), axis=1) == np.arange(20)).all()
