"""Clustering: how many of a unit's neighbours are connected with each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.protocols import FloatArray

__all__ = ["clustering"]


def clustering(connections: ArrayLike) -> FloatArray:
    r"""Return the clustering coefficient of each unit.

    .. math:: C_u = \frac{\sum_{vw} A_{uv} A_{vw} A_{uw}}{k_u (k_u - 1)}, \quad k_u = \sum_v A_{uv}

    of all ordered pairs of units that `u` sends to, the share of those that are connected. On undirected networks this
    is the usual coefficient; on directed ones it is what the Brain Connectivity Toolbox's function for undirected
    networks gives, which the paper called.

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself do not count.

    Returns
    -------
    ndarray
        ``(…, unit)``; 0 where a unit sends to fewer than two others.

    References
    ----------
    Watts & Strogatz (1998), doi:10.1038/30918.

    Examples
    --------
    >>> clustering([[0, 1, 1], [1, 0, 1], [1, 1, 0]]).tolist()
    [1.0, 1.0, 1.0]
    """
    exists = (np.asarray(connections) != 0).astype(np.float64)
    exists *= 1 - np.eye(exists.shape[-1])
    degree = exists.sum(axis=-1)
    closed = ((exists @ exists) * exists).sum(axis=-1)
    pairs = degree * (degree - 1)
    return np.asarray(np.divide(closed, pairs, out=np.zeros_like(closed), where=pairs > 0))
