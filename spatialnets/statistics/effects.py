"""Means, effect sizes and tests with intervals. Networks are resampled, never epochs or units."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from spatialnets.aliases import FloatArray

__all__ = [
    "Effect",
    "bootstrap",
    "cohens_d",
    "effect",
    "false_discovery",
    "hedges_g",
    "mean_interval",
    "rank_aligned_t",
]

N_RESAMPLES = 2000  # the limits of a 95 % interval are then accurate to about 3 % of its width
N_PERMUTATIONS = 4999  # the smallest two-sided p is 0.0004
SEED = 20231120  # fixed (the date of the paper), so that the same data give the same interval
BATCH_VALUES = 2**22  # values in a batch of resamples: 32 MB


class Effect(NamedTuple):
    """The difference between two groups, as an effect size and in the unit of the values.

    Parameters
    ----------
    g, low, high
        Hedges' g, first minus second, and its 95 % interval.
    difference, difference_low, difference_high
        Difference of the means, in the unit of the values, and its 95 % interval.
    p
        Two-sided p of a permutation test.
    """

    g: FloatArray
    low: FloatArray
    high: FloatArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    p: FloatArray


def cohens_d(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    r"""Return Cohen's d with the paper's pooled variance, :math:`(\bar a - \bar b) / \sqrt{(s_a^2 + s_b^2) / 2}`.

    Parameters
    ----------
    one, other
        Values of two groups.
    axis
        Axis of the networks.

    Examples
    --------
    >>> float(cohens_d(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0])))
    1.0
    """
    variance = (one.var(axis=axis, ddof=1) + other.var(axis=axis, ddof=1)) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one.mean(axis=axis) - other.mean(axis=axis)) / np.sqrt(variance))


def hedges_g(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    r"""Return Hedges' g: the difference of two means in pooled standard deviations, unbiased for small groups.

    .. math:: g = J \, \frac{\bar a - \bar b}{s}, \quad
              s^2 = \frac{(n_a - 1) s_a^2 + (n_b - 1) s_b^2}{\nu}, \quad
              J = \frac{\Gamma(\nu / 2)}{\sqrt{\nu / 2} \, \Gamma((\nu - 1) / 2)}, \quad \nu = n_a + n_b - 2

    Parameters
    ----------
    one, other
        Values of two groups, two or more each.
    axis
        Axis of the networks.

    References
    ----------
    Hedges (1981), doi:10.3102/10769986006002107.

    Examples
    --------
    >>> round(float(hedges_g(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0]))), 4)
    0.7979
    """
    from scipy.special import gammaln

    n_one, n_other = one.shape[axis], other.shape[axis]
    dof = n_one + n_other - 2
    correction = np.exp(gammaln(dof / 2) - gammaln((dof - 1) / 2)) / np.sqrt(dof / 2)
    variance = ((n_one - 1) * one.var(axis=axis, ddof=1) + (n_other - 1) * other.var(axis=axis, ddof=1)) / dof
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(correction * (one.mean(axis=axis) - other.mean(axis=axis)) / np.sqrt(variance))


def mean_interval(values: FloatArray) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval (BCa) of a mean; None for fewer than two values or if all are equal.

    Examples
    --------
    >>> low, high = mean_interval(np.arange(20.0)) or (0, 0)
    >>> round(low, 1), round(high, 1)
    (6.9, 12.0)
    """
    low, high = bootstrap((values,), np.mean)
    return (float(low), float(high)) if np.isfinite([low, high]).all() else None


