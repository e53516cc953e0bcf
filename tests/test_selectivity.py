from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr

from spatialnets.analyses.selectivity import Selectivity, correlation


def test_correlation_equals_that_of_scipy() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 3, 50))
    for a, b, r in zip(first, second, correlation(first, second), strict=True):
        assert r == pytest.approx(pearsonr(a, b).statistic, abs=1e-12)  # float64 sums in a different order


def test_correlation_is_nan_for_constant_or_non_finite_values() -> None:
    rows = np.array([[1.0, 1, 1], [1, 2, np.nan], [1, 2, 3]])
    assert np.isnan(correlation(rows, [1.0, 2.0, 4.0])).tolist() == [True, True, False]


def test_only_masked_values_are_correlated() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(2, 4, 30))
    mask = generator.random((4, 30)) < 0.5
    mask[3] = False
    second[1, ~mask[1]] = np.nan
    correlations = correlation(first, second, mask)
    for a, b, included, r in zip(first[:3], second[:3], mask[:3], correlations[:3], strict=True):
        assert r == pytest.approx(pearsonr(a[included], b[included]).statistic, abs=1e-12)
    assert np.isnan(correlations[3])


def test_each_window_has_its_own_correlation_across_units(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    explained = generator.uniform(size=(2, 1, 40, 3, 3)).astype(np.float32)  # network, epoch, unit, window, predictor
    explained[0, 0, :, 2, 0] = 1 - explained[0, 0, :, 2, 1]
    explained[1, 0, 4, 1, 0] = np.nan
    together = explained.sum(axis=-1)
    explained[0, 0, :5, 1], together[0, 0, :5, 1] = 0, 0  # silent in this window
    table = xr.Dataset(
        {
            "explained_variance": (("network", "epoch", "unit", "window", "predictor"), explained),
            "explained_variance_all": (("network", "epoch", "unit", "window"), together),
        },
        {
            "epoch": [9],
            "window": [0, 1, 2],
            "window_start": ("window", [0, 5, 10]),
            "predictor": ["goal", "choices", "correct"],
        },
    )
    monkeypatch.setattr("spatialnets.analyses.selectivity.load_or_decode", lambda *arguments: table)
    shard: Any = xr.Dataset(coords={"network": [3, 4]})
    result = Selectivity().of_shard(shard, {}, None)  # type: ignore[arg-type]
    r = result["selectivity_correlation"]
    assert float(r.sel(network=3, epoch=9, window=2)) == pytest.approx(-1)
    expected = pearsonr(explained[0, 0, :, 0, 0], explained[0, 0, :, 0, 1]).statistic
    assert float(r.sel(network=3, epoch=9, window=0)) == pytest.approx(expected, abs=1e-6)  # scipy uses float32 here
    assert np.isnan(r.sel(network=4, window=1))
    with_silent = result["selectivity_correlation_all"]
    for values, start in ((r, 5), (with_silent, 0)):
        expected = pearsonr(explained[0, 0, start:, 1, 0], explained[0, 0, start:, 1, 1]).statistic
        assert float(values.sel(network=3, epoch=9, window=1)) == pytest.approx(expected, abs=1e-6)
    assert float(with_silent.sel(network=3, epoch=9, window=1)) > float(r.sel(network=3, epoch=9, window=1)) + 0.05
    mean = result["mean_explained_variance"]
    assert mean.dims == ("network", "epoch", "window", "predictor")
    np.testing.assert_allclose(mean.sel(network=3, epoch=9), explained[0, 0].mean(axis=0), atol=1e-6)


def test_two_different_codes_are_required() -> None:
    with pytest.raises(ValueError, match="two different codes"):
        Selectivity(first="choices")
