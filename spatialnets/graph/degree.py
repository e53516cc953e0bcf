"""How many connections a unit has, how strong they are in all, and whether the well connected keep to themselves."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import FloatArray

__all__ = ["assortativity", "degrees", "strengths"]

Direction = Literal["out", "in", "both"]


def strengths(weights: ArrayLike, direction: Direction = "out") -> FloatArray:
    r"""Return how strong the connections of each unit are in all.

    .. math:: s^{out}_i = \sum_j |w_{ij}|, \quad s^{in}_j = \sum_i |w_{ij}|

    Parameters
    ----------
    weights
        ``(…, pre, post)``; the connection of a unit to itself counts.
    direction
        ``"out"`` (row sums), ``"in"`` (column sums) or ``"both"`` (their sum). Of an undirected network, out and in are
        the same and each is the usual strength.

    Returns
    -------
    ndarray
        ``(…, unit)``; NaN for a network with weights that are not finite.

    Raises
    ------
    ValueError
        If the direction is no known word, or matrices are not square.

    Examples
    --------
    >>> strengths([[0.0, 2.0], [-1.0, 0.0]]).tolist(), strengths([[0.0, 2.0], [-1.0, 0.0]], "in").tolist()
    ([2.0, 1.0], [1.0, 2.0])
    """
    _check(direction)
    return measure_each(weights, "strength", lambda matrix: _sums(np.abs(matrix), direction), np.shape(weights)[-1:])


def degrees(connections: ArrayLike, direction: Direction = "out") -> FloatArray:
    r"""Return how many other units each unit is connected with.

    .. math:: k^{out}_i = \sum_{j \ne i} [w_{ij} \ne 0], \quad k^{in}_j = \sum_{i \ne j} [w_{ij} \ne 0]

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself do not count.
    direction
        ``"out"``, ``"in"`` or ``"both"`` (their sum). Of an undirected network, out and in are the same and each is the
        usual degree.

    Returns
    -------
    ndarray
        ``(…, unit)``, float64; NaN for a network with connections that are not finite.

    Raises
    ------
    ValueError
        If the direction is no known word, or matrices are not square.

    Examples
    --------
    >>> degrees([[5, 1, 1], [0, 5, 0], [0, 0, 0]]).tolist()
    [2.0, 0.0, 0.0]
    """
    _check(direction)

    def one(matrix: FloatArray) -> FloatArray:
        exists = (matrix != 0).astype(np.float64)
        np.fill_diagonal(exists, 0)
        return _sums(exists, direction)

    return measure_each(connections, "degree", one, np.shape(connections)[-1:])


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
    r"""Return how much units with many connections are connected with others that have many.

    Pearson's correlation, over all connections, of the degree of the unit where it begins and of the unit where it
    ends. Of an undirected network, whatever the directions, this is Newman's assortativity.

    Parameters
    ----------
    connections
        ``(…, pre, post)``: whatever is not zero is a connection; those of a unit to itself do not count.
    source, target
        Which degree of either unit: ``"out"`` or ``"in"``.

    Returns
    -------
    ndarray
        ``(…)``, between -1 and 1; NaN where all degrees are equal or there are no connections, or for a network
        with connections that are not finite.

    Raises
    ------
    ValueError
        If a direction is no known word, or matrices are not square.

    References
    ----------
    Newman (2003), doi:10.1103/PhysRevE.67.026126, eq. 26; Foster et al. (2010), doi:10.1073/pnas.0912671107, for the
    four directed ones.

    Examples
    --------
    >>> star = [[0, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    >>> round(float(assortativity(star)), 12)
    -1.0
    """
    for name, direction in (("source", source), ("target", target)):
        if direction not in ("out", "in"):
            raise ValueError(f"{name} must be out or in, not {direction!r}")

    def one(matrix: FloatArray) -> float:
        exists = matrix != 0
        np.fill_diagonal(exists, False)
        begins, ends = np.nonzero(exists)
        first = exists.sum(axis=1 if source == "out" else 0)[begins]
        second = exists.sum(axis=1 if target == "out" else 0)[ends]
        if len(begins) < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
            return np.nan
        return float(np.corrcoef(first, second)[0, 1])

    return measure_each(connections, "assortativity", one)
