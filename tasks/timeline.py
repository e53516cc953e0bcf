"""When the periods of trials are, where their lengths differ between trials."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["common_periods"]


def common_periods(names: Sequence[str], ranges: NDArray[np.int64]) -> dict[str, tuple[int, int]]:
    """Return the steps at which every trial is in a period, as half-open ranges by name.

    Parameters
    ----------
    names
        Names of the periods, in order; one that comes several times is one period, from its first to its last.
    ranges
        Least and most steps of each period, ``(period, 2)``, or of each kind of trial, ``(kind, period, 2)``. Lengths
        are independent of each other.

    Returns
    -------
    dict
        Periods that have such steps, and ``trial``, all steps, if lengths differ.

    Examples
    --------
    >>> common_periods(["cue", "delay", "go"], np.array([[5, 5], [2, 4], [3, 3]]))
    {'cue': (0, 5), 'delay': (5, 7), 'go': (9, 10), 'trial': (0, 12)}
    """
    ranges = np.asarray(ranges).reshape(-1, len(names), 2)
    ends = ranges.cumsum(axis=1)
    found = {}
    for name in dict.fromkeys(names):
        first, last = names.index(name), len(names) - 1 - names[::-1].index(name)
        start = ends[:, first - 1, 1].max() if first else 0
        stop = ends[:, last, 0].min()
        if start < stop and (ranges[:, first : last + 1, 0].sum(axis=1) > 0).all():
            found[name] = (int(start), int(stop))
    if (ends[:, -1] != ends[0, -1, 0]).any() or not found:
        found["trial"] = (0, int(ends[:, -1, 1].max()))
    return found
