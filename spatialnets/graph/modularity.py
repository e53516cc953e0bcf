"""Modularity of a network, and search for the modules that maximise it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.graph.matrices import square_matrices
from spatialnets.validation import require_at_least

__all__ = ["REPEATS", "SEED", "modularity", "modularity_of"]

REPEATS = 20  # runs of Louvain; Q of their consensus is above the mean of the runs and usually near the best
SEED = 1998
MAX_ROUNDS = 50  # of consensus clustering; two or three are almost always enough

Modules = NDArray[np.int64]


def modularity(
    weights: ArrayLike,
    method: Literal["newman", "directed", "louvain"] = "newman",
    seed: int = SEED,
    repeats: int = REPEATS,
) -> tuple[FloatArray, Modules]:
    r"""Return the modularity of each network and the modules that (nearly) maximise it.

    .. math:: Q = \frac{1}{m} \sum_{ij} \left(A_{ij} - \frac{k_i k_j}{m}\right) \delta(c_i, c_j),
              \quad m = \sum_{ij} A_{ij}

    with in-strengths (column sums) :math:`k` for ``"newman"``, and with :math:`k^{out}_i k^{in}_j` in place of
    :math:`k_i k_j` for ``"directed"`` and ``"louvain"`` (Leicht & Newman). The resolution is 1. For undirected networks
    both are Newman's modularity.

    ``"newman"`` and ``"directed"`` find modules by Newman's spectral bisection: a module is divided by the signs of the
    leading eigenvector of its modularity matrix, then refined by moving single units, until no division increases
    :math:`Q`. The result is deterministic and near the maximum, but not always at it. ``"newman"`` on a directed matrix
    is what the paper computed: in-strengths are used for both ends, the matrix is not symmetrised, and the real part of
    the eigenvector whose eigenvalue has the largest real part is used.

    ``"louvain"`` moves units and then whole modules to where :math:`Q` gains most, in random order, `repeats` times,
    and returns the consensus of these runs: pairs of units that share a module more often than expected with shuffled
    labels form a new network, weighted by how often they do, which is clustered in the same way until all runs agree.
    Single units are then moved once more while :math:`Q` gains. :math:`Q` is that of the consensus on the original
    network.

    Parameters
    ----------
    weights
        ``(…, pre, post)``, non-negative; the diagonal is included.
    method
        ``"newman"``, ``"directed"`` or ``"louvain"``.
    seed
        Seed of Louvain's random order; results do not depend on the other networks of a batch.
    repeats
        Number of Louvain runs, at least 1.

    Returns
    -------
    Q
        ``(…)``; NaN for networks without weights or with non-finite weights.
    modules
        Module of each unit, ``(…, unit)``, numbered from 1; 0 where Q is NaN.

    Raises
    ------
    ValueError
        If matrices are not square, weights are negative, ``repeats`` is below 1, or the method is unknown.

    References
    ----------
    Newman (2006), doi:10.1073/pnas.0601602103; Leicht & Newman (2008), doi:10.1103/PhysRevLett.100.118703; Blondel et
    al. (2008), doi:10.1088/1742-5468/2008/10/P10008; Lancichinetti & Fortunato (2012), doi:10.1038/srep00336, for the
    consensus; Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eq. 9 (for binary connections).

    Examples
    --------
    >>> two_pairs = np.kron(np.eye(2), np.ones((2, 2)) - np.eye(2))
    >>> quality, modules = modularity(two_pairs)
    >>> float(quality), modules.tolist()
    (0.5, [1, 1, 2, 2])
    """
    if method not in ("newman", "directed", "louvain"):
        raise ValueError(f"method must be newman, directed or louvain, not {method!r}")
    require_at_least("repeats", repeats, 1)
    matrices = square_matrices(weights, "modularity", nonnegative=True)
    leading, n_units = matrices.shape[:-2], matrices.shape[-1]
    quality = np.full(int(np.prod(leading, dtype=int)), np.nan)
    modules = np.zeros((len(quality), n_units), dtype=np.int64)
    for row, matrix in enumerate(matrices.reshape(-1, n_units, n_units)):
        total = matrix.sum()
        if not np.isfinite(total) or total == 0:
            continue
        modularity_matrix = _modularity_matrix(matrix, directed=method != "newman")
        if method == "newman":
            labels = _divide(modularity_matrix, _leading_eigenvector)
        elif method == "directed":
            labels = _divide((modularity_matrix + modularity_matrix.T) / 2, _leading_eigenvector_symmetric)
        else:
            labels = _consensus((modularity_matrix + modularity_matrix.T) / (2 * total), repeats, seed)
        modules[row] = _renumber(labels)
        quality[row] = _quality(modularity_matrix, labels, total)
    return quality.reshape(leading), modules.reshape(*leading, n_units)


def modularity_of(weights: ArrayLike, modules: ArrayLike, directed: bool = True) -> FloatArray:
    r"""Return the modularity of networks for given modules.

    .. math:: Q = \frac{1}{m} \sum_{ij} \left(A_{ij} - \frac{k^{out}_i k^{in}_j}{m}\right) \delta(c_i, c_j),
              \quad m = \sum_{ij} A_{ij}

    Parameters
    ----------
    weights
        ``(…, pre, post)``, non-negative; the diagonal is included.
    modules
        Module of each unit, any integers, ``(…, unit)``, or ``(unit,)`` for the same modules in all networks.
    directed
        If False, in-strengths are used for both ends, as `modularity` does by default.

    Returns
    -------
    ndarray
        ``(…)``; NaN for networks without weights or with non-finite weights.

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
    matrices, labels = square_matrices(weights, "modularity", nonnegative=True), np.asarray(modules)
    if labels.ndim < 1 or labels.shape[-1] != matrices.shape[-1]:
        raise ValueError(
            f"modules must have one entry for each of {matrices.shape[-1]} units, not shape {labels.shape}"
        )
    try:
        labels = np.broadcast_to(labels, matrices.shape[:-1])
    except ValueError:
        raise ValueError(
            f"modules must have shape {matrices.shape[:-1]} or {matrices.shape[-1:]}, not {labels.shape}"
        ) from None
    leading, n_units = matrices.shape[:-2], matrices.shape[-1]
    quality = np.full(int(np.prod(leading, dtype=int)), np.nan)
    networks = zip(matrices.reshape(-1, n_units, n_units), labels.reshape(-1, n_units), strict=True)
    for row, (matrix, label) in enumerate(networks):
        total = matrix.sum()
        if np.isfinite(total) and total > 0:
            quality[row] = _quality(_modularity_matrix(matrix, directed), label, total)
    return quality.reshape(leading)


