"""Loops that move units between modules; compiled where numba is installed.

Importing this module imports numba, so that it is imported inside the functions that need it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.compiled import compiled
from spatialnets.protocols import FloatArray

__all__ = ["LEAST_GAIN", "improve_division", "louvain"]

LEAST_GAIN = 1e-10  # what gains less is rounding; weights are expected to be well above it


@compiled
def improve_division(columns: FloatArray, division: FloatArray, start: float) -> FloatArray:
    """Return the best state, if it gains more than `start`, on the way through all units each changing sides once.

    In each step the unit changes sides that gains most, or loses least, by it (Newman's fine-tuning). `columns` is the
    modularity matrix transposed, its diagonal zero; sides are -1 and 1.
    """
    n_units = len(division)
    moving, kept = division.copy(), division.copy()
    pull = np.zeros(n_units)  # of all others towards the side 1
    for unit in range(n_units):
        pull += columns[unit] * moving[unit]
    movable = np.ones(n_units, dtype=np.bool_)
    gain = best = start
    for _ in range(n_units):
        unit = int(np.argmin(np.where(movable, moving * pull, np.inf)))
        gain -= 4.0 * moving[unit] * pull[unit]
        pull -= columns[unit] * (2.0 * moving[unit])
        moving[unit] = -moving[unit]
        movable[unit] = False
        if gain > best:
            best = gain
            kept[:] = moving
    return kept


@compiled
def louvain(surplus: FloatArray, start: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
    """Return modules that no single move of a unit, nor of a module, improves.

    Units in random order move to the module where they gain most, until none does; modules then become units
    (Blondel et al. 2008). `surplus` is the symmetric modularity matrix divided by the weight of the network; `start`
    the module of each unit to begin with, 0 to n - 1.
    """
    modules = np.arange(surplus.shape[0])
    current = surplus.copy()
    member = start.copy()
    while True:
        size = current.shape[0]
        moved = True
        while moved:
            moved = False
            for unit in generator.permutation(size):
                own = member[unit]
                gains = np.bincount(member, current[unit], size)
                gains[own] -= current[unit, unit]
                best = np.argmax(gains)
                if gains[best] > gains[own] + LEAST_GAIN:
                    member[unit] = best
                    moved = True
        number = np.full(size, -1, dtype=np.int64)
        count = 0
        for unit in range(size):
            if number[member[unit]] < 0:
                number[member[unit]] = count
                count += 1
        for unit in range(len(modules)):
            modules[unit] = number[member[modules[unit]]]
        if count == size:
            return modules
        merged = np.zeros((count, count))
        for unit in range(size):
            for other in range(size):
                merged[number[member[unit]], number[member[other]]] += current[unit, other]
        current = merged
        member = np.arange(count)
