"""Regression: how much groups differ once something else is held equal."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Coefficient", "activity_regression"]


class Coefficient(NamedTuple):
    """A coefficient of a regression.

    Parameters
    ----------
    coefficient
        In units of activity.
    t, degrees_of_freedom, p
        Of the test that it is zero, two-sided.
    low, high
        95 % confidence interval.
    """

    coefficient: float
    t: float
    degrees_of_freedom: int
    p: float
    low: float
    high: float


def activity_regression(
    activity: ArrayLike,
    mean_weight: ArrayLike,
    is_spatial: ArrayLike,
    level: Literal["unit", "network"] = "network",
) -> Coefficient:
    r"""Return how much less active units of spatial networks are than others of the same mean weight.

    Ordinary least squares of :math:`a = \beta_0 + \beta_1 g + \beta_2 \overline{|w|}`, with activity :math:`a` and
    group :math:`g` (1 for spatial networks); the effect is :math:`\beta_1`.

    Parameters
    ----------
    activity
        ``(network, unit)``; what is NaN is left out.
    mean_weight
        Mean magnitude of a network's recurrent weights, ``(network,)``.
    is_spatial
        ``(network,)``.
    level
        What counts as an observation. ``"network"``: the mean over its units, because units of one network are not
        independent of each other. ``"unit"``: every unit by itself, as in the paper; with 100 units of each network,
        the coefficient is the same and its interval far too narrow.

    Returns
    -------
    Coefficient
        NaN where there are not more observations than the three coefficients, or the two regressors tell nothing apart.

    Raises
    ------
    ValueError
        If shapes do not fit together, or the level is another word.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 5b: t(86,497), that is at the level of units.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> spatial, weight = np.arange(40) % 2 == 0, generator.uniform(size=40)
    >>> activity = 1 + weight[:, None] - 0.25 * spatial[:, None] + 0.1 * generator.normal(size=(40, 10))
    >>> effect = activity_regression(activity, weight, spatial)
    >>> round(effect.coefficient, 2), effect.degrees_of_freedom
    (-0.26, 37)
    """
    from scipy.stats import t as student

    values, weight, group = (np.asarray(part, dtype=np.float64) for part in (activity, mean_weight, is_spatial))
    if values.ndim != 2 or weight.shape != values.shape[:1] or group.shape != values.shape[:1]:
        raise ValueError(
            f"expected activity (network, unit) and one mean weight and group per network, got {values.shape}, "
            f"{weight.shape} and {group.shape}"
        )
    if level == "network":
        there = np.isfinite(values)
        count = there.sum(axis=1)
        values = np.divide(
            np.where(there, values, 0).sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0
        )
        values = values[:, None]
    elif level != "unit":
        raise ValueError(f"level must be unit or network, not {level!r}")
    columns = [np.ones_like(values), *(np.broadcast_to(part[:, None], values.shape) for part in (group, weight))]
    known = np.isfinite(sum(columns) + values)
    design, observed = np.stack([column[known] for column in columns], axis=1), values[known]
    freedom = len(observed) - 3
    if freedom < 1 or np.linalg.matrix_rank(design) < 3:
        return Coefficient(math.nan, math.nan, freedom, math.nan, math.nan, math.nan)
    coefficients = np.linalg.lstsq(design, observed, rcond=None)[0]
    residual = observed - design @ coefficients
    variance = residual @ residual / freedom * np.linalg.inv(design.T @ design)[1, 1]
    error = math.sqrt(variance)
    coefficient = float(coefficients[1])
    t = coefficient / error if error > 0 else math.copysign(math.inf, coefficient)
    half = float(student.ppf(0.975, freedom)) * error
    return Coefficient(
        coefficient, t, freedom, float(2 * student.sf(abs(t), freedom)), coefficient - half, coefficient + half
    )
