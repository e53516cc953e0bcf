"""Modularity: how far a network falls into groups of units that are wired among themselves."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.graph.matrices import square_matrices
from spatialnets.protocols import FloatArray

__all__ = ["REPEATS", "SEED", "modularity", "modularity_of"]

REPEATS = 20  # of Louvain; Q of the consensus of 20 is above the mean of all, and mostly the best of them
SEED = 1998
ROUNDS = 50  # of clustering the associations anew; two or three do nearly always

Modules = NDArray[np.int64]


def modularity(
    weights: ArrayLike,
    method: Literal["newman", "directed", "louvain"] = "newman",
    seed: int = SEED,
    repeats: int = REPEATS,
) -> tuple[FloatArray, Modules]:
    r"""Return the modularity of each network and the modules that give it.

    .. math:: Q = \frac{1}{m} \sum_{ij} \left(A_{ij} - \frac{k_i k_j}{m}\right) \delta(c_i, c_j),
              \quad m = \sum_{ij} A_{ij}

    with column sums :math:`k` (``"newman"``), or with :math:`k^{out}_i k^{in}_j` (``"directed"`` and ``"louvain"``;
    Leicht & Newman), at resolution 1. On undirected networks both are Newman's modularity.

    ``"newman"`` and ``"directed"`` find modules by Newman's spectral bisection: a module is divided by the signs of the
    leading eigenvector of its modularity matrix, then single units are moved one after another, each to where it helps
    most, and the best state is kept; until no division gains. The outcome is deterministic and near, not at, the
    maximum. ``"newman"`` on a directed matrix is what the paper computed: in-strengths stand for both ends, the matrix
    is not symmetrised, and the real part of its leading eigenvector (largest real part of the eigenvalue) is taken.

    ``"louvain"`` moves units, then modules, to where they gain most, `repeats` times in random order, and returns the
    consensus: units that are together more often than if the modules' labels were shuffled are connected by how often
    they are, these connections are clustered as often again, and so on until all agree; then units move once more
    while that gains. :math:`Q` is that of the consensus on the network itself.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, not negative; the diagonal takes part.
    method
        ``"newman"``, ``"directed"`` or ``"louvain"``.
    seed
        Of Louvain's order; each network's is the same in whatever batch it is.
    repeats
        Of Louvain, at least 1.

    Returns
    -------
    Q
        ``(…)``; NaN where a network has no weight or weights that are not finite.
    modules
        The module of each unit, ``(…, unit)``, numbered from 1; 0 where Q is NaN.

    Raises
    ------
    ValueError
        If matrices are not square, weights are negative, or the method is no known word.

    References
    ----------
    Newman (2006), doi:10.1073/pnas.0601602103; Leicht & Newman (2008), doi:10.1103/PhysRevLett.100.118703; Blondel et
    al. (2008), doi:10.1088/1742-5468/2008/10/P10008; Lancichinetti & Fortunato (2012), doi:10.1038/srep00336, for the
    consensus; Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eq. 9 (written there for binary links).

    Examples
    --------
    >>> two_pairs = np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
    >>> quality, modules = modularity(two_pairs)
    >>> float(quality), modules.tolist()
    (0.5, [1, 1, 2, 2])
    """
    if method not in ("newman", "directed", "louvain"):
        raise ValueError(f"method must be newman, directed or louvain, not {method!r}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, not {repeats}")
    matrices = _not_negative(weights)
    leading, n_units = matrices.shape[:-2], matrices.shape[-1]
    quality = np.full(int(np.prod(leading, dtype=int)), np.nan)
    modules = np.zeros((len(quality), n_units), dtype=np.int64)
    for place, matrix in enumerate(matrices.reshape(-1, n_units, n_units)):
        total = matrix.sum()
        if not np.isfinite(total) or total == 0:
            continue
        surplus = _surplus(matrix, directed=method != "newman")
        if method == "newman":
            found = _divide(surplus, _leading)
        elif method == "directed":
            found = _divide((surplus + surplus.T) / 2, _leading_symmetric)
        else:
            found = _consensus((surplus + surplus.T) / (2 * total), repeats, seed)
        modules[place] = _in_order(found)
        quality[place] = _quality(surplus, found, total)
    return quality.reshape(leading), modules.reshape(*leading, n_units)


def modularity_of(weights: ArrayLike, modules: ArrayLike, directed: bool = True) -> FloatArray:
    r"""Return the modularity of networks in given modules.

    .. math:: Q = \frac{1}{m} \sum_{ij} \left(A_{ij} - \frac{k^{out}_i k^{in}_j}{m}\right) \delta(c_i, c_j),
              \quad m = \sum_{ij} A_{ij}

    Parameters
    ----------
    weights
        ``(…, pre, post)``, not negative; the diagonal takes part.
    modules
        The module of each unit, any integers, ``(…, unit)``; ``(unit,)`` if it is the same in all networks.
    directed
        ``False``: in-strengths stand for both ends, as `modularity` has it by default.

    Returns
    -------
    ndarray
        ``(…)``; NaN where a network has no weight or weights that are not finite.

    Raises
    ------
    ValueError
        If matrices are not square, weights are negative, or there is not one module for each unit.

    References
    ----------
    Newman (2006), doi:10.1073/pnas.0601602103; Leicht & Newman (2008), doi:10.1103/PhysRevLett.100.118703.

    Examples
    --------
    >>> two_pairs = np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
    >>> float(modularity_of(two_pairs, [0, 0, 1, 1])), float(modularity_of(two_pairs, [0, 0, 0, 0]))
    (0.5, 0.0)
    """
    matrices, labels = _not_negative(weights), np.asarray(modules)
    if labels.ndim < 1 or labels.shape[-1] != matrices.shape[-1]:
        raise ValueError(f"modules have shape {labels.shape}; expected one for each of {matrices.shape[-1]} units")
    try:
        labels = np.broadcast_to(labels, matrices.shape[:-1])
    except ValueError:
        raise ValueError(
            f"modules have shape {labels.shape}; expected {matrices.shape[:-1]} or {matrices.shape[-1:]}"
        ) from None
    leading, n_units = matrices.shape[:-2], matrices.shape[-1]
    quality = np.full(int(np.prod(leading, dtype=int)), np.nan)
    each = zip(matrices.reshape(-1, n_units, n_units), labels.reshape(-1, n_units), strict=True)
    for place, (matrix, label) in enumerate(each):
        total = matrix.sum()
        if np.isfinite(total) and total > 0:
            quality[place] = _quality(_surplus(matrix, directed), label, total)
    return quality.reshape(leading)


def _not_negative(weights: ArrayLike) -> FloatArray:
    matrices = square_matrices(weights, "modularity")
    if (matrices < 0).any():
        raise ValueError("modularity needs weights that are not negative; take their magnitude")
    return matrices


def _surplus(matrix: FloatArray, directed: bool) -> FloatArray:
    """Return how much stronger each connection is than strengths alone would have it."""
    k_in = matrix.sum(axis=0)
    k_out = matrix.sum(axis=1) if directed else k_in
    return np.asarray(matrix - np.outer(k_out, k_in) / matrix.sum())


def _quality(surplus: FloatArray, modules: NDArray[np.generic], total: float) -> float:
    return float(surplus[modules[:, None] == modules[None, :]].sum() / total)


def _in_order(modules: Modules) -> Modules:
    """Return modules numbered from 1 in the order of their first units."""
    _, first, which = np.unique(modules, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[which] + 1


# Newman's bisection


@cache
def _somewhere(n_units: int) -> FloatArray:
    return np.random.default_rng(0).standard_normal(n_units)


def _leading(matrix: FloatArray) -> FloatArray:
    """Return the real part of the eigenvector whose eigenvalue has the largest real part.

    As LAPACK gives it, with its largest component real, but by inverse iteration from the eigenvalue alone: all
    eigenvectors take twice the time.
    """
    values = np.linalg.eigvals(matrix)
    return _by_inverse_iteration(matrix, values[np.argmax(values.real)], np.abs(values).max())


def _leading_symmetric(matrix: FloatArray) -> FloatArray:
    values = np.linalg.eigvalsh(matrix)
    return _by_inverse_iteration(matrix, values[-1], np.abs(values).max())


def _by_inverse_iteration(matrix: FloatArray, value: np.complexfloating | np.floating, scale: float) -> FloatArray:
    near = value.real if value.imag == 0 else value
    # beside the eigenvalue, where the system can be solved, and nearer to it than any other eigenvalue will be
    shifted = matrix - (near + 1e-10 * scale) * np.eye(len(matrix))
    vector: NDArray[np.inexact] = _somewhere(len(matrix))
    for _ in range(2):  # each makes what belongs to other eigenvalues smaller by 1e-10 over their distance
        try:
            vector = np.linalg.solve(shifted, vector)
        except np.linalg.LinAlgError:
            break
        largest = vector[np.argmax(np.abs(vector))]
        vector = vector / largest
    if np.isfinite(vector).all():
        return np.asarray(vector.real)
    every, vectors = np.linalg.eig(matrix)
    return np.asarray(vectors[:, np.argmax(every.real)].real)


def _divide(surplus: FloatArray, leading: Callable[[FloatArray], FloatArray]) -> Modules:
    """Divide modules in two for as long as that gains."""
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
    return modules


def _bisect(within: FloatArray, leading: Callable[[FloatArray], FloatArray]) -> FloatArray | None:
    """Return the side of each unit, -1 or 1, or None if no division gains."""
    from spatialnets.graph.modularity_kernels import LEAST_GAIN, improve_division

    sides = np.where(leading(within) < 0, -1.0, 1.0)
    gain = float(sides @ within @ sides)
    if gain <= LEAST_GAIN:
        return None
    columns = within.T.copy()
    np.fill_diagonal(columns, 0)
    kept = improve_division(columns, sides, gain)
    return None if abs(kept.sum()) == len(kept) else kept


# Louvain's moves


def _consensus(surplus: FloatArray, repeats: int, seed: int) -> Modules:
    """Return the modules on which repeated runs agree, the associations of units clustered until they do."""
    from spatialnets.graph.modularity_kernels import louvain

    generator = np.random.default_rng(seed)
    alone = np.arange(len(surplus))
    between = surplus
    for _ in range(ROUNDS):
        runs = np.array([louvain(between, alone, generator) for _ in range(repeats)])
        together = runs[:, :, None] == runs[:, None, :]
        if (together == together[0]).all():
            break
        association = together.mean(axis=0)
        np.fill_diagonal(association, 0)
        # with labels shuffled over units, any two would be together as often as a pair is on average
        chance = association.sum() / (len(surplus) * (len(surplus) - 1))
        association[association <= chance] = 0
        if not association.any():
            break
        between = _surplus(association, directed=True) / association.sum()
    return louvain(surplus, runs[0], generator)  # associations know nothing of weights: what still gains, moves
