"""Random networks with the degrees of a given one."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.matrices import square_matrices

__all__ = ["EXCHANGES", "rewire"]

EXCHANGES = 10  # attempts for each connection; clustering no longer changes after about 3


def rewire(connections: ArrayLike, generator: np.random.Generator, exchanges: int = EXCHANGES) -> NDArray[np.bool_]:
    """Return random networks in which every unit keeps the number of connections it begins and ends.

    Two connections are picked at random and exchange their targets, unless that would double a connection or connect a
    unit with itself; and so on. Undirected networks stay so, and keep their degrees.

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself are left out.
    generator
        Decides which.
    exchanges
        How many pairs are tried for each connection.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, bool.

    Raises
    ------
    ValueError
        If exchanges are negative, or matrices are not square.

    References
    ----------
    Maslov & Sneppen (2002), doi:10.1126/science.1065103.

    Examples
    --------
    >>> ring = np.roll(np.eye(50), 1, axis=1) + np.roll(np.eye(50), 2, axis=1)
    >>> mixed = rewire(ring, np.random.default_rng(0))
    >>> mixed.sum(axis=0).tolist() == mixed.sum(axis=1).tolist() == [2] * 50
    True
    """
    from spatialnets.graph.kernels import rewire_directed, rewire_undirected

    if exchanges < 0:
        raise ValueError(f"exchanges must not be negative, not {exchanges}")
    matrices = square_matrices(connections, "rewiring")
    result = matrices != 0
    n_units = matrices.shape[-1]
    for exists in result.reshape(-1, n_units, n_units):
        np.fill_diagonal(exists, False)
        undirected = bool((exists == exists.T).all())
        sources, targets = np.nonzero(np.triu(exists) if undirected else exists)
        if not len(sources):
            continue
        picks = generator.integers(len(sources), size=(exchanges * len(sources), 2))
        if undirected:
            turns = generator.integers(2, size=(len(picks), 1))
            rewire_undirected(exists, sources, targets, np.hstack([picks, turns]))
        else:
            rewire_directed(exists, sources, targets, picks)
    return result
