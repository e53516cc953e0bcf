"""Graph algorithms that loop over the connections of one network, compiled if numba is installed.

Importing this module imports numba; import it inside the functions that need it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.compiled import jit

__all__ = [
    "betweenness_binary",
    "betweenness_weighted",
    "clustering_binary",
    "floyd_warshall",
    "path_lengths_binary",
    "rewire_directed",
    "rewire_undirected",
]

LENGTH_TOLERANCE = 1e-12  # paths whose lengths differ by less than this fraction are equally long


@jit
def _neighbours(adjacency: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the targets of all units in one list, and the index at which those of each unit start."""
    n_units = adjacency.shape[0]
    starts = np.zeros(n_units + 1, dtype=np.int64)
    targets = np.empty(n_units * n_units, dtype=np.int64)
    count = 0
    for unit in range(n_units):
        for other in range(n_units):
            if adjacency[unit, other] and other != unit:
                targets[count] = other
                count += 1
        starts[unit + 1] = count
    return targets[:count], starts


@jit
def betweenness_binary(adjacency: NDArray[np.bool_]) -> FloatArray:
    """Return the betweenness of each unit, ``(unit,)``: the number of shortest paths through it (Brandes' algorithm).

    All ordered pairs of other units count. Where a pair has several shortest paths, each counts as a fraction.
    """
    n_units = adjacency.shape[0]
    targets, starts = _neighbours(adjacency)
    result = np.zeros(n_units)
    depth = np.empty(n_units, dtype=np.int64)
    order = np.empty(n_units, dtype=np.int64)
    paths = np.empty(n_units)  # shortest paths from the source
    dependency = np.empty(n_units)  # of the source on a unit
    for source in range(n_units):
        depth[:] = -1
        paths[:] = 0.0
        dependency[:] = 0.0
        depth[source] = 0
        paths[source] = 1.0
        order[0] = source
        reached = 1
        visited = 0
        while visited < reached:  # breadth-first search
            unit = order[visited]
            visited += 1
            for link in range(starts[unit], starts[unit + 1]):
                target = targets[link]
                if depth[target] < 0:
                    depth[target] = depth[unit] + 1
                    order[reached] = target
                    reached += 1
                if depth[target] == depth[unit] + 1:
                    paths[target] += paths[unit]
        for index in range(reached - 1, 0, -1):  # accumulate dependencies, farthest units first
            unit = order[index]
            for link in range(starts[unit], starts[unit + 1]):
                target = targets[link]
                if depth[target] == depth[unit] + 1:
                    dependency[unit] += paths[unit] / paths[target] * (1.0 + dependency[target])
            result[unit] += dependency[unit]
    return result


@jit
def clustering_binary(adjacency: NDArray[np.bool_]) -> FloatArray:
    """Return the fraction of ordered pairs of a unit's targets that are connected, ``(unit,)``; 0 below two targets."""
    n_units = adjacency.shape[0]
    targets, starts = _neighbours(adjacency)
    result = np.zeros(n_units)
    for unit in range(n_units):
        first, last = starts[unit], starts[unit + 1]
        degree = last - first
        if degree < 2:
            continue
        connected = 0
        for i in range(first, last):
            for j in range(first, last):
                if i != j and adjacency[targets[i], targets[j]]:
                    connected += 1
        result[unit] = connected / (degree * (degree - 1))
    return result


@jit
def path_lengths_binary(adjacency: NDArray[np.bool_]) -> FloatArray:
    """Return the number of connections on the shortest path between units, ``(pre, post)``; infinite without a path."""
    n_units = adjacency.shape[0]
    targets, starts = _neighbours(adjacency)
    result = np.full((n_units, n_units), np.inf)
    order = np.empty(n_units, dtype=np.int64)
    for source in range(n_units):
        depth = result[source]
        depth[source] = 0.0
        order[0] = source
        reached = 1
        visited = 0
        while visited < reached:
            unit = order[visited]
            visited += 1
            for link in range(starts[unit], starts[unit + 1]):
                target = targets[link]
                if depth[target] == np.inf:
                    depth[target] = depth[unit] + 1.0
                    order[reached] = target
                    reached += 1
    return result


