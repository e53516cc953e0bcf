"""Rich club: whether units with many connections are connected with each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.matrices import measure_each
from spatialnets.graph.rewiring import rewire
from spatialnets.protocols import FloatArray

__all__ = ["rich_club"]

SEED = 1998
COUNT = 100


def rich_club(
    connections: ArrayLike, directed: bool = False, normalised: bool = False, count: int = COUNT, seed: int = SEED
) -> FloatArray:
    r"""Return how densely the units with more than `k` connections are connected with each other, for each `k`.

    .. math:: \phi(k) = \frac{E_{>k}}{N_{>k} (N_{>k} - 1)}

    with :math:`E_{>k}` connections (each direction by itself) among the :math:`N_{>k}` units of a degree above `k`.
    Normalised, it is divided by its mean over random networks with the same degrees: above 1, the rich are more of a
    club than their degrees make them.

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself do not count.
    directed
        Whether the degree counts connections begun and ended; otherwise networks must be undirected.
    normalised
        Whether to divide by chance.
    count, seed
        How many random networks, by `rewire`, and their seed.

    Returns
    -------
    ndarray
        ``(…, k)``, `k` from 0: ``n_units`` of them, of directed networks ``2 n_units - 1``. NaN where fewer than two
        units have more connections (normalised also where those of random networks have none), or for a network that is
        not finite.

    Raises
    ------
    ValueError
        If networks are directed and ``directed`` is not said, the count is below 1, or matrices are not square.

    References
    ----------
    Zhou & Mondragón (2004), doi:10.1109/LCOMM.2004.823426; Colizza et al. (2006), doi:10.1038/nphys209, for chance.

    Examples
    --------
    >>> rich_club([[0, 1, 1, 1], [1, 0, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0]]).round(3).tolist()
    [0.667, 1.0, nan, nan]
    """
    if count < 1:
        raise ValueError(f"count must be at least 1, not {count}")
    n_units = (np.shape(connections)[-1:] or (0,))[0]

    def one(matrix: FloatArray) -> FloatArray:
        exists = matrix != 0
        np.fill_diagonal(exists, False)
        if not directed and (exists != exists.T).any():
            raise ValueError("the rich club of directed networks needs directed=True")
        found = _density_above(exists, directed)
        if normalised:
            generator = np.random.default_rng(seed)
            chance = np.mean([_density_above(rewire(exists, generator), directed) for _ in range(count)], axis=0)
            found = np.divide(found, chance, out=np.full_like(found, np.nan), where=chance > 0)
        return found

    return measure_each(connections, "the rich club", one, (2 * n_units - 1 if directed else n_units,))


def _density_above(exists: NDArray[np.bool_], directed: bool) -> FloatArray:
    n_units = len(exists)
    degree = exists.sum(axis=1) + (exists.sum(axis=0) if directed else 0)
    levels = 2 * n_units - 1 if directed else n_units
    # a connection lies among units above k for every k below the smaller degree of its ends
    smaller = np.minimum(degree[:, None], degree)[exists]
    links = np.bincount(smaller, minlength=levels + 1)[::-1].cumsum()[::-1][1:]
    units = np.bincount(degree, minlength=levels + 1)[::-1].cumsum()[::-1][1:]
    pairs = units * (units - 1.0)
    return np.divide(links, pairs, out=np.full(levels, np.nan), where=pairs > 0)
