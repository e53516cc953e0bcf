"""Modularity: how far a network falls into groups of units that are wired among themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.protocols import FloatArray

__all__ = ["modularity"]

LEAST_GAIN = 1e-10  # a division that gains less is rounding


def modularity(weights: ArrayLike, directed: bool = False) -> tuple[FloatArray, NDArray[np.int64]]:
    r"""Return the modularity of each network and the modules that give it.

    .. math:: Q = \frac{1}{m} \sum_{ij} \left(A_{ij} - \frac{k_i k_j}{m}\right) \delta(c_i, c_j),
              \quad m = \sum_{ij} A_{ij}

    with column sums :math:`k` (``directed=False``), or with :math:`k^{out}_i k^{in}_j` (``directed=True``), at
    resolution 1. Modules are found by Newman's spectral bisection: a module is divided by the signs of the leading
    eigenvector of its modularity matrix, then single units are moved one after another, each to where it helps most,
    and the best state is kept; until no division gains. The outcome is deterministic and near, not at, the maximum.

    ``directed=False`` on a directed matrix is what the paper computed: in-strengths stand for both ends, the matrix
    is not symmetrised, and the real part of its leading eigenvector (largest real part of the eigenvalue) is taken.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, not negative; the diagonal takes part.
    directed
        Whether out- and in-strengths are told apart (Leicht & Newman).

    Returns
    -------
    Q
        ``(…)``; NaN where a network has no weight or weights that are not finite.
    modules
        The module of each unit, ``(…, unit)``, numbered from 1; 0 where Q is NaN.

    Raises
    ------
    ValueError
        If matrices are not square, or weights are negative.

    References
    ----------
    Newman (2006), doi:10.1073/pnas.0601602103; Leicht & Newman (2008), doi:10.1103/PhysRevLett.100.118703;
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eq. 9 (written there for binary links).

    Examples
    --------
    >>> two_pairs = np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
    >>> quality, modules = modularity(two_pairs)
    >>> float(quality), modules.tolist()
    (0.5, [1, 1, 2, 2])
    """
    matrices = np.asarray(weights, dtype=np.float64)
    if matrices.ndim < 2 or matrices.shape[-1] != matrices.shape[-2]:
        raise ValueError(f"modularity needs square matrices (…, pre, post), not {matrices.shape}")
    if (matrices < 0).any():
        raise ValueError("modularity needs weights that are not negative; take their magnitude")
    leading = matrices.shape[:-2]
    quality = np.full(int(np.prod(leading, dtype=int)), np.nan)
    modules = np.zeros((len(quality), matrices.shape[-1]), dtype=np.int64)
    for place, matrix in enumerate(matrices.reshape(-1, *matrices.shape[-2:])):
        total = matrix.sum()
        if not np.isfinite(total) or total == 0:
            continue
        k_in = matrix.sum(axis=0)
        k_out = matrix.sum(axis=1) if directed else k_in
        surplus = matrix - np.outer(k_out, k_in) / total
        if directed:
            surplus = (surplus + surplus.T) / 2
        modules[place] = _divide(surplus, _leading_symmetric if directed else _leading)
        same = modules[place][:, None] == modules[place][None, :]
        quality[place] = surplus[same].sum() / total
    return quality.reshape(leading), modules.reshape(*leading, -1)


def _leading(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eig(matrix)
    return vectors[:, np.argmax(values.real)].real


def _leading_symmetric(matrix: FloatArray) -> FloatArray:
    return np.linalg.eigh(matrix)[1][:, -1]


def _divide(surplus: FloatArray, leading: Callable[[FloatArray], FloatArray]) -> NDArray[np.int64]:
    """Divide modules in two for as long as that gains; number them in order of their first unit."""
    modules = np.zeros(len(surplus), dtype=np.int64)
    waiting, found = [np.arange(len(surplus))], 0
    while waiting:
        units = waiting.pop()
        within = surplus[np.ix_(units, units)]
        if len(units) < len(surplus):
            within = within - np.diag(within.sum(axis=0))  # so that a division counts its gain alone
        sides = _bisect(within, leading)
        if sides is None:
            modules[units] = found
            found += 1
        else:
            waiting += [units[sides < 0], units[sides > 0]]
    _, first, which = np.unique(modules, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which] + 1


def _bisect(within: FloatArray, leading: Callable[[FloatArray], FloatArray]) -> FloatArray | None:
    """Return the side of each unit, -1 or 1, or None if no division gains."""
    sides = np.where(leading(within) < 0, -1.0, 1.0)
    gain = best = float(sides @ within @ sides)
    if gain <= LEAST_GAIN:
        return None
    between = within.copy()
    np.fill_diagonal(between, 0)
    moving, kept = sides.copy(), sides
    movable = np.ones(len(sides), dtype=bool)
    for _ in range(len(sides)):
        after = np.where(movable, gain - 4 * moving * (between @ moving), -np.inf)
        unit = int(np.argmax(after))
        gain = float(after[unit])
        moving[unit] *= -1
        movable[unit] = False
        if gain > best:
            best, kept = gain, moving.copy()
    return None if abs(kept.sum()) == len(kept) else kept
