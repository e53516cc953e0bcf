"""Means, effect sizes and tests, with intervals: networks are what is resampled, never epochs or units."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]

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

RESAMPLES = 2000  # an end of a 95 % interval is then known to about 3 % of its width
PERMUTATIONS = 4999  # the smallest two-sided p is 0.0004
SEED = 20231120  # of the paper's publication; the same data give the same interval
AT_ONCE = 2**22  # numbers that a batch of resamples may hold: 32 MB


class Effect(NamedTuple):
    """A difference between two groups.

    Parameters
    ----------
    g, low, high
        Hedges' g, first minus second, and its 95 % interval.
    difference, difference_low, difference_high
        The difference of the means, in the unit of the values, and its 95 % interval.
    p
        Two-sided, by permutation of networks.
    """

    g: FloatArray
    low: FloatArray
    high: FloatArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    p: FloatArray


def cohens_d(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    r"""Return Cohen's d, :math:`(\bar a - \bar b) / \sqrt{(s_a^2 + s_b^2) / 2}`, as the paper pools it.

    Parameters
    ----------
    one, other
        Values of two groups.
    axis
        Along which the networks lie.

    Examples
    --------
    >>> float(cohens_d(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 2.0])))
    1.0
    """
    spread = (one.var(axis=axis, ddof=1) + other.var(axis=axis, ddof=1)) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one.mean(axis=axis) - other.mean(axis=axis)) / np.sqrt(spread))


def hedges_g(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    r"""Return Hedges' g, the difference of two means in pooled standard deviations, without bias in small groups.

    .. math:: g = J \, \frac{\bar a - \bar b}{s}, \quad
              s^2 = \frac{(n_a - 1) s_a^2 + (n_b - 1) s_b^2}{\nu}, \quad
              J = \frac{\Gamma(\nu / 2)}{\sqrt{\nu / 2} \, \Gamma((\nu - 1) / 2)}, \quad \nu = n_a + n_b - 2

    Parameters
    ----------
    one, other
        Values of two groups, two or more each.
    axis
        Along which the networks lie.

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
    free = n_one + n_other - 2
    unbiased = np.exp(gammaln(free / 2) - gammaln((free - 1) / 2)) / np.sqrt(free / 2)
    spread = ((n_one - 1) * one.var(axis=axis, ddof=1) + (n_other - 1) * other.var(axis=axis, ddof=1)) / free
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(unbiased * (one.mean(axis=axis) - other.mean(axis=axis)) / np.sqrt(spread))


def mean_interval(values: FloatArray) -> tuple[float, float] | None:
    """Return the 95 % bootstrap interval (BCa) of a mean, resampling networks; None for fewer than two.

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
    """Return the ends of the 95 % bootstrap interval of a statistic: BCa, or percentiles where that is not defined.

    Parameters
    ----------
    samples
        Of each group, ``(…, network)``.
    statistic
        Of the samples along their last axis (``axis=-1``); several statistics are stacked along a first axis.
    paired
        Whether networks are resampled in pairs.

    Returns
    -------
    low, high
        ``(…)``, or ``(statistic, …)``; NaN where there are fewer than two networks, or all are alike.
    """
    from scipy import stats

    fewest = min(sample.shape[-1] for sample in samples)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shape = np.shape(statistic(*samples, axis=-1))
    low, high = np.full(shape, np.nan), np.full(shape, np.nan)
    if fewest < 2:
        return low, high
    batch = max(AT_ONCE // max(sum(sample.size for sample in samples), 1), 1)
    # BCa leaves out one network at a time, which leaves a pair without a variance
    for method in ("BCa", "percentile") if fewest > 2 else ("percentile",):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a degenerate sample has no interval, which is said by NaN
            found = stats.bootstrap(
                samples, statistic, n_resamples=RESAMPLES, batch=batch, method=method, axis=-1, paired=paired,
                vectorized=True, rng=np.random.default_rng(SEED),
            ).confidence_interval  # fmt: skip
        missing = ~np.isfinite(low)
        low, high = np.where(missing, found.low, low), np.where(missing, found.high, high)
        if np.isfinite(low).all():
            break
    alike = np.all([np.ptp(sample, axis=-1) == 0 for sample in samples], axis=0)
    defined = np.isfinite(low) & np.isfinite(high) & ~alike
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def effect(one: FloatArray, other: FloatArray, paired: bool = False) -> Effect:
    """Return how much two groups differ: Hedges' g and the difference of means with their intervals, and p.

    What is permuted is the difference of the means, in pairs; and otherwise the difference over its standard error
    (Welch's t), which stays honest where one group is smaller and varies more (Janssen 1997).

    Parameters
    ----------
    one, other
        Values, ``(…, network)``; several measures are resampled and permuted alike.
    paired
        Whether network `k` of one group is matched to network `k` of the other: pairs are then resampled together, and
        permuting swaps the members of pairs.

    Returns
    -------
    Effect
        Each entry ``(…)``; NaN where there are fewer than two networks in a group, or no spread.

    References
    ----------
    Janssen (1997), doi:10.1016/S0167-7152(97)00043-6.
    """
    from scipy import stats

    shape = one.shape[:-1]
    if min(one.shape[-1], other.shape[-1]) < 2:
        return Effect(*(np.full(shape, np.nan) for _ in Effect._fields))
    low, high = bootstrap((one, other), _g_and_difference, paired)
    with np.errstate(invalid="ignore", divide="ignore"):  # a permutation may leave a group without spread
        found = stats.permutation_test(
            (one, other), _difference if paired else _welch_t, n_resamples=PERMUTATIONS,
            permutation_type="samples" if paired else "independent",
            batch=max(AT_ONCE // max(one.size + other.size, 1), 1), axis=-1, vectorized=True,
            rng=np.random.default_rng(SEED),
        )  # fmt: skip
    g, difference = _g_and_difference(one, other)
    parts = (g, low[0], high[0], difference, low[1], high[1], np.asarray(found.pvalue, dtype=np.float64))
    return Effect(*(np.where(np.isfinite(g), part, np.nan) for part in parts))


def _difference(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    return np.asarray(one.mean(axis=axis) - other.mean(axis=axis))


def _g_and_difference(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    return np.stack([hedges_g(one, other, axis), _difference(one, other, axis)])


def _welch_t(one: FloatArray, other: FloatArray, axis: int = -1) -> FloatArray:
    squares = (part.var(axis=axis, ddof=1) / part.shape[axis] for part in (one, other))
    return _difference(one, other, axis) / np.sqrt(sum(squares))


def rank_aligned_t(one: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Return t and p of the paired test by which the paper's code compares groups of networks.

    The networks that pass, in the order of their strengths, are paired by rank, as many as the smaller group has, and
    a paired t-test is made. It is not the two-sample test of the paper's text, and pairs nothing that belongs together:
    it is here so that published P values can be set beside its own kind. Nothing in the toolkit rests on it.

    Parameters
    ----------
    one, other
        Values of the networks of two groups that pass, ``(network,)``, weakest penalty first.

    Examples
    --------
    >>> t, p = rank_aligned_t(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 1.0, 9.0]))
    >>> round(t, 3), round(p, 3)
    (3.051, 0.093)
    """
    from scipy import stats

    count = min(len(one), len(other))
    found = stats.ttest_rel(one[:count], other[:count])
    return float(found.statistic), float(found.pvalue)


def false_discovery(p: FloatArray) -> FloatArray:
    """Return p adjusted for the number of tests: of those below `q`, a share of `q` at most is expected to be false.

    Parameters
    ----------
    p
        Of all tests, any shape; NaN is no test.

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
