"""Rich club: how densely units of high degree are connected to each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import adjacency, measure_each
from spatialnets.graph.rewiring import rewire
from spatialnets.validation import require_at_least

__all__ = ["rich_club"]

SEED = 1998
COUNT = 100  # random networks


def rich_club(
    connections: ArrayLike, directed: bool = False, normalised: bool = False, count: int = COUNT, seed: int = SEED
) -> FloatArray:
    r"""Return the rich-club coefficient: the connection density among units of degree above `k`, for each `k`.

    .. math:: \phi(k) = \frac{E_{>k}}{N_{>k} (N_{>k} - 1)}

    where :math:`N_{>k}` units have a degree above `k` and :math:`E_{>k}` connections link them (each direction counts).
    The normalised coefficient is divided by its mean over random networks with the same degrees: above 1, units of high
    degree are connected more densely than their degrees explain.

    Parameters
    ----------
    connections
        ``(…, pre, post)``; nonzero entries are connections. Self-connections are ignored.
    directed
        If True, the degree is in-degree plus out-degree; if False, networks must be undirected.
    normalised
        If True, divide by the mean over random networks.
    count, seed
        Number of random networks (see `rewire`) and their seed.

    Returns
    -------
    ndarray
        ``(…, k)``, `k` from 0; ``n_units`` values, or ``2 n_units - 1`` if directed. NaN where fewer than two units
        have a degree above `k`, where random networks have no connections (normalised only), and for networks with
        non-finite connections.

    Raises
    ------
    ValueError
        If networks are directed without ``directed=True``, ``count`` is below 1, or matrices are not square.

    References
    ----------
    Zhou & Mondragón (2004), doi:10.1109/LCOMM.2004.823426; Colizza et al. (2006), doi:10.1038/nphys209, for the
    normalisation.

    Examples
    --------
    >>> rich_club([[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]).round(3).tolist()
    [0.667, 1.0, nan, nan]
    """
    require_at_least("count", count, 1)
    n_units = (np.shape(connections)[-1:] or (0,))[0]

    def rich_club_of(matrix: FloatArray) -> FloatArray:
        exists = adjacency(matrix)
        if not directed and (exists != exists.T).any():
            raise ValueError("the rich club of a directed network needs directed=True")
        coefficients = _density_above(exists, directed)
        if normalised:
            generator = np.random.default_rng(seed)
            null = np.mean([_density_above(rewire(exists, generator), directed) for _ in range(count)], axis=0)
            coefficients = np.divide(coefficients, null, out=np.full_like(coefficients, np.nan), where=null > 0)
        return coefficients

    return measure_each(connections, "the rich club", rich_club_of, (2 * n_units - 1 if directed else n_units,))


def _density_above(exists: NDArray[np.bool_], directed: bool) -> FloatArray:
    n_units = len(exists)
    degree = exists.sum(axis=1) + (exists.sum(axis=0) if directed else 0)
    levels = 2 * n_units - 1 if directed else n_units
    # a connection belongs to the club of every k below the smaller degree of its two ends
    smaller = np.minimum(degree[:, None], degree)[exists]
    links = np.bincount(smaller, minlength=levels + 1)[::-1].cumsum()[::-1][1:]
    units = np.bincount(degree, minlength=levels + 1)[::-1].cumsum()[::-1][1:]
    pairs = units * (units - 1.0)
    return np.divide(links, pairs, out=np.full(levels, np.nan), where=pairs > 0)
