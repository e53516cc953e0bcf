"""Effect sizes, intervals and tests."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from spatialnets.statistics.effects import (
    bootstrap,
    cohens_d,
    effect,
    false_discovery,
    hedges_g,
    mean_interval,
    rank_aligned_t,
)


def two_groups(seed: int, n: int = 20, m: int = 15, apart: float = 1.0) -> tuple[NDArray[Any], NDArray[Any]]:
    generator = np.random.default_rng(seed)
    return generator.normal(apart, 1.0, size=n), generator.normal(0.0, 1.0, size=m)


def test_hedges_g_agrees_with_the_usual_approximation() -> None:
    one, other = two_groups(0)
    pooled = np.sqrt((19 * one.var(ddof=1) + 14 * other.var(ddof=1)) / 33)
    shrunk = 1 - 3 / (4 * 33 - 1)  # the usual approximation to the ratio of gamma functions, good to 1e-4 here
    assert float(hedges_g(one, other)) == pytest.approx(shrunk * (one.mean() - other.mean()) / pooled, rel=2e-4)


def test_hedges_g_is_unbiased_and_cohens_d_is_not() -> None:
    generator = np.random.default_rng(1)
    one, other = generator.normal(0.8, 1, size=(40_000, 5)), generator.normal(0, 1, size=(40_000, 5))
    # the standard error of this mean of 40,000 is 0.004
    assert abs(hedges_g(one, other).mean() - 0.8) < 0.015
    assert cohens_d(one, other).mean() > 0.85


def test_the_interval_agrees_with_more_resamples() -> None:
    one, other = two_groups(2)
    low, high = bootstrap((one, other), hedges_g)
    expected = stats.bootstrap(
        (one, other), hedges_g, n_resamples=20_000, rng=np.random.default_rng(9)
    ).confidence_interval
    # ten times as many resamples from another seed: the limits differ by the error of 2,000 resamples
    np.testing.assert_allclose([low, high], [expected.low, expected.high], atol=0.08)


def test_measures_computed_together_equal_those_computed_alone() -> None:
    generator = np.random.default_rng(3)
    one, other = generator.normal(size=(3, 4, 12)), generator.normal(size=(3, 4, 12))
    for paired in (False, True):
        together = effect(one, other, paired)
        alone = effect(one[1, 2], other[1, 2], paired)
        for several, single in zip(together, alone, strict=True):
            np.testing.assert_allclose(several[1, 2], single, rtol=1e-12)  # sums in another order


def test_the_intervals_of_an_effect_are_those_of_its_statistics() -> None:
    one, other = two_groups(2)
    for paired, first in ((False, one), (True, one[:15])):
        result = effect(first, other, paired)
        assert float(result.g) == float(hedges_g(first, other))
        assert float(result.difference) == first.mean() - other.mean()
        limits = bootstrap((first, other), hedges_g, paired)
        np.testing.assert_allclose((result.low, result.high), limits, rtol=1e-12)
        limits = bootstrap((first, other), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), paired)
        np.testing.assert_allclose((result.difference_low, result.difference_high), limits, rtol=1e-12)


def test_intervals_cover_the_true_value_at_their_nominal_rate() -> None:
    generator = np.random.default_rng(4)
    one, other = generator.normal(0.7, 1, size=(400, 25)), generator.normal(0, 1, size=(400, 25))
    low, high = bootstrap((one, other), hedges_g)
    covered = ((low < 0.7) & (high > 0.7)).mean()
    assert 0.90 < covered < 0.985  # 0.95 with a standard error of 0.011


def test_p_is_uniform_if_groups_do_not_differ() -> None:
    generator = np.random.default_rng(5)
    one, other = generator.normal(size=(300, 10)), generator.normal(size=(300, 12))
    for paired, second in ((False, other), (True, other[:, :10])):
        p = effect(one, second, paired).p
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert abs((p < 0.05).mean() - 0.05) < 0.035


def test_p_keeps_its_level_if_the_smaller_group_varies_more() -> None:
    generator = np.random.default_rng(10)
    one, other = generator.normal(size=(400, 12)) * 2, generator.normal(size=(400, 36))
    # 0.05 with a standard error of 0.011
    assert (effect(one, other).p < 0.05).mean() < 0.085

    def difference(a: NDArray[Any], b: NDArray[Any], axis: int) -> Any:
        return a.mean(axis=axis) - b.mean(axis=axis)

    means = stats.permutation_test(
        (one, other), difference, n_resamples=999, axis=-1, vectorized=True, batch=100, rng=np.random.default_rng(0)
    )
    assert (means.pvalue < 0.05).mean() > 0.1


def test_p_agrees_with_a_t_test_for_normal_values() -> None:
    one, other = two_groups(6, apart=0.8)
    assert float(effect(one, other).p) == pytest.approx(stats.ttest_ind(one, other).pvalue, abs=0.01)
    assert float(effect(one[:15], other, paired=True).p) == pytest.approx(
        stats.ttest_rel(one[:15], other).pvalue, abs=0.015
    )


def test_pairing_removes_common_variance() -> None:
    generator = np.random.default_rng(7)
    common = 10 * generator.normal(size=20)
    one, other = common + 0.5, common + 0.1 * generator.normal(size=20)
    assert float(effect(one, other, paired=True).p) < 0.001
    assert float(effect(one, other).p) > 0.5
    assert float(effect(one, other, paired=True).g) == float(effect(one, other).g)


def test_too_few_or_constant_values_give_nan() -> None:
    for one, other in ((np.ones(1), np.zeros(5)), (np.empty(0), np.zeros(5))):
        assert all(np.isnan(entry) for entry in effect(one, other))
    constant = effect(np.ones(5), np.ones(6))
    assert np.isnan(constant.g)
    assert np.isnan(constant.low)
    assert mean_interval(np.ones(9)) is None
    assert mean_interval(np.ones(1)) is None


def test_the_false_discovery_rate_is_controlled() -> None:
    generator = np.random.default_rng(8)
    false_shares = []
    for _ in range(200):
        p = generator.uniform(size=60)
        p[:20] = generator.uniform(0, 1e-4, size=20)  # true effects
        significant = false_discovery(p) < 0.1
        false_shares.append(significant[20:].sum() / max(significant.sum(), 1))
    assert np.mean(false_shares) < 0.1
    assert np.isnan(false_discovery(np.full((2, 2), np.nan))).all()


def test_rank_aligned_t_pairs_networks_by_rank() -> None:
    one, other = two_groups(4, 40, 55)
    expected = stats.ttest_rel(one, other[:40])
    assert rank_aligned_t(one, other) == (float(expected.statistic), float(expected.pvalue))
    assert rank_aligned_t(other, one)[0] == -expected.statistic
