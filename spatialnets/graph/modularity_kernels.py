"""Search for modules by moving units between them: the inner loops, compiled if numba is installed.

Importing this module imports numba; import it inside the functions that need it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.compiled import jit

__all__ = ["MIN_GAIN", "improve_division", "louvain"]

MIN_GAIN = 1e-10  # smaller gains are rounding errors; weights are expected to be well above this


@jit
def improve_division(columns: FloatArray, division: FloatArray, start: float) -> FloatArray:
    """Improve a division into two modules by moving single units (Newman's fine-tuning).

    Each unit changes sides once; at each step it is the unit whose move gains most or loses least. The best state on
    the way is returned, or `division` if none gains more than `start`. `columns` is the transposed modularity matrix
    with a zero diagonal; sides are -1 and 1.
    """
    n_units = len(division)
    moving, kept = division.copy(), division.copy()
    pull = np.zeros(n_units)  # of all other units towards side 1
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


@jit
def louvain(
    modularity_matrix: FloatArray, start: NDArray[np.int64], generator: np.random.Generator
) -> NDArray[np.int64]:
    """Return modules that no move of a single unit or of a whole module improves (Blondel et al. 2008).

    Units, in random order, move to the module where they gain most until no move gains; then each module becomes one
    unit of a smaller network. `modularity_matrix` is symmetric and divided by the total weight of the network; `start`
    is the initial module of each unit, 0 to n - 1.
    """
    modules = np.arange(modularity_matrix.shape[0])
    current = modularity_matrix.copy()
    member = start.copy()
    while True:
        size = current.shape[0]
        moved = True
        while moved:
            moved = False
            for unit in generator.permutation(size):
                module = member[unit]
                gains = np.bincount(member, current[unit], size)
                gains[module] -= current[unit, unit]
                best = np.argmax(gains)
                if gains[best] > gains[module] + MIN_GAIN:
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
