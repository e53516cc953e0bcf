"""Regression: the difference between groups while another variable is held constant."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Coefficient", "activity_regression"]


class Coefficient(NamedTuple):
    """A regression coefficient with its test and confidence interval.

    Parameters
    ----------
    coefficient
        Estimate, in units of activity.
    t, degrees_of_freedom, p
        Two-sided test of the hypothesis that it is zero.
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
    r"""Return the difference in activity between spatial and other networks at equal mean weight.

    It is :math:`\beta_1` in the least-squares fit of :math:`a = \beta_0 + \beta_1 g + \beta_2 \overline{|w|}`, with
    activity :math:`a` and group :math:`g` (1 for spatial networks); negative if spatial networks are less active.

    Parameters
    ----------
    activity
        Activity of each unit, ``(network, unit)``; NaN values are ignored.
    mean_weight
        Mean magnitude of a network's recurrent weights, ``(network,)``.
    is_spatial
        Group of each network, ``(network,)``.
    level
        Unit of observation. ``"network"``: the mean over the units of a network, because they are not independent of
        each other. ``"unit"``: each unit, as in the paper; with 100 units in each network, the coefficient is the
        same, but its interval is far too narrow.

    Returns
    -------
    Coefficient
        NaN if there are at most three observations (as many as coefficients), or group and mean weight are collinear.

    Raises
    ------
    ValueError
        If the shapes do not match or the level is unknown.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 5b: t(86,497), at the level of units.

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

    values, weight, group = (np.asarray(given, dtype=np.float64) for given in (activity, mean_weight, is_spatial))
    if values.ndim != 2 or weight.shape != values.shape[:1] or group.shape != values.shape[:1]:
        raise ValueError(
            "expected activity (network, unit) and one mean weight and group per network, got shapes "
            f"{values.shape}, {weight.shape} and {group.shape}"
        )
    if level == "network":
        finite = np.isfinite(values)
        count = finite.sum(axis=1)
        total = np.where(finite, values, 0).sum(axis=1)
        values = np.divide(total, count, out=np.full(len(count), np.nan), where=count > 0)[:, None]
    elif level != "unit":
        raise ValueError(f"level must be unit or network, not {level!r}")
    columns = [np.ones_like(values), *(np.broadcast_to(column[:, None], values.shape) for column in (group, weight))]
    complete = np.isfinite(sum(columns) + values)
    design, observed = np.stack([column[complete] for column in columns], axis=1), values[complete]
    dof = len(observed) - 3
    if dof < 1 or np.linalg.matrix_rank(design) < 3:
        return Coefficient(math.nan, math.nan, dof, math.nan, math.nan, math.nan)
    coefficients = np.linalg.lstsq(design, observed, rcond=None)[0]
    residual = observed - design @ coefficients
    variance = residual @ residual / dof * np.linalg.inv(design.T @ design)[1, 1]
    error = math.sqrt(variance)
    coefficient = float(coefficients[1])
    t = coefficient / error if error > 0 else math.copysign(math.inf, coefficient)
    half = float(student.ppf(0.975, dof)) * error
    return Coefficient(coefficient, t, dof, float(2 * student.sf(abs(t), dof)), coefficient - half, coefficient + half)