def bootstrap(
    samples: tuple[FloatArray, ...], statistic: Callable[..., Any], paired: bool = False
) -> tuple[FloatArray, FloatArray]:
    """Return the limits of the 95 % bootstrap interval of a statistic: BCa, or percentiles where BCa is undefined.

    Parameters
    ----------
    samples
        Values of each group, ``(…, network)``.
    statistic
        Function of the samples that reduces their last axis (``axis=-1``); it may stack several statistics along a new
        first axis.
    paired
        If True, networks are resampled in pairs.

    Returns
    -------
    low, high
        ``(…)``, or ``(statistic, …)``; NaN where there are fewer than two networks or all values are equal.
    """
    from scipy import stats

    n_min = min(sample.shape[-1] for sample in samples)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape = np.shape(statistic(*samples, axis=-1))
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    if n_min < 2:
        return low, high
    batch = max(BATCH_VALUES // max(sum(sample.size for sample in samples), 1), 1)
    # BCa omits one network at a time, so that of two networks one remains, which has no variance
    for method in ("BCa", "percentile") if n_min > 2 else ("percentile",):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the interval of a degenerate sample is NaN
            interval = stats.bootstrap(
                samples, statistic, n_resamples=N_RESAMPLES, batch=batch, method=method, axis=-1, paired=paired,
                vectorized=True, rng=np.random.default_rng(SEED),
            ).confidence_interval  # fmt: skip
        missing = ~np.isfinite(low)
        low, high = np.where(missing, interval.low, low), np.where(missing, interval.high, high)
        if np.isfinite(low).all():
            break
    constant = np.all([np.ptp(sample, axis=-1) == 0 for sample in samples], axis=0)
    defined = np.isfinite(low) & np.isfinite(high) & ~constant
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def effect(one: FloatArray, other: FloatArray, paired: bool = False) -> Effect:
    """Return the difference between two groups: Hedges' g, the difference of means, their intervals, and p.

    The permutation test of pairs uses the difference of the means. The test of independent groups uses Welch's t, which
    keeps its level even if the smaller group has the larger variance (Janssen 1997).

    Parameters
    ----------
    one, other
        Values, ``(…, network)``; all measures share the same resamples and permutations.
    paired
        If True, network `k` of one group is matched to network `k` of the other: pairs are resampled together, and
        permutations swap the members of pairs.

    Returns
    -------
    Effect
        Each entry ``(…)``; NaN where a group has fewer than two networks or the values have no variance.

    References
    ----------
    Janssen (1997), doi:10.1016/S0167-7152(97)00043-6.
    """
    from scipy import stats

    shape = one.shape[:-1]
    if min(one.shape[-1], other.shape[-1]) < 2:
        return Effect(*(np.full(shape, np.nan) for _ in Effect._fields))
    low, high = bootstrap((one, other), _g_and_difference, paired)
    with np.errstate(invalid="ignore", divide="ignore"):  # a permuted group may have no variance
        test = stats.permutation_test(
            (one, other), _difference if paired else _welch_t, n_resamples=N_PERMUTATIONS,
            permutation_type="samples" if paired else "independent",
            batch=max(BATCH_VALUES // max(one.size + other.size, 1), 1), axis=-1, vectorized=True,
            rng=np.random.default_rng(SEED),
        )  # fmt: skip
    g, difference = _g_and_difference(one, other)
    values = (g, low[0], high[0], difference, low[1], high[1], np.asarray(test.pvalue, dtype=np.float64))
    return Effect(*(np.where(np.isfinite(g), value, np.nan) for value in values))


def _difference(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    return np.asarray(one.mean(axis=axis) - other.mean(axis=axis))


def _g_and_difference(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    return np.stack([hedges_g(one, other, axis), _difference(one, other, axis)])


def _welch_t(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    squared_errors = (group.var(axis=axis, ddof=1) / group.shape[axis] for group in (one, other))
    return _difference(one, other, axis) / np.sqrt(sum(squared_errors))


def rank_aligned_t(one: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Return t and p of the paired t test with which the paper's code compares two groups of networks.

    The passing networks of each group are ordered by regularization strength and paired by rank; surplus networks of
    the larger group are ignored. The paper's text describes a two-sample test instead, and the pairs have nothing in
    common. The function serves only to compare P values with the published ones.

    Parameters
    ----------
    one, other
        Values of the passing networks of two groups, ``(network,)``, in order of increasing strength.

    Examples
    --------
    >>> t, p = rank_aligned_t(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 1.0, 9.0]))
    >>> round(t, 3), round(p, 3)
    (3.051, 0.093)
    """
    from scipy import stats

    count = min(len(one), len(other))
    test = stats.ttest_rel(one[:count], other[:count])
    return float(test.statistic), float(test.pvalue)


def false_discovery(p: FloatArray) -> FloatArray:
    """Return q, the p values adjusted for multiple tests by the method of Benjamini and Hochberg.

    If the effects with q below a limit are called significant, the limit bounds the expected share of false ones.

    Parameters
    ----------
    p
        p values of all tests, any shape; NaN where there was no test.

    References
    ----------
    Benjamini & Hochberg (1995), doi:10.1111/j.2517-6161.1995.tb02031.x.

    Examples
    --------
    >>> false_discovery(np.array([0.01, np.nan, 0.02, 0.9])).round(3).tolist()
    [0.03, nan, 0.03, 0.9]
    """
    from scipy import stats

    adjusted = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        adjusted[tested] = stats.false_discovery_control(p[tested])
    return adjusted
