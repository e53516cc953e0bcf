"""Periods that all trials share when trial lengths vary."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["common_periods"]


def common_periods(names: Sequence[str], ranges: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """Return the steps at which every trial is in the same period, as half-open ranges by name.

    Parameters
    ----------
    names
        Names of the periods, in order; a repeated name is one period, from its first to its last occurrence.
    ranges
        Minimum and maximum number of steps of each period, ``(period, 2)``, or of each period of each trial type,
        ``(type, period, 2)``. The lengths of periods are assumed to vary independently.

    Returns
    -------
    dict
        The periods that have such steps and, if trial lengths vary, ``trial``, which covers all steps.

    Examples
    --------
    >>> common_periods(["cue", "delay", "go"], np.array([[5, 5], [2, 4], [3, 3]]))
    {'cue': (0, 5), 'delay': (5, 7), 'go': (9, 10), 'trial': (0, 12)}
    """
    ranges = np.asarray(ranges).reshape(-1, len(names), 2)
    ends = ranges.cumsum(axis=1)
    periods = {}
    for name in dict.fromkeys(names):
        first, last = names.index(name), len(names) - 1 - names[::-1].index(name)
        start = ends[:, first - 1, 1].max() if first else 0
        stop = ends[:, last, 0].min()
        if start < stop and (ranges[:, first : last + 1, 0].sum(axis=1) > 0).all():
            periods[name] = (int(start), int(stop))
    if (ends[:, -1] != ends[0, -1, 0]).any() or not periods:
        periods["trial"] = (0, int(ends[:, -1, 1].max()))
    return periods
