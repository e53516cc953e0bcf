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


def two(seed: int, n: int = 20, m: int = 15, apart: float = 1.0) -> tuple[NDArray[Any], NDArray[Any]]:
    generator = np.random.default_rng(seed)
    return generator.normal(apart, 1.0, size=n), generator.normal(0.0, 1.0, size=m)


def test_g_is_the_difference_in_pooled_standard_deviations_shrunk_a_little() -> None:
    one, other = two(0)
    pooled = np.sqrt((19 * one.var(ddof=1) + 14 * other.var(ddof=1)) / 33)
    shrunk = 1 - 3 / (4 * 33 - 1)  # the usual approximation to the ratio of gamma functions, good to 1e-4 here
    assert float(hedges_g(one, other)) == pytest.approx(shrunk * (one.mean() - other.mean()) / pooled, rel=2e-4)


def test_g_is_without_bias_where_d_is_not() -> None:
    generator = np.random.default_rng(1)
    one, other = generator.normal(0.8, 1, size=(40_000, 5)), generator.normal(0, 1, size=(40_000, 5))
    # the standard error of a mean of 40,000 is 0.004
    assert abs(hedges_g(one, other).mean() - 0.8) < 0.015
    assert cohens_d(one, other).mean() > 0.85


def test_the_interval_is_that_of_scipy() -> None:
    one, other = two(2)
    low, high = bootstrap((one, other), hedges_g)
    found = stats.bootstrap(
        (one, other), hedges_g, n_resamples=20_000, rng=np.random.default_rng(9)
    ).confidence_interval
    # another draw, ten times as many: ends differ by the error of the smaller one
    np.testing.assert_allclose([low, high], [found.low, found.high], atol=0.08)


def test_many_measures_at_once_are_each_by_itself() -> None:
    generator = np.random.default_rng(3)
    one, other = generator.normal(size=(3, 4, 12)), generator.normal(size=(3, 4, 12))
    for paired in (False, True):
        together = effect(one, other, paired)
        alone = effect(one[1, 2], other[1, 2], paired)
        for all_, single in zip(together, alone, strict=True):
            np.testing.assert_allclose(all_[1, 2], single, rtol=1e-12)


def test_an_effect_has_the_intervals_of_its_parts() -> None:
    one, other = two(2)
    for paired, first in ((False, one), (True, one[:15])):
        found = effect(first, other, paired)
        assert float(found.g) == float(hedges_g(first, other))
        assert float(found.difference) == first.mean() - other.mean()
        ends = bootstrap((first, other), hedges_g, paired)
        assert (float(found.low), float(found.high)) == pytest.approx([float(end) for end in ends], rel=1e-12)
        ends = bootstrap((first, other), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis), paired)
        said = (float(found.difference_low), float(found.difference_high))
        assert said == pytest.approx([float(end) for end in ends], rel=1e-12)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(4)
    one, other = generator.normal(0.7, 1, size=(400, 25)), generator.normal(0, 1, size=(400, 25))
    low, high = bootstrap((one, other), hedges_g)
    held = ((low < 0.7) & (high > 0.7)).mean()
    assert 0.90 < held < 0.985  # 0.95, with a standard error of 0.011


def test_p_is_uniform_where_nothing_differs() -> None:
    generator = np.random.default_rng(5)
    one, other = generator.normal(size=(300, 10)), generator.normal(size=(300, 12))
    for paired, second in ((False, other), (True, other[:, :10])):
        p = effect(one, second, paired).p
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert abs((p < 0.05).mean() - 0.05) < 0.035


def test_p_is_honest_where_the_smaller_group_varies_more() -> None:
    generator = np.random.default_rng(10)
    one, other = generator.normal(size=(400, 12)) * 2, generator.normal(size=(400, 36))
    # 0.05, with a standard error of 0.011
    assert (effect(one, other).p < 0.05).mean() < 0.085

    def difference(a: NDArray[Any], b: NDArray[Any], axis: int) -> Any:
        return a.mean(axis=axis) - b.mean(axis=axis)

    means = stats.permutation_test(
        (one, other), difference, n_resamples=999, axis=-1, vectorized=True, batch=100, rng=np.random.default_rng(0)
    )
    assert (means.pvalue < 0.05).mean() > 0.1


def test_p_is_that_of_a_t_test_where_values_are_normal() -> None:
    one, other = two(6, apart=0.8)
    assert float(effect(one, other).p) == pytest.approx(stats.ttest_ind(one, other).pvalue, abs=0.01)
    assert float(effect(one[:15], other, paired=True).p) == pytest.approx(
        stats.ttest_rel(one[:15], other).pvalue, abs=0.015
    )


def test_pairs_are_told_apart_from_groups() -> None:
    generator = np.random.default_rng(7)
    common = 10 * generator.normal(size=20)
    one, other = common + 0.5, common + 0.1 * generator.normal(size=20)
    assert float(effect(one, other, paired=True).p) < 0.001
    assert float(effect(one, other).p) > 0.5
    assert float(effect(one, other, paired=True).g) == float(effect(one, other).g)


def test_too_few_or_all_alike_is_no_effect() -> None:
    for one, other in ((np.ones(1), np.zeros(5)), (np.empty(0), np.zeros(5))):
        assert all(np.isnan(part) for part in effect(one, other))
    alike = effect(np.ones(5), np.ones(6))
    assert np.isnan(alike.g)
    assert np.isnan(alike.low)
    assert mean_interval(np.ones(9)) is None
    assert mean_interval(np.ones(1)) is None


def test_false_discoveries_are_held_down() -> None:
    generator = np.random.default_rng(8)
    wrong = []
    for _ in range(200):
        p = generator.uniform(size=60)
        p[:20] = generator.uniform(0, 1e-4, size=20)  # true ones
        found = false_discovery(p) < 0.1
        wrong.append(found[20:].sum() / max(found.sum(), 1))
    assert np.mean(wrong) < 0.1
    assert np.isnan(false_discovery(np.full((2, 2), np.nan))).all()


def test_the_test_of_the_papers_code_pairs_networks_by_rank() -> None:
    one, other = two(4, 40, 55)
    known = stats.ttest_rel(one, other[:40])
    assert rank_aligned_t(one, other) == (float(known.statistic), float(known.pvalue))
    assert rank_aligned_t(other, one)[0] == -known.statistic
