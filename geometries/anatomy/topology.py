"""Voxels that form one piece without holes: what a closed surface of Euler number 2 goes around."""

from __future__ import annotations

import heapq
from functools import cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import FloatArray

__all__ = ["grow"]

# The 27 voxels of a neighbourhood are bits 0 to 26 of an integer; bit 13 is the centre.
OFFSETS = list(product((-1, 0, 1), repeat=3))
CENTRE = 1 << 13
AROUND = (1 << 27) - 1 - CENTRE


def _bit(offset: tuple[int, ...]) -> int:
    return 1 << OFFSETS.index((offset[0], offset[1], offset[2]))


def _steps(offset: tuple[int, ...]) -> int:
    return sum(abs(step) for step in offset)


def _neighbours(most: int) -> list[int]:
    """Return for each of the 27 voxels those that differ by one in at most `most` coordinates."""
    table = []
    for one in OFFSETS:
        near = 0
        for other in OFFSETS:
            apart = [abs(a - b) for a, b in zip(one, other, strict=True)]
            if max(apart) == 1 and sum(apart) <= most:
                near |= _bit(other)
        table.append(near)
    return table


NEAR_6, NEAR_26 = _neighbours(1), _neighbours(3)
FACES = sum(_bit(offset) for offset in OFFSETS if _steps(offset) == 1)
FACES_AND_EDGES = FACES | sum(_bit(offset) for offset in OFFSETS if _steps(offset) == 2)


def _squares() -> list[tuple[int, int]]:
    """Return for each square of 2 x 2 voxels with the centre: the voxel opposite, and the two between."""
    squares = []
    for offset in OFFSETS:
        if _steps(offset) == 2:
            axes = [axis for axis in range(3) if offset[axis]]
            beside = 0
            for axis in axes:
                step = [0, 0, 0]
                step[axis] = offset[axis]
                beside |= _bit(tuple(step))
            squares.append((_bit(offset), beside))
    return squares


def _cubes() -> list[tuple[int, int, tuple[int, ...]]]:
    """Return for each cube of 2 x 2 x 2 voxels with the centre: the others, the opposite one, other opposite pairs."""
    cubes = []
    for corner in (offset for offset in OFFSETS if _steps(offset) == 3):
        kept = [chosen for chosen in product((0, 1), repeat=3) if any(chosen)]
        members = [tuple(corner[axis] * chosen[axis] for axis in range(3)) for chosen in kept]
        pairs = {
            _bit(member) | _bit(tuple(c - m for c, m in zip(corner, member, strict=True)))
            for member in members
            if member != corner
        }
        cubes.append((sum(_bit(member) for member in members), _bit(corner), tuple(pairs)))
    return cubes


SQUARES, CUBES = _squares(), _cubes()


def _piece(of: int, within: int, near: list[int]) -> int:
    """Return all voxels of `within` that are connected with those of `of`."""
    piece = front = of
    while front:
        reached = 0
        while front:
            lowest = front & -front
            reached |= near[lowest.bit_length() - 1]
            front ^= lowest
        front = reached & within & ~piece
        piece |= front
    return piece


def _one_piece(voxels: int, within: int, touching: int, near: list[int]) -> bool:
    """Tell whether the voxels that touch the centre are there and in one piece."""
    start = voxels & touching
    if not start:
        return False
    piece = _piece(start & -start, voxels & within, near)
    return start & ~piece == 0


@cache
def _may_join(around: int) -> bool:
    """Tell whether the centre may join the object of its neighbourhood without changing how anything is connected.

    It may if it is simple both ways (object by 26 neighbours and background by 6, and the reverse) and no two voxels
    then touch by an edge or a corner alone (the object stays well-composed).
    """
    empty = AROUND & ~around
    return (
        _one_piece(around, AROUND, AROUND, NEAR_26)
        and _one_piece(empty, FACES_AND_EDGES, FACES, NEAR_6)
        and _one_piece(empty, AROUND, AROUND, NEAR_26)
        and _one_piece(around, FACES_AND_EDGES, FACES, NEAR_6)
        and all(not around & opposite or around & beside for opposite, beside in SQUARES)
        and all(
            around & others != opposite and all(others & ~around != pair for pair in pairs)
            for others, opposite, pairs in CUBES
        )
    )


def grow(mask: NDArray[np.bool_], priority: FloatArray) -> NDArray[np.bool_]:
    """Grow a ball of voxels inside a mask, in order of priority, never changing its topology.

    From the voxel of highest priority on, a voxel of the mask joins if it is simple: if neither object nor background
    thereby falls apart, closes or merges. The outcome is one piece without holes or handles, in which no two voxels
    touch by an edge or corner alone, so that a surface around it has Euler number 2. What would close a handle of the
    mask is left out, where priority is lowest.

    Parameters
    ----------
    mask
        Voxels that may take part, ``(x, y, z)``.
    priority
        Higher joins earlier, ``(x, y, z)``; such as the depth below the surface of the mask.

    Returns
    -------
    ndarray
        Voxels of the ball, ``(x, y, z)``; empty if the mask is.

    References
    ----------
    Bertrand & Malandain (1994), doi:10.1016/0167-8655(94)90046-9, for simple voxels; Latecki, Eckhardt & Rosenfeld
    (1995), doi:10.1006/cviu.1995.1006, for well-composed sets.

    Examples
    --------
    >>> ring = np.pad(np.ones((3, 3, 1), dtype=bool), 1)
    >>> ring[2, 2, 1] = False
    >>> int(grow(ring, ring.astype(float)).sum())  # of eight voxels in a ring one is left out
    7
    """
    if not mask.any():
        return np.zeros_like(mask)
    padded = np.pad(mask, 2)
    strides = np.array([padded.shape[1] * padded.shape[2], padded.shape[2], 1])
    steps = [int(step) for step in np.array(OFFSETS) @ strides]
    # a voxel that joins is bit 26 - k in the neighbourhood of the voxel that lies at its offset k
    marks = [(step, 1 << (26 - place)) for place, step in enumerate(steps) if step]
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
            continue  # it is asked again when a neighbour joins
        inside[voxel] = True
        for step, mark in marks:
            near = voxel + step
            around[near] |= mark
            if allowed[near] and not inside[near] and not waiting[near]:
                waiting[near] = True
                heapq.heappush(heap, (rank[near], near))
    grown = np.frombuffer(bytes(inside), dtype=bool).reshape(padded.shape)
    return grown[2:-2, 2:-2, 2:-2].copy()
