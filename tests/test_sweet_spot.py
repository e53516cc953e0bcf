"""Maps over strength and epoch, and correlations between features."""

import numpy as np
import pytest
import xarray as xr

from spatialnets.report.features import FEATURES, LATE, MIDDLE, balance, feature_correlations, features
from spatialnets.report.sweet_spot import Thresholds, map_picture, sweet_spot

NETWORKS, EPOCHS = 100, 11


def example_table(order: np.ndarray | None = None) -> xr.Dataset:
    """Return small-world networks that learn up to 60 % of the strength, are sparse from epoch 4, modular from 30 %."""
    strength = np.linspace(0.01, 1, NETWORKS)[:, None]
    epoch = np.arange(EPOCHS)[None, :]
    full = np.ones((NETWORKS, EPOCHS))
    table = xr.Dataset(
        {
            name: (("network", "epoch"), values)
            for name, values in {
                "validation_accuracy": np.where(strength <= 0.6, 1.0, 0.6) * full,
                "total_weight": np.where(epoch < 4, 800.0, 100.0) * full,
                "modularity": np.where(strength >= 0.3, 0.5, 0.1) * full,
                "small_worldness": 2.0 * full,
                "weight_distance_correlation": -strength * full,
                "efficiency": strength**2 * full,
            }.items()
        },
        {
            "network": np.arange(NETWORKS),
            "group": ("network", ["sernn"] * NETWORKS),
            "strength": ("network", strength[:, 0]),
            "epoch": np.arange(EPOCHS),
        },
    )
    return table if order is None else table.isel(network=order)


def test_the_sweet_spot_is_found_in_any_order_of_networks() -> None:
    for order in (None, np.random.default_rng(0).permutation(NETWORKS)):
        spot = sweet_spot(example_table(order))
        assert spot is not None
        # 15 or 16 of 50 rows are between 30 and 60 %, and epochs 4 to 10 of 1 to 10 are sparse
        assert spot.area == pytest.approx(0.31 * 0.7, abs=0.02)
        assert spot.reach == pytest.approx((30.0, 60.0), abs=1.5)
        assert spot.first_epoch == 4
        assert not spot.inside[:, :3].any()


def test_maps_are_means_over_rows_and_start_at_epoch_one() -> None:
    table = example_table()
    spot = sweet_spot(table)
    assert spot is not None
    np.testing.assert_array_equal(spot.epochs, np.arange(1, 11))
    expected = table["weight_distance_correlation"].to_numpy().reshape(50, 2, EPOCHS).mean(axis=1)
    assert spot.maps["total_weight"].shape == expected[:, 1:].shape
    np.testing.assert_allclose(spot.percent, -100 * expected[:, 0], rtol=1e-12)  # the same means


def test_thresholds_move_the_border() -> None:
    empty = sweet_spot(example_table(), thresholds=Thresholds(small_worldness=2.5))
    assert empty is not None
    assert empty.area == 0
    assert empty.reach is None
    assert empty.first_epoch is None
    assert "no combination" in map_picture(empty).caption


def test_half_of_a_row_is_enough_and_less_is_not() -> None:
    table = example_table()
    table["validation_accuracy"][::2] = 0.6  # one of the two networks of each row
    half = sweet_spot(table)
    assert half is not None
    assert half.area > 0.2
    table["validation_accuracy"][::4] = table["validation_accuracy"][1::4] = 0.6
    fewer = sweet_spot(table)
    assert fewer is not None
    assert fewer.inside[::2].sum() == 0


def test_there_is_no_map_without_all_measures_epochs_networks_and_strengths() -> None:
    table = example_table()
    assert sweet_spot(table, "l1") is None
    assert sweet_spot(table.drop_vars("modularity")) is None
    assert sweet_spot(table.isel(epoch=[10])) is None
    assert sweet_spot(table.isel(network=slice(7))) is None
    assert sweet_spot(table.assign_coords(strength=("network", np.full(NETWORKS, np.nan)))) is None


def test_networks_that_diverged_are_left_out() -> None:
    table = example_table()
    for name in table.data_vars:
        table[name][40:42, 5:] = np.nan
    spot, complete = sweet_spot(table), sweet_spot(example_table())
    assert spot is not None
    assert complete is not None
    assert np.isfinite(spot.maps["modularity"]).all()
    assert spot.area == pytest.approx(complete.area, abs=0.02)


def by_window(table: xr.Dataset) -> dict[str, xr.Dataset]:
    """Return measurements in which goal explains less and choices more with strength, and the same at 40 %."""
    strength = table["strength"].to_numpy()
    windows = np.arange(10)
    drops = np.stack([0.8 - strength, strength], axis=-1)  # goal, choices
    explained = np.repeat(drops[:, None, None], 10, axis=2)
    r = np.repeat((0.4 - strength)[:, None, None], 10, axis=2)
    coordinates = {"epoch": [9], "window": windows, "window_start": ("window", 5 * windows)}
    p = np.repeat(np.stack([strength, 1 - strength], axis=-1)[:, None, None], 10, axis=2)
    return {
        "selectivity": xr.Dataset(
            {
                "mean_explained_variance": (("network", "epoch", "window", "predictor"), explained),
                "selectivity_correlation": (("network", "epoch", "window"), r),
            },
            {**coordinates, "predictor": ["goal", "choices"]},
        ),
        "spatial_coding": xr.Dataset(
            {"p": (("network", "epoch", "window", "code"), p)}, {**coordinates, "code": ["goal", "choices"]}
        ),
    }


def test_the_strength_at_which_codes_explain_the_same_is_found() -> None:
    table = example_table()
    picture, crossings = balance(table, by_window(table), sweet_spot(table))
    assert crossings == pytest.approx([40], abs=1.0)  # strengths are 1 % apart
    assert "40 % of the largest" in picture.caption
    assert set(picture.values) >= {f"goal, window {MIDDLE}", f"choices, window {LATE}", "Selectivity r"}
    assert len(picture.values) == 60  # networks that pass


def test_the_caption_says_that_codes_never_explain_the_same() -> None:
    table = example_table()
    stored = by_window(table)
    stored["selectivity"]["mean_explained_variance"][..., 0] = 2.0
    picture, crossings = balance(table, stored, None)
    assert crossings == []
    assert "at any strength" in picture.caption


def test_all_eleven_features_are_correlated_over_networks_that_pass() -> None:
    table = example_table()
    generator = np.random.default_rng(0)
    for name in ("total_weight", "modularity", "small_worldness"):
        table[name] = table[name] + 0.01 * generator.normal(size=table[name].shape)
    rows = features(table, by_window(table))
    assert list(rows) == [feature.label for feature in FEATURES]
    assert len(rows) == 60
    picture = feature_correlations(rows)
    r = picture.values.set_index("feature")
    assert r.loc["Strength", "corr(W, D)"] == pytest.approx(-1)
    assert r.loc["Strength", "p goal"] == pytest.approx(1)
    np.testing.assert_allclose(r.to_numpy(), np.corrcoef(rows.to_numpy().T), atol=1e-12)
    assert len(features(table, {}).columns) == 6  # those that need no recording