def _modularity_matrix(matrix: FloatArray, directed: bool) -> FloatArray:
    """Return the weight of each connection minus the weight expected from the strengths of its units."""
    k_in = matrix.sum(axis=0)
    k_out = matrix.sum(axis=1) if directed else k_in
    return np.asarray(matrix - np.outer(k_out, k_in) / matrix.sum())


def _quality(modularity_matrix: FloatArray, modules: NDArray[np.generic], total: float) -> float:
    return float(modularity_matrix[modules[:, None] == modules[None, :]].sum() / total)


def _renumber(modules: Modules) -> Modules:
    """Return modules numbered from 1 in the order of their first units."""
    _, first, labels = np.unique(modules, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[labels] + 1


# Newman's spectral bisection


@cache
def _initial_vector(n_units: int) -> FloatArray:
    return np.random.default_rng(0).standard_normal(n_units)


def _leading_eigenvector(matrix: FloatArray) -> FloatArray:
    """Return the real part of the eigenvector whose eigenvalue has the largest real part.

    Like LAPACK's, it is scaled so that its largest component is real. Inverse iteration from the eigenvalue takes half
    the time of computing all eigenvectors.
    """
    values = np.linalg.eigvals(matrix)
    return _inverse_iteration(matrix, values[np.argmax(values.real)], np.abs(values).max())


def _leading_eigenvector_symmetric(matrix: FloatArray) -> FloatArray | None:
    """Return the eigenvector of the largest eigenvalue, or None if that is so small that no division gains enough."""
    from spatialnets.graph.modularity_kernels import MIN_GAIN

    values = np.linalg.eigvalsh(matrix)
    scale = max(values[-1], -values[0])
    rounding = len(values) * np.finfo(np.float64).eps * scale
    if len(values) * (values[-1] + rounding) <= MIN_GAIN / 2:  # no signs have a larger quadratic form
        return None
    return _inverse_iteration(matrix, values[-1], scale)


def _inverse_iteration(matrix: FloatArray, value: np.complexfloating | np.floating, scale: float) -> FloatArray:
    near = value.real if value.imag == 0 else value
    # the shift keeps the system solvable, but is much smaller than the distance to the next eigenvalue
    shifted = matrix.astype(np.result_type(matrix, near))
    np.einsum("ii->i", shifted)[...] -= near + 1e-10 * scale
    vector: NDArray[np.inexact] = _initial_vector(len(matrix))
    for _ in range(2):  # each damps the other eigenvectors by 1e-10 over the distance of their eigenvalues
        try:
            vector = np.linalg.solve(shifted, vector)
        except np.linalg.LinAlgError:
            break
        largest = vector[np.argmax(np.abs(vector))]
        vector = vector / largest
    if np.isfinite(vector).all():
        return np.asarray(vector.real)
    values, vectors = np.linalg.eig(matrix)
    return np.asarray(vectors[:, np.argmax(values.real)].real)


def _divide(modularity_matrix: FloatArray, eigenvector: Callable[[FloatArray], FloatArray | None]) -> Modules:
    """Divide modules in two until no division increases modularity."""
    modules = np.zeros(len(modularity_matrix), dtype=np.int64)
    pending, count = [np.arange(len(modularity_matrix))], 0
    while pending:
        units = pending.pop()
        within = modularity_matrix[units[:, None], units]
        if len(units) < len(modularity_matrix):
            np.einsum("ii->i", within)[...] -= within.sum(axis=0)  # so that only the gain of the division counts
        sides = _bisect(within, eigenvector)
        if sides is None:
            modules[units] = count
            count += 1
        else:
            pending += [units[sides < 0], units[sides > 0]]
    return modules


def _bisect(within: FloatArray, eigenvector: Callable[[FloatArray], FloatArray | None]) -> FloatArray | None:
    """Return the side of each unit, -1 or 1, or None if no division increases modularity."""
    from spatialnets.graph.modularity_kernels import MIN_GAIN, improve_division

    vector = eigenvector(within)
    if vector is None:
        return None
    sides = np.where(vector < 0, -1.0, 1.0)
    gain = float(sides @ within @ sides)
    if gain <= MIN_GAIN:
        return None
    columns = within.T.copy()
    np.fill_diagonal(columns, 0)
    improved = improve_division(columns, sides, gain)
    return None if abs(improved.sum()) == len(improved) else improved


# Louvain


def _consensus(modularity_matrix: FloatArray, repeats: int, seed: int) -> Modules:
    """Return the modules on which repeated runs agree, after clustering their co-assignments until they do."""
    from spatialnets.graph.modularity_kernels import louvain

    generator = np.random.default_rng(seed)
    n_units = len(modularity_matrix)
    current = modularity_matrix
    for _ in range(MAX_ROUNDS):
        runs = np.array([louvain(current, np.arange(n_units), generator) for _ in range(repeats)])
        together = runs[:, :, None] == runs[:, None, :]
        if (together == together[0]).all():
            break
        association = together.mean(axis=0)
        np.fill_diagonal(association, 0)
        # the mean over pairs is the association expected if labels were shuffled over units
        expected = association.sum() / (n_units * (n_units - 1))
        association[association <= expected] = 0
        if not association.any():
            break
        current = _modularity_matrix(association, directed=True) / association.sum()
    return louvain(modularity_matrix, runs[0], generator)  # final moves on the network itself
