"""Degree-preserving rewiring: random networks with the degrees of a given network."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.matrices import adjacency, square_matrices
from spatialnets.validation import require_at_least

__all__ = ["EXCHANGES", "rewire"]

EXCHANGES = 10  # attempted swaps per connection; clustering stops changing after about 3


def rewire(connections: ArrayLike, generator: np.random.Generator, exchanges: int = EXCHANGES) -> NDArray[np.bool_]:
    """Return random networks in which every unit keeps its in-degree and its out-degree.

    Two random connections exchange their targets, unless that would create a duplicate connection or a
    self-connection; this is repeated. Undirected networks stay undirected and keep their degrees.

    Parameters
    ----------
    connections
        ``(…, pre, post)``; nonzero entries are connections. Self-connections are removed.
    generator
        Draws the pairs.
    exchanges
        Attempted swaps per connection.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, bool.

    Raises
    ------
    ValueError
        If ``exchanges`` is negative, or matrices are not square.

    References
    ----------
    Maslov & Sneppen (2002), doi:10.1126/science.1065103.

    Examples
    --------
    >>> ring = np.roll(np.eye(50), 1, axis=1) + np.roll(np.eye(50), 2, axis=1)
    >>> rewired = rewire(ring, np.random.default_rng(0))
    >>> rewired.sum(axis=0).tolist() == rewired.sum(axis=1).tolist() == [2] * 50
    True
    """
    from spatialnets.graph.kernels import rewire_directed, rewire_undirected

    require_at_least("exchanges", exchanges, 0)
    matrices = square_matrices(connections, "rewiring")
    n_units = matrices.shape[-1]
    result = np.empty(matrices.shape, dtype=np.bool_)
    for exists, matrix in zip(
        result.reshape(-1, n_units, n_units), matrices.reshape(-1, n_units, n_units), strict=True
    ):
        exists[...] = adjacency(matrix)
        undirected = bool((exists == exists.T).all())
        sources, targets = np.nonzero(np.triu(exists) if undirected else exists)
        if not len(sources):
            continue
        picks = generator.integers(len(sources), size=(exchanges * len(sources), 2))
        if undirected:
            flips = generator.integers(2, size=(len(picks), 1))
            rewire_undirected(exists, sources, targets, np.hstack([picks, flips]))
        else:
            rewire_directed(exists, sources, targets, picks)
    return result
