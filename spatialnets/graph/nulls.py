"""Chance that respects space: what a measure would be if nothing but distance, or smoothness, were kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.protocols import FloatArray

__all__ = ["BINS", "map_correlation", "moran_surrogates", "shuffle_within_distances", "spin_permutations"]

BINS = 10


def shuffle_within_distances(
    weights: ArrayLike, distances: ArrayLike, generator: np.random.Generator, bins: int = BINS
) -> FloatArray:
    """Return networks whose weights are shuffled among connections of about the same length.

    How weight depends on distance is kept, and so is every weight; which units it connects is not. What a measure is in
    these networks beyond what it is with weights shuffled anywhere (``bins=1``) comes from the lengths alone.

    Parameters
    ----------
    weights
        ``(…, pre, post)``; self-connections stay where they are.
    distances
        ``(pre, post)``.
    generator
        Decides the order.
    bins
        How many classes of length, each with about as many connections; equal lengths are always in one class. With
        1, weights may go anywhere.

    Returns
    -------
    ndarray
        ``(…, pre, post)``, float64.

    References
    ----------
    Betzel & Bassett (2018), doi:10.1073/pnas.1720186115, for nulls that keep the relation of weight and length.

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
    apart = np.flatnonzero(~np.eye(n_units, dtype=bool).ravel())
    length = lengths.ravel()[apart]
    edges = np.unique(np.quantile(length, np.linspace(0, 1, bins + 1)[1:-1]))
    label = np.searchsorted(edges, length)
    into = apart[np.argsort(label, kind="stable")]
    flat = matrices.reshape(-1, n_units**2)
    for network in flat:
        network[into] = network[apart[np.lexsort((generator.random(len(apart)), label))]]
    return flat.reshape(matrices.shape)


def spin_permutations(
    sphere: ArrayLike, count: int, generator: np.random.Generator, parts: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """Return permutations of units by random rotations of the sphere on which they lie.

    Each rotated unit takes the place of a different unit, so that the places are as near as possible in all. Of two
    hemispheres, the second is rotated as the mirror image of the first.

    Parameters
    ----------
    sphere
        Where each unit lies on a sphere around 0, ``(unit, 3)``.
    count
        How many permutations.
    generator
        Decides the rotations.
    parts
        Which hemisphere each unit belongs to, 0 or 1, ``(unit,)``; by default they are one.

    Returns
    -------
    ndarray
        ``(permutation, unit)``: a map ``values`` is rotated as ``values[permutation]``.

    References
    ----------
    Alexander-Bloch et al. (2018), doi:10.1016/j.neuroimage.2018.05.070; Váša et al. (2018), doi:10.1093/cercor/bhx249,
    for places that are all different.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist
    from scipy.spatial.transform import Rotation

    points = np.asarray(sphere, dtype=np.float64)
    points = points / np.linalg.norm(points, axis=1, keepdims=True)
    side = np.zeros(len(points), dtype=np.int64) if parts is None else np.asarray(parts)
    mirror = np.diag([-1.0, 1.0, 1.0])
    permutations = np.empty((count, len(points)), dtype=np.int64)
    for place, turn in enumerate(Rotation.random(count, rng=generator).as_matrix()):
        for number in np.unique(side):
            own = np.flatnonzero(side == number)
            rotation = mirror @ turn @ mirror if number == 1 else turn
            away = cdist(points[own], points[own] @ rotation.T)
            permutations[place, own] = own[linear_sum_assignment(away)[1]]
    return permutations


def moran_surrogates(values: ArrayLike, distances: ArrayLike, count: int, generator: np.random.Generator) -> FloatArray:
    r"""Return random maps with the mean, the variance and the spatial autocorrelation (Moran's I) of a map.

    The map is written in the eigenvectors of the doubly centred matrix of :math:`1 / D` (Moran's eigenvector maps), and
    each coefficient gets a random sign. It works on any geometry, as it needs distances alone.

    Parameters
    ----------
    values
        One per unit, ``(unit,)``.
    distances
        ``(pre, post)``, positive between different units.
    count
        How many surrogates.
    generator
        Decides the signs.

    Returns
    -------
    ndarray
        ``(surrogate, unit)``.

    References
    ----------
    Wagner & Dray (2015), doi:10.1111/2041-210X.12407.
    """
    lengths = np.asarray(distances, dtype=np.float64)
    near = np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
    centred = near - near.mean(axis=0) - near.mean(axis=1)[:, None] + near.mean()
    eigenvalues, maps = np.linalg.eigh((centred + centred.T) / 2)
    map_ = np.asarray(values, dtype=np.float64)
    mean = map_.mean()
    coefficients = maps.T @ (map_ - mean)
    constant = np.argmax(np.abs(maps.sum(axis=0)))  # the eigenvector of the mean; no surrogate may take part of it
    coefficients[constant] = 0
    signs = generator.choice([-1.0, 1.0], size=(count, len(eigenvalues)))
    return np.asarray(mean + (signs * coefficients) @ maps.T)


def map_correlation(one: ArrayLike, other: ArrayLike, surrogates: ArrayLike) -> tuple[float, float]:
    """Return the correlation of two maps, and how often surrogates of the first correlate as much with the second.

    Parameters
    ----------
    one, other
        One value per unit, ``(unit,)``.
    surrogates
        Of the first map, ``(surrogate, unit)``.

    Returns
    -------
    r
        Pearson's correlation; NaN if a map is constant.
    p
        Two-sided; the map itself counts as one of its surrogates.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if np.ptp(first) <= 1e-9 * np.abs(first).max() or np.ptp(second) <= 1e-9 * np.abs(second).max():
        return np.nan, np.nan
    maps = np.vstack([first[None], np.asarray(surrogates, dtype=np.float64)])
    centred, target = maps - maps.mean(axis=1, keepdims=True), second - second.mean()
    r = centred @ target / (np.linalg.norm(centred, axis=1) * np.linalg.norm(target))
    return float(r[0]), float((np.abs(r) >= np.abs(r[0]) * (1 - 1e-12)).mean())
