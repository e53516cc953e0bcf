"""Null models that respect space: shuffled connections, rotated maps and surrogate maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray

__all__ = ["BINS", "map_correlation", "moran_surrogates", "shuffle_within_distances", "spin_permutations"]

BINS = 10  # of distance


def shuffle_within_distances(
    weights: ArrayLike, distances: ArrayLike, generator: np.random.Generator, bins: int = BINS
) -> FloatArray:
    """Shuffle the weights of networks among connections of similar length.

    All weights and their dependence on distance are preserved; which units they connect is not. If a measure is larger
    in these networks than after an unrestricted shuffle (``bins=1``), distance alone explains the difference.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; self-connections keep their weights.
    distances
        ``(pre, post)``.
    generator
        Draws the order.
    bins
        Number of distance bins with about equally many connections each; equal distances always share a bin. With 1,
        the shuffle is unrestricted.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, float64.

    References
    ----------
    Betzel & Bassett (2018), doi:10.1073/pnas.1720186115, for nulls that preserve the relation of weight and length.

    Examples
    --------
    >>> weights, distances = np.arange(9.0).reshape(3, 3), np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]])
    >>> shuffled = shuffle_within_distances(weights, distances, np.random.default_rng(0), bins=2)
    >>> sorted(shuffled[distances == 2].tolist()), np.diagonal(shuffled).tolist()
    ([2.0, 6.0], [0.0, 4.0, 8.0])
    """
    matrices = np.array(weights, dtype=np.float64)
    lengths = np.asarray(distances, dtype=np.float64)
    n_units = len(lengths)
    off_diagonal = np.flatnonzero(~np.eye(n_units, dtype=bool).ravel())
    length = lengths.ravel()[off_diagonal]
    edges = np.unique(np.quantile(length, np.linspace(0, 1, bins + 1)[1:-1]))
    label = np.searchsorted(edges, length)
    targets = off_diagonal[np.argsort(label, kind="stable")]
    flat = matrices.reshape(-1, n_units**2)
    for network in flat:
        network[targets] = network[off_diagonal[np.lexsort((generator.random(len(off_diagonal)), label))]]
    return flat.reshape(matrices.shape)


def spin_permutations(
    sphere: ArrayLike, count: int, generator: np.random.Generator, parts: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return permutations of units obtained by random rotations of a sphere (spin test).

    Rotated units are matched one to one to original positions so that the summed distance is smallest. If there are
    two hemispheres, the second is rotated as the mirror image of the first.

    Parameters
    ----------
    sphere
        Positions of units on a sphere centred at 0, ``(unit, 3)``.
    count
        Number of permutations.
    generator
        Draws the rotations.
    parts
        Hemisphere of each unit, 0 or 1, ``(unit,)``; by default all units are in one.

    Returns
    -------
    ndarray
        ``(permutation, unit)``; ``values[permutation]`` is the rotated map.

    References
    ----------
    Alexander-Bloch et al. (2018), doi:10.1016/j.neuroimage.2018.05.070; Váša et al. (2018), doi:10.1093/cercor/bhx249,
    for one-to-one matching.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist
    from scipy.spatial.transform import Rotation

    points = np.asarray(sphere, dtype=np.float64)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    hemispheres = np.zeros(len(points), dtype=np.int64) if parts is None else np.asarray(parts)
    mirror = np.diag([-1.0, 1.0, 1.0])
    permutations = np.empty((count, len(points)), dtype=np.int64)
    for row, matrix in enumerate(Rotation.random(count, rng=generator).as_matrix()):
        for hemisphere in np.unique(hemispheres):
            units = np.flatnonzero(hemispheres == hemisphere)
            rotation = mirror @ matrix @ mirror if hemisphere == 1 else matrix
            gaps = cdist(points[units], points[units] @ rotation.T)
            permutations[row, units] = units[linear_sum_assignment(gaps)[1]]
    return permutations


def moran_surrogates(values: ArrayLike, distances: ArrayLike, count: int, generator: np.random.Generator) -> FloatArray:
    r"""Return random maps with the mean, variance and spatial autocorrelation (Moran's I) of a given map.

    The map is expressed in the eigenvectors of the doubly centred matrix of :math:`1 / D` (Moran's eigenvector maps),
    and each coefficient gets a random sign. Only distances are needed, so this works on any geometry.

    Parameters
    ----------
    values
        One value per unit, ``(unit,)``.
    distances
        ``(pre, post)``, positive between different units.
    count
        Number of surrogates.
    generator
        Draws the signs.

    Returns
    -------
    ndarray
        ``(surrogate, unit)``.

    References
    ----------
    Wagner & Dray (2015), doi:10.1111/2041-210X.12407.
    """
    lengths = np.asarray(distances, dtype=np.float64)
    proximity = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    centred = proximity - proximity.mean(axis=0) - proximity.mean(axis=1)[:, None] + proximity.mean()
    eigenvalues, eigenvectors = np.linalg.eigh((centred + centred.T) / 2)
    original = np.asarray(values, dtype=np.float64)
    mean = original.mean()
    coefficients = eigenvectors.T @ (original - mean)
    constant = np.argmax(np.abs(eigenvectors.sum(axis=0)))  # the constant eigenvector would change the mean
    coefficients[constant] = 0
    signs = generator.choice([-1.0, 1.0], size=(count, len(eigenvalues)))
    return np.asarray(mean + (signs * coefficients) @ eigenvectors.T)


def map_correlation(one: ArrayLike, other: ArrayLike, surrogates: ArrayLike) -> tuple[float, float]:
    """Return the correlation of two maps and its p-value against surrogates of the first map.

    Parameters
    ----------
    one, other
        One value per unit, ``(unit,)``.
    surrogates
        Surrogates of the first map, ``(surrogate, unit)``.

    Returns
    -------
    r
        Pearson's correlation; NaN if a map is constant.
    p
        Two-sided; the first map itself counts as one of its surrogates.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if np.ptp(first) <= 1e-9 * np.abs(first).max() or np.ptp(second) <= 1e-9 * np.abs(second).max():
        return np.nan, np.nan
    maps = np.vstack([first[None], np.asarray(surrogates, dtype=np.float64)])
    centred, target = maps - maps.mean(axis=1, keepdims=True), second - second.mean()
    r = centred @ target / (np.linalg.norm(centred, axis=1) * np.linalg.norm(target))
    return float(r[0]), float((np.abs(r) >= np.abs(r[0]) * (1 - 1e-12)).mean())