@jit
def floyd_warshall(lengths: FloatArray) -> None:
    """Replace the lengths of connections, ``(pre, post)``, by those of shortest paths, in place.

    Of an undirected network, only the lower triangle is computed; the upper one would get the same numbers.
    """
    n_units = lengths.shape[0]
    undirected = True
    for unit in range(n_units):
        for other in range(unit):
            if lengths[unit, other] != lengths[other, unit]:
                undirected = False
                break
    from_middle = np.empty(n_units)
    to_middle = np.empty(n_units)
    for middle in range(n_units):
        from_middle[:] = lengths[middle]
        to_middle[:] = lengths[:, middle]
        if undirected:
            from_middle[middle:] = to_middle[middle:]
            to_middle[:] = from_middle
        for unit in range(n_units):
            length = to_middle[unit]
            if length == np.inf:
                continue
            row = lengths[unit]
            for target in range(unit if undirected else n_units):
                row[target] = min(row[target], length + from_middle[target])
    if undirected:
        for unit in range(n_units):
            lengths[:unit, unit] = lengths[unit, :unit]


@jit
def betweenness_weighted(direct: FloatArray, shortest: FloatArray) -> FloatArray:
    """Return betweenness, as `betweenness_binary` does, from the lengths of connections and of shortest paths.

    Both are ``(pre, post)``, 0 on the diagonal, infinite without a connection or path.
    """
    n_units = direct.shape[0]
    incoming = direct.T.copy()  # a row holds the connections to one unit
    result = np.zeros(n_units)
    paths = np.empty(n_units)
    dependency = np.empty(n_units)
    predecessors = np.empty(n_units * n_units, dtype=np.int64)
    starts = np.empty(n_units + 1, dtype=np.int64)
    for source in range(n_units):
        lengths = shortest[source]
        order = np.argsort(lengths, kind="mergesort")
        paths[:] = 0.0
        dependency[:] = 0.0
        paths[source] = 1.0
        count = 0
        reached = 1
        starts[1] = 0
        for index in range(1, n_units):
            target = order[index]
            if lengths[target] == np.inf:
                break
            reached += 1
            limit = lengths[target] * (1.0 + LENGTH_TOLERANCE)
            for unit in range(n_units):
                if unit != target and lengths[unit] + incoming[target, unit] <= limit:
                    predecessors[count] = unit
                    count += 1
                    paths[target] += paths[unit]
            starts[index + 1] = count
        for index in range(reached - 1, 0, -1):
            target = order[index]
            if paths[target] == 0.0:  # the last connection is so short that its source cannot be identified
                continue
            for link in range(starts[index], starts[index + 1]):
                unit = predecessors[link]
                dependency[unit] += paths[unit] / paths[target] * (1.0 + dependency[target])
            result[target] += dependency[target]
    return result


@jit
def rewire_directed(
    adjacency: NDArray[np.bool_], sources: NDArray[np.int64], targets: NDArray[np.int64], picks: NDArray[np.int64]
) -> None:
    """Swap the targets of pairs of connections, in place, unless a duplicate or self-connection would result."""
    for attempt in range(picks.shape[0]):
        i, j = picks[attempt, 0], picks[attempt, 1]
        a, b, c, d = sources[i], targets[i], sources[j], targets[j]
        if a == d or c == b or adjacency[a, d] or adjacency[c, b]:
            continue
        adjacency[a, b] = False
        adjacency[c, d] = False
        adjacency[a, d] = True
        adjacency[c, b] = True
        targets[i] = d
        targets[j] = b


@jit
def rewire_undirected(
    adjacency: NDArray[np.bool_], sources: NDArray[np.int64], targets: NDArray[np.int64], picks: NDArray[np.int64]
) -> None:
    """Swap ends of pairs of undirected connections, in place; the third pick may flip the second connection first."""
    for attempt in range(picks.shape[0]):
        i, j = picks[attempt, 0], picks[attempt, 1]
        a, b, c, d = sources[i], targets[i], sources[j], targets[j]
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
        sources[i] = a
        targets[i] = d
        sources[j] = c
        targets[j] = b
