"""Loops over the connections of one network; compiled where numba is installed.

Importing this module imports numba, so that it is imported inside the functions that need it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.compiled import compiled
from spatialnets.protocols import FloatArray

__all__ = [
    "betweenness_binary",
    "betweenness_weighted",
    "clustering_binary",
    "path_lengths_binary",
    "rewire_directed",
    "rewire_undirected",
    "shorten",
]

SAME_LENGTH = 1e-12  # ways that differ by less, as a share of their length, are equally long


@compiled
def _neighbours(adjacency: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the targets of all units, one after another, and where those of each unit begin."""
    n_units = adjacency.shape[0]
    begins = np.zeros(n_units + 1, dtype=np.int64)
    targets = np.empty(n_units * n_units, dtype=np.int64)
    count = 0
    for unit in range(n_units):
        for other in range(n_units):
            if adjacency[unit, other] and other != unit:
                targets[count] = other
                count += 1
        begins[unit + 1] = count
    return targets[:count], begins


@compiled
def betweenness_binary(adjacency: NDArray[np.bool_]) -> FloatArray:
    """Return how many shortest ways pass through each unit, every ordered pair of other units counting 1 (Brandes).

    ``(pre, post)`` to ``(unit,)``. Of several shortest ways, each counts its share.
    """
    n_units = adjacency.shape[0]
    targets, begins = _neighbours(adjacency)
    result = np.zeros(n_units)
    depth = np.empty(n_units, dtype=np.int64)
    order = np.empty(n_units, dtype=np.int64)
    ways = np.empty(n_units)
    share = np.empty(n_units)
    for source in range(n_units):
        depth[:] = -1
        ways[:] = 0.0
        share[:] = 0.0
        depth[source] = 0
        ways[source] = 1.0
        order[0] = source
        reached = 1
        place = 0
        while place < reached:  # breadth first: units in order of their depth
            unit = order[place]
            place += 1
            for link in range(begins[unit], begins[unit + 1]):
                target = targets[link]
                if depth[target] < 0:
                    depth[target] = depth[unit] + 1
                    order[reached] = target
                    reached += 1
                if depth[target] == depth[unit] + 1:
                    ways[target] += ways[unit]
        for place in range(reached - 1, 0, -1):  # back again: what lies behind a unit, by the share of its ways
            unit = order[place]
            for link in range(begins[unit], begins[unit + 1]):
                target = targets[link]
                if depth[target] == depth[unit] + 1:
                    share[unit] += ways[unit] / ways[target] * (1.0 + share[target])
            result[unit] += share[unit]
    return result


@compiled
def clustering_binary(adjacency: NDArray[np.bool_]) -> FloatArray:
    """Return the share of ordered pairs of a unit's targets that are connected, ``(unit,)``; 0 with fewer than two."""
    n_units = adjacency.shape[0]
    targets, begins = _neighbours(adjacency)
    result = np.zeros(n_units)
    for unit in range(n_units):
        first, last = begins[unit], begins[unit + 1]
        degree = last - first
        if degree < 2:
            continue
        closed = 0
        for one in range(first, last):
            for other in range(first, last):
                if one != other and adjacency[targets[one], targets[other]]:
                    closed += 1
        result[unit] = closed / (degree * (degree - 1))
    return result


@compiled
def path_lengths_binary(adjacency: NDArray[np.bool_]) -> FloatArray:
    """Return how many connections the shortest way between units has, ``(pre, post)``; infinite where none leads."""
    n_units = adjacency.shape[0]
    targets, begins = _neighbours(adjacency)
    result = np.full((n_units, n_units), np.inf)
    order = np.empty(n_units, dtype=np.int64)
    for source in range(n_units):
        depth = result[source]
        depth[source] = 0.0
        order[0] = source
        reached = 1
        place = 0
        while place < reached:
            unit = order[place]
            place += 1
            for link in range(begins[unit], begins[unit + 1]):
                target = targets[link]
                if depth[target] == np.inf:
                    depth[target] = depth[unit] + 1.0
                    order[reached] = target
                    reached += 1
    return result


