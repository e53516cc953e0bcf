"""Degree, strength and assortativity."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import adjacency, measure_each

__all__ = ["assortativity", "degrees", "strengths"]

Direction = Literal["out", "in", "both"]


def strengths(weights: ArrayLike, direction: Direction = "out") -> FloatArray:
    r"""Return the strength of each unit: the summed magnitude of its weights.

    .. math:: s^{out}_i = \sum_j |w_{ij}|, \quad s^{in}_j = \sum_i |w_{ij}|

    Parameters
    ----------
    weights
        ``(…, pre, post)``; self-connections count.
    direction
        ``"out"`` (row sums), ``"in"`` (column sums) or ``"both"`` (their sum). In an undirected network, in- and
        out-strength both equal the usual strength.

    Returns
    -------
    ndarray
        ``(…, unit)``; NaN for networks with non-finite weights.

    Raises
    ------
    ValueError
        If ``direction`` is none of these values, or matrices are not square.

    Examples
    --------
    >>> strengths([[0.0, 2.0], [-1.0, 0.0]]).tolist(), strengths([[0.0, 2.0], [-1.0, 0.0]], "in").tolist()
    ([2.0, 1.0], [1.0, 2.0])
    """
    _check(direction)
    return measure_each(weights, "strength", lambda matrix: _sums(np.abs(matrix), direction), np.shape(weights)[-1:])


def degrees(connections: ArrayLike, direction: Direction = "out") -> FloatArray:
    r"""Return the degree of each unit: the number of other units it is connected to.

    .. math:: k^{out}_i = \sum_{j \ne i} [w_{ij} \ne 0], \quad k^{in}_j = \sum_{i \ne j} [w_{ij} \ne 0]

    Parameters
    ----------
    connections
        ``(…, pre, post)``; nonzero entries are connections. Self-connections are ignored.
    direction
        ``"out"``, ``"in"`` or ``"both"`` (their sum). In an undirected network, in- and out-degree both equal the
        usual degree.

    Returns
    -------
    ndarray
        ``(…, unit)``, float64; NaN for networks with non-finite connections.

    Raises
    ------
    ValueError
        If ``direction`` is none of these values, or matrices are not square.

    Examples
    --------
    >>> degrees([[5, 1, 1], [0, 5, 0], [0, 0, 0]]).tolist()
    [2.0, 0.0, 0.0]
    """
    _check(direction)

    def degrees_of(matrix: FloatArray) -> FloatArray:
        return _sums(adjacency(matrix).astype(np.float64), direction)

    return measure_each(connections, "degree", degrees_of, np.shape(connections)[-1:])


def _check(direction: Direction) -> None:
    if direction not in ("out", "in", "both"):
        raise ValueError(f"direction must be out, in or both, not {direction!r}")


def _sums(matrix: FloatArray, direction: Direction) -> FloatArray:
    if direction == "both":
        return np.asarray(matrix.sum(axis=1) + matrix.sum(axis=0))
    return np.asarray(matrix.sum(axis=1 if direction == "out" else 0))


def assortativity(
    connections: ArrayLike, source: Literal["out", "in"] = "out", target: Literal["out", "in"] = "in"
) -> FloatArray:
    r"""Return the degree assortativity: whether units of high degree connect to other units of high degree.

    It is Pearson's correlation, over all connections, between a degree of the source unit and a degree of the target
    unit. In an undirected network all choices of ``source`` and ``target`` give Newman's assortativity.

    Parameters
    ----------
    connections
        ``(…, pre, post)``; nonzero entries are connections. Self-connections are ignored.
    source, target
        Degree of the source unit and of the target unit: ``"out"`` or ``"in"``.

    Returns
    -------
    ndarray
        ``(…)``, between -1 and 1; NaN if all degrees are equal, if there are fewer than two connections, or if
        connections are not finite.

    Raises
    ------
    ValueError
        If ``source`` or ``target`` is neither ``"out"`` nor ``"in"``, or matrices are not square.

    References
    ----------
    Newman (2003), doi:10.1103/PhysRevE.67.026126, eq. 26; Foster et al. (2010), doi:10.1073/pnas.0912671107, for the
    four directed versions.

    Examples
    --------
    >>> star = [[0, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    >>> round(float(assortativity(star)), 12)
    -1.0
    """
    for name, direction in (("source", source), ("target", target)):
        if direction not in ("out", "in"):
            raise ValueError(f"{name} must be out or in, not {direction!r}")

    def assortativity_of(matrix: FloatArray) -> float:
        exists = adjacency(matrix)
        sources, targets = np.nonzero(exists)
        of_sources = exists.sum(axis=1 if source == "out" else 0)[sources]
        of_targets = exists.sum(axis=1 if target == "out" else 0)[targets]
        if len(sources) < 2 or np.ptp(of_sources) == 0 or np.ptp(of_targets) == 0:
            return np.nan
        return float(np.corrcoef(of_sources, of_targets)[0, 1])

    return measure_each(connections, "assortativity", assortativity_of)
