"""Whether distances are a metric: whether no detour is shorter."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from spatialnets.protocols import FloatArray

__all__ = ["shorter_detour"]

EXACT_UNITS = 1000  # all detours of as many units are compared in less than a second
ROUNDING = 1e-6  # of the longest distance: what was stored in single precision passes


def shorter_detour(distances: FloatArray) -> tuple[int, int, int] | None:
    r"""Return three units such that the first is nearer to the last by way of the second; None if there are none.

    That :math:`D_{ij} \le D_{im} + D_{mj}` for all :math:`i, j, m` says that rows :math:`i` and :math:`m` of :math:`D`
    nowhere differ by more than :math:`D_{im}`, so that largest differences between rows are all that it takes. Up to
    1,000 units this is exact; of more, ways are compared from some units, drawn at random, to all by way of some.

    Parameters
    ----------
    distances
        ``(unit, unit)``, finite, symmetric and zero on the diagonal. What is shorter by less than a millionth of the
        longest distance is taken for rounding.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
    >>> shorter_detour(line) is None, shorter_detour(line**2)
    (True, (0, 1, 2))
    """
    count = len(distances)
    rows = np.arange(count)
    if count > EXACT_UNITS:
        few = int((EXACT_UNITS**3 / count) ** 0.5)
        rows = np.sort(np.random.default_rng(0).choice(count, few, replace=False))
    if len(rows) < 2:
        return None
    beyond = squareform(pdist(distances[rows], "chebyshev")) - distances[np.ix_(rows, rows)]
    if beyond.max() <= ROUNDING * distances.max():
        return None
    start, middle = (int(rows[place]) for place in np.unravel_index(beyond.argmax(), beyond.shape))
    stop = int(np.abs(distances[start] - distances[middle]).argmax())
    if distances[start, stop] < distances[middle, stop]:
        start, middle = middle, start
    return min(start, stop), middle, max(start, stop)
