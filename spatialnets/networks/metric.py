"""Violations of the triangle inequality."""

from __future__ import annotations

import numpy as np

from spatialnets.aliases import FloatArray

__all__ = ["triangle_violation"]

EXACT_UNITS = 1000  # up to this number all triples are compared, in less than a second
ROUNDING = 1e-6  # relative to the longest distance: tolerates single precision


def triangle_violation(distances: FloatArray) -> tuple[int, int, int] | None:
    r"""Return three units that violate the triangle inequality, or None: a detour via the second is shorter.

    :math:`D_{ij} \le D_{im} + D_{mj}` holds for all :math:`j` if rows :math:`i` and :math:`m` of :math:`D` differ by at
    most :math:`D_{im}`, so it suffices to compare the largest differences between rows. This is exact for up to 1,000
    units; for more, a random subset of rows is compared.

    Parameters
    ----------
    distances
        ``(unit, unit)``, finite, symmetric and zero on the diagonal. Violations below a millionth of the longest
        distance are attributed to rounding.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer(np.arange(3.0), np.arange(3.0)))
    >>> triangle_violation(line) is None, triangle_violation(line**2)
    (True, (0, 1, 2))
    """
    from scipy.spatial.distance import pdist, squareform  # here, because workers do not check and start sooner without

    count = len(distances)
    rows = np.arange(count)
    if count > EXACT_UNITS:
        few = int((EXACT_UNITS**3 / count) ** 0.5)
        rows = np.sort(np.random.default_rng(0).choice(count, few, replace=False))
    if len(rows) < 2:
        return None
    excess = squareform(pdist(distances[rows], "chebyshev")) - distances[np.ix_(rows, rows)]
    if excess.max() <= ROUNDING * distances.max():
        return None
    start, middle = (int(rows[index]) for index in np.unravel_index(excess.argmax(), excess.shape))
    stop = int(np.abs(distances[start] - distances[middle]).argmax())
    if distances[start, stop] < distances[middle, stop]:
        start, middle = middle, start
    return min(start, stop), middle, max(start, stop)
