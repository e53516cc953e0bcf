"""Topology correction: the voxels of a mask that a closed surface of Euler number 2 can enclose."""

from __future__ import annotations

import heapq
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray

__all__ = ["grow"]

# The 27 voxels of a neighbourhood are bits 0 to 26 of an integer; bit 13 is the centre.
OFFSETS: list[tuple[int, ...]] = list(product((-1, 0, 1), repeat=3))
CENTRE = 1 << 13
AROUND = (1 << 27) - 1 - CENTRE


def _bit(offset: tuple[int, ...]) -> int:
    return 1 << OFFSETS.index(offset)


def _neighbours(max_steps: int) -> list[int]:
    """Return for each of the 27 voxels the voxels that differ from it by one in at most `max_steps` coordinates."""
    steps = np.abs(np.array(OFFSETS)[:, None] - np.array(OFFSETS))
    near = (steps.max(axis=2) == 1) & (steps.sum(axis=2) <= max_steps)
    table: list[int] = (near @ (1 << np.arange(27))).tolist()
    return table


NEAR_6, NEAR_18, NEAR_26 = _neighbours(1), _neighbours(2), _neighbours(3)
FACES, FACES_AND_EDGES = NEAR_6[13], NEAR_18[13]


def _boxes() -> tuple[list[tuple[int, int]], list[tuple[int, int, tuple[int, ...]]]]:
    """Return the squares of 2 x 2 voxels and the cubes of 2 x 2 x 2 voxels that contain the centre.

    For each square: the voxel opposite to the centre, and the two between. For each cube: the voxels other than the
    centre, the one opposite to it, and the other opposite pairs.
    """
    squares, cubes = [], []
    for corner in OFFSETS:
        members = [o for o in OFFSETS if any(o) and all(a in (0, b) for a, b in zip(o, corner, strict=True))]
        opposite, others = _bit(corner), sum(map(_bit, members))
        if len(members) == 3:
            squares.append((opposite, others - opposite))
        elif len(members) == 7:
            across = [(o, tuple(b - a for a, b in zip(o, corner, strict=True))) for o in members if o != corner]
            cubes.append((others, opposite, tuple({_bit(one) | _bit(other) for one, other in across})))
    return squares, cubes


SQUARES, CUBES = _boxes()


def _component(start: int, within: int, near: list[int]) -> int:
    """Return all voxels of `within` that are connected to those of `start`."""
    component = front = start
    while front:
        reached = 0
        while front:
            lowest = front & -front
            reached |= near[lowest.bit_length() - 1]
            front ^= lowest
        front = reached & within & ~component
        component |= front
    return component


def _is_connected(voxels: int, within: int, touching: int, near: list[int]) -> bool:
    """Return whether some voxels touch the centre and all of these are connected to each other."""
    start = voxels & touching
    if not start:
        return False
    component = _component(start & -start, voxels & within, near)
    return start & ~component == 0


@cache
def _may_join(around: int) -> bool:
    """Return whether adding the centre to the object keeps the topology of object and background.

    It does if the centre is simple for both pairs of connectivities (26 for the object and 6 for the background, and
    vice versa), and if no two voxels then touch only at an edge or a corner (the object stays well-composed).
    """
    empty = AROUND & ~around
    return (
        _is_connected(around, AROUND, AROUND, NEAR_26)
        and _is_connected(empty, FACES_AND_EDGES, FACES, NEAR_6)
        and _is_connected(empty, AROUND, AROUND, NEAR_26)
        and _is_connected(around, FACES_AND_EDGES, FACES, NEAR_6)
        and all(not around & opposite or around & beside for opposite, beside in SQUARES)
        and all(
            around & others != opposite and all(others & ~around != pair for pair in pairs)
            for others, opposite, pairs in CUBES
        )
    )


def grow(mask: NDArray[np.bool_], priority: FloatArray) -> NDArray[np.bool_]:
    """Grow a ball of voxels inside a mask, in order of priority, without changing the topology of the ball.

    Starting at the voxel with the highest priority, a voxel of the mask is added if it is simple: if adding it does not
    split, merge or close the object or the background. The result is connected, has no cavities or handles, and no two
    of its voxels touch only at an edge or a corner, so that a surface around it has Euler number 2. Voxels that would
    close a handle are left out where the priority is lowest.

    Parameters
    ----------
    mask
        Voxels that may be added, ``(x, y, z)``.
    priority
        Voxels with higher values are added first, ``(x, y, z)``; for example the depth below the surface of the mask.

    Returns
    -------
    ndarray
        Voxels of the ball, ``(x, y, z)``; empty if the mask is empty.

    References
    ----------
    Bertrand & Malandain (1994), doi:10.1016/0167-8655(94)90046-9, for simple voxels; Latecki, Eckhardt & Rosenfeld
    (1995), doi:10.1006/cviu.1995.1006, for well-composed sets.

    Examples
    --------
    >>> ring = np.pad(np.ones((3, 3, 1), dtype=bool), 1)
    >>> ring[2, 2, 1] = False
    >>> int(grow(ring, ring.astype(float)).sum())  # one of the eight voxels of a ring is left out
    7
    """
    if not mask.any():
        return np.zeros_like(mask)
    padded = np.pad(mask, 2)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    steps = [int(step) for step in np.array(OFFSETS) @ strides]
    # an added voxel is bit 26 - k in the neighbourhood of its neighbour at offset k
    marks = [(step, 1 << (26 - k)) for k, step in enumerate(steps) if step]
    allowed = padded.ravel().tolist()
    rank = (-np.pad(priority, 2).astype(np.float64)).ravel().tolist()
    around = [0] * padded.size
    inside, waiting = bytearray(padded.size), bytearray(padded.size)
    seed = int(np.argmin(np.where(padded.ravel(), rank, np.inf)))
    heap = [(rank[seed], seed)]
    while heap:
        _, voxel = heapq.heappop(heap)
        waiting[voxel] = False
        if voxel != seed and not _may_join(around[voxel]):
            continue  # tried again when a neighbour is added
        inside[voxel] = True
        for step, mark in marks:
            near = voxel + step
            around[near] |= mark
            if allowed[near] and not inside[near] and not waiting[near]:
                waiting[near] = True
                heapq.heappush(heap, (rank[near], near))
    grown = np.frombuffer(bytes(inside), dtype=bool).reshape(padded.shape)
    return grown[2:-2, 2:-2, 2:-2].copy()
