"""Growth of a network by a wiring rule: the inner loop, compiled if numba is installed.

Importing this module imports numba; import it inside the functions that need it. The code works on whole rows, so that
without numba it is still fast enough and adds numbers in the same order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.compiled import jit

__all__ = ["grow_network"]

# what a rule depends on, and how it combines the values of two units: see spatialnets.graph.growth.RULES
SPATIAL, NEIGHBORS, MATCHING, CLUSTERING, DEGREE = range(5)
AVERAGE, MINIMUM, MAXIMUM, DIFFERENCE, PRODUCT = range(5)

CACHE_SIZE = 4096  # number of cached powers
HASH_FACTOR = 1048573.0  # a prime, spreads values over the cache


@jit
def _symmetric_sums(weights: FloatArray) -> FloatArray:
    """Return the row sums of a symmetric matrix, recomputed each time so that rounding errors do not accumulate."""
    sums = np.zeros(weights.shape[0])
    for row in range(weights.shape[0]):
        sums += weights[row]
    return sums


@jit
def _draw_index(cumulative: FloatArray, draw: float) -> int:
    """Return the first index whose cumulative weight exceeds a draw from [0, 1), scaled to the total weight.

    The cumulative weight does not increase at an index of weight 0, which is therefore never drawn.
    """
    total = cumulative[-1]
    return int(np.searchsorted(cumulative, min(draw * total, np.nextafter(total, 0.0)), side="right"))


@jit
def _draw_pair(weights: FloatArray, absent: NDArray[np.bool_], draws: FloatArray) -> tuple[int, int]:
    """Draw a pair with probability proportional to its weight: first one unit, by its row sum, then the other."""
    sums = _symmetric_sums(weights)
    total = sums.sum()
    if total == 0.0 or not np.isfinite(total):  # all weights 0, or some infinite: these pairs are equally likely
        weights = np.where(absent & (weights == weights.max()), 1.0, 0.0)
        sums = _symmetric_sums(weights)
    unit = _draw_index(np.cumsum(sums), draws[0])
    return unit, _draw_index(np.cumsum(weights[unit]), draws[1])


@jit
def _combine(values: FloatArray, unit: int, combination: int) -> FloatArray:
    """Combine the value of one unit with that of every unit, ``(unit,)``."""
    value = values[unit]
    if combination == AVERAGE:
        return (values + value) / 2
    if combination == MINIMUM:
        return np.minimum(values, value)
    if combination == MAXIMUM:
        return np.maximum(values, value)
    if combination == DIFFERENCE:
        return np.abs(values - value)
    return values * value


@jit
def _powers(values: FloatArray, gamma: float, cached: FloatArray, powers: FloatArray) -> FloatArray:
    """Return values to the power of gamma; values repeat often, so recent powers are cached."""
    result = np.empty(values.shape[0])
    for index in range(values.shape[0]):
        value = values[index]
        slot = int(value * HASH_FACTOR) % CACHE_SIZE
        if cached[slot] != value:
            cached[slot] = value
            powers[slot] = value**gamma
        result[index] = powers[slot]
    return result


@jit
def grow_network(
    start: NDArray[np.bool_],
    factor: FloatArray,
    kind: int,
    combination: int,
    gamma: float,
    epsilon: float,
    draws: FloatArray,
) -> tuple[NDArray[np.bool_], FloatArray]:
    """Return a network grown from `start`, and the weights with which its next connection would be drawn.

    `factor` is the distance factor of each pair, ``(unit, unit)``; `draws`, ``(connection, 2)``, are numbers from
    [0, 1), two for each connection to add.
    """
    n_units = start.shape[0]
    connected = start.copy()
    absent = ~start
    for unit in range(n_units):
        absent[unit, unit] = False
    degree = np.zeros(n_units)
    for unit in range(n_units):
        degree += np.where(connected[unit], 1.0, 0.0)
    common = np.zeros((n_units, n_units))  # number of common neighbours of two units
    if kind in (NEIGHBORS, MATCHING, CLUSTERING):
        for unit in range(n_units):
            for neighbour in np.nonzero(connected[unit])[0]:
                common[unit] += np.where(connected[neighbour], 1.0, 0.0)
    triangles = np.zeros(n_units)  # connections among a unit's neighbours
    if kind == CLUSTERING:
        for unit in range(n_units):
            triangles[unit] = np.where(connected[unit], common[unit], 0.0).sum() / 2

    clustering = np.zeros(n_units)
    for unit in range(n_units):
        if degree[unit] > 1:
            clustering[unit] = 2 * triangles[unit] / (degree[unit] * (degree[unit] - 1))

    cached, powers = np.full(CACHE_SIZE, -1.0), np.empty(CACHE_SIZE)
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
                ends = degree + degree[row]  # only used for unconnected pairs, so 2 A is 0
                value = 2 * common[row] / np.maximum(ends, 1.0)
            elif kind == CLUSTERING:
                value = _combine(clustering, int(row), combination)
            else:
                value = _combine(degree, int(row), combination)
            weight = np.where(absent[row], factor[row] * _powers(value + epsilon, gamma, cached, powers), 0.0)
            weights[row] = np.where(np.isnan(weight), 0.0, weight)  # 0 · ∞: a factor of 0 rules a pair out
        for row in stale:
            weights[:, row] = weights[row]
        if step == draws.shape[0]:
            break

        a, b = _draw_pair(weights, absent, draws[step])
        if kind in (NEIGHBORS, MATCHING):
            common[a] += np.where(connected[b], 1.0, 0.0)
            common[b] += np.where(connected[a], 1.0, 0.0)
            common[:, a] = common[a]
            common[:, b] = common[b]
        degree[a] += 1
        degree[b] += 1
        if kind == CLUSTERING:
            shared = np.nonzero(connected[a] & connected[b])[0]
            triangles[a] += shared.shape[0]
            triangles[b] += shared.shape[0]
            triangles[shared] += 1
            touched = np.append(shared, np.array([a, b]))
            before = clustering[touched]
            for row in touched:
                if degree[row] > 1:
                    clustering[row] = 2 * triangles[row] / (degree[row] * (degree[row] - 1))
            stale = touched[clustering[touched] != before]
        elif kind == SPATIAL:
            stale = stale[:0]
        else:
            stale = np.array([a, b])
        connected[a, b] = connected[b, a] = True
        absent[a, b] = absent[b, a] = False
        weights[a, b] = weights[b, a] = 0.0
    return connected, weights