@compiled
def shorten(lengths: FloatArray) -> None:
    """Turn lengths of direct connections ``(pre, post)`` into those of shortest ways, in place (Floyd and Warshall)."""
    n_units = lengths.shape[0]
    for middle in range(n_units):
        onward = lengths[middle].copy()
        for unit in range(n_units):
            own = lengths[unit]
            first = own[middle]
            for target in range(n_units):
                own[target] = min(own[target], first + onward[target])


@compiled
def betweenness_weighted(direct: FloatArray, shortest: FloatArray) -> FloatArray:
    """Return betweenness, as `betweenness_binary`, from lengths of direct connections and of shortest ways.

    Both ``(pre, post)``, 0 on the diagonal, infinite where there is none.
    """
    n_units = direct.shape[0]
    into = direct.T.copy()  # rows of sources
    result = np.zeros(n_units)
    ways = np.empty(n_units)
    share = np.empty(n_units)
    links = np.empty(n_units * n_units, dtype=np.int64)
    begins = np.empty(n_units + 1, dtype=np.int64)
    for source in range(n_units):
        away = shortest[source]
        order = np.argsort(away, kind="mergesort")
        ways[:] = 0.0
        share[:] = 0.0
        ways[source] = 1.0
        count = 0
        reached = 1
        begins[1] = 0
        for place in range(1, n_units):
            target = order[place]
            if away[target] == np.inf:
                break
            reached += 1
            limit = away[target] * (1.0 + SAME_LENGTH)
            for unit in range(n_units):
                if unit != target and away[unit] + into[target, unit] <= limit:
                    links[count] = unit
                    count += 1
                    ways[target] += ways[unit]
            begins[place + 1] = count
        for place in range(reached - 1, 0, -1):
            target = order[place]
            if ways[target] == 0.0:  # its last connection is too short to tell where it comes from
                continue
            for link in range(begins[place], begins[place + 1]):
                unit = links[link]
                share[unit] += ways[unit] / ways[target] * (1.0 + share[target])
            result[target] += share[target]
    return result


@compiled
def rewire_directed(
    adjacency: NDArray[np.bool_], sources: NDArray[np.int64], targets: NDArray[np.int64], picks: NDArray[np.int64]
) -> None:
    """Exchange the targets of pairs of connections, in place, wherever no connection doubles or closes on itself."""
    for attempt in range(picks.shape[0]):
        one, other = picks[attempt, 0], picks[attempt, 1]
        a, b, c, d = sources[one], targets[one], sources[other], targets[other]
        if a == d or c == b or adjacency[a, d] or adjacency[c, b]:
            continue
        adjacency[a, b] = False
        adjacency[c, d] = False
        adjacency[a, d] = True
        adjacency[c, b] = True
        targets[one] = d
        targets[other] = b


@compiled
def rewire_undirected(
    adjacency: NDArray[np.bool_], sources: NDArray[np.int64], targets: NDArray[np.int64], picks: NDArray[np.int64]
) -> None:
    """Exchange ends of pairs of undirected connections, in place; the third pick decides which way round the second."""
    for attempt in range(picks.shape[0]):
        one, other = picks[attempt, 0], picks[attempt, 1]
        a, b, c, d = sources[one], targets[one], sources[other], targets[other]
        if picks[attempt, 2]:
            c, d = d, c
        if a in (c, d) or b in (c, d) or adjacency[a, d] or adjacency[c, b]:
            continue
        adjacency[a, b] = False
        adjacency[b, a] = False
        adjacency[c, d] = False
        adjacency[d, c] = False
        adjacency[a, d] = True
        adjacency[d, a] = True
        adjacency[c, b] = True
        adjacency[b, c] = True
        sources[one] = a
        targets[one] = d
        sources[other] = c
        targets[other] = b
