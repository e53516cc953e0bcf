"""The loop that grows a network; compiled where numba is installed.

Importing this module imports numba, so that it is imported inside the functions that need it. Rows and sums are
handled whole, so that the loop is also bearable, and adds up in the same order, where it is not compiled.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.compiled import compiled
from spatialnets.protocols import FloatArray

__all__ = ["grown"]

# what a rule looks at, and how it joins the values of two units: see spatialnets.graph.growth.RULES
SPATIAL, NEIGHBORS, MATCHING, CLUSTERING, DEGREE = range(5)
AVERAGE, LEAST, MOST, DIFFERENCE, PRODUCT = range(5)

SLOTS = 4096  # powers that are remembered
SPREAD = 1048573.0  # a prime, to spread values over the slots


@compiled
def _column_sums(weights: FloatArray) -> FloatArray:
    """Return the sum of each column, which is that of each row; anew each time, so that no rounding piles up."""
    sums = np.zeros(weights.shape[0])
    for row in range(weights.shape[0]):
        sums += weights[row]
    return sums


@compiled
def _drawn(cumulated: FloatArray, draw: float) -> int:
    """Return the place that a number from [0, 1) falls on: the first whose cumulated weight exceeds it.

    A place without weight does not exceed the one before it, and is never drawn.
    """
    total = cumulated[-1]
    return int(np.searchsorted(cumulated, min(draw * total, np.nextafter(total, 0.0)), side="right"))


@compiled
def _picked(weights: FloatArray, absent: NDArray[np.bool_], draws: FloatArray) -> tuple[int, int]:
    """Return a pair, drawn in proportion to its weight: first one unit by its sum, then the other."""
    sums = _column_sums(weights)
    total = sums.sum()
    if total == 0.0 or not np.isfinite(total):  # nothing is likely, or something infinitely so: all such pairs alike
        most = weights.max()
        weights = np.where(absent & (weights == most), 1.0, 0.0)
        sums = _column_sums(weights)
    unit = _drawn(np.cumsum(sums), draws[0])
    return unit, _drawn(np.cumsum(weights[unit]), draws[1])


@compiled
def _joined(values: FloatArray, unit: int, join: int) -> FloatArray:
    """Return what a unit's value and that of each other unit make together."""
    own = values[unit]
    if join == AVERAGE:
        return (values + own) / 2
    if join == LEAST:
        return np.minimum(values, own)
    if join == MOST:
        return np.maximum(values, own)
    if join == DIFFERENCE:
        return np.abs(values - own)
    return values * own


@compiled
def _raised(values: FloatArray, gamma: float, known: FloatArray, powers: FloatArray) -> FloatArray:
    """Return values to the power of gamma; few of them are new, so that those met lately are looked up."""
    result = np.empty(values.shape[0])
    for place in range(values.shape[0]):
        value = values[place]
        slot = int(value * SPREAD) % SLOTS
        if known[slot] != value:
            known[slot] = value
            powers[slot] = value**gamma
        result[place] = powers[slot]
    return result


@compiled
def grown(
    start: NDArray[np.bool_],
    factor: FloatArray,
    kind: int,
    join: int,
    gamma: float,
    epsilon: float,
    draws: FloatArray,
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Return a network grown from another, and the weights by which its next connection would be drawn.

    `factor` is what distance makes of each pair ``(unit, unit)``; `draws`, ``(connection, 2)``, are numbers from
    [0, 1), two for each connection that is added.
    """
    n_units = start.shape[0]
    connected = start.copy()
    absent = ~start
    for unit in range(n_units):
        absent[unit, unit] = False
    degree = np.zeros(n_units)
    for unit in range(n_units):
        degree += np.where(connected[unit], 1.0, 0.0)
    common = np.zeros((n_units, n_units))  # neighbours that two units share
    if kind in (NEIGHBORS, MATCHING, CLUSTERING):
        for unit in range(n_units):
            for neighbour in np.nonzero(connected[unit])[0]:
                common[unit] += np.where(connected[neighbour], 1.0, 0.0)
    closed = np.zeros(n_units)  # connections among a unit's neighbours
    if kind == CLUSTERING:
        for unit in range(n_units):
            closed[unit] = np.where(connected[unit], common[unit], 0.0).sum() / 2

    clustering = np.zeros(n_units)
    for unit in range(n_units):
        if degree[unit] > 1:
            clustering[unit] = 2 * closed[unit] / (degree[unit] * (degree[unit] - 1))

    known, powers = np.full(SLOTS, -1.0), np.empty(SLOTS)
    weights = np.zeros((n_units, n_units))
    stale = np.arange(n_units)  # units whose rows of K have changed
    for step in range(draws.shape[0] + 1):
        for row in stale:
            if kind == SPATIAL:
                weights[row] = np.where(absent[row], factor[row], 0.0)
                continue
            if kind == NEIGHBORS:
                value = common[row]
            elif kind == MATCHING:
                ends = degree + degree[row]  # of absent pairs, which have no connection of their own to leave out
                value = 2 * common[row] / np.maximum(ends, 1.0)
            elif kind == CLUSTERING:
                value = _joined(clustering, int(row), join)
            else:
                value = _joined(degree, int(row), join)
            weight = np.where(absent[row], factor[row] * _raised(value + epsilon, gamma, known, powers), 0.0)
            weights[row] = np.where(np.isnan(weight), 0.0, weight)  # 0 · ∞: what either rules out has no chance
        for row in stale:
            weights[:, row] = weights[row]
        if step == draws.shape[0]:
            break

        one, other = _picked(weights, absent, draws[step])
        if kind in (NEIGHBORS, MATCHING):
            common[one] += np.where(connected[other], 1.0, 0.0)
            common[other] += np.where(connected[one], 1.0, 0.0)
            common[:, one] = common[one]
            common[:, other] = common[other]
        degree[one] += 1
        degree[other] += 1
        if kind == CLUSTERING:
            between = np.nonzero(connected[one] & connected[other])[0]
            closed[one] += between.shape[0]
            closed[other] += between.shape[0]
            closed[between] += 1
            touched = np.append(between, np.array([one, other]))
            before = clustering[touched]
            for row in touched:
                if degree[row] > 1:
                    clustering[row] = 2 * closed[row] / (degree[row] * (degree[row] - 1))
            stale = touched[clustering[touched] != before]
        elif kind == SPATIAL:
            stale = stale[:0]
        else:
            stale = np.array([one, other])
        connected[one, other] = connected[other, one] = True
        absent[one, other] = absent[other, one] = False
        weights[one, other] = weights[other, one] = 0.0
    return connected, weights
