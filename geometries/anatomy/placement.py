"""Where to put units on a surface: evenly, at random, or in parcels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatialnets.geometries.anatomy.surface_lengths import lengths_from
from spatialnets.protocols import FloatArray

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["farthest_points", "parcel_medoids", "poisson_disk"]

IntArray = NDArray[np.int64]

HALVINGS = 40  # of the interval in which the radius of Poisson's disks lies


def farthest_points(lines: sparse.csr_matrix, n: int, first: int) -> IntArray:
    """Choose vertices one after another, each where it is farthest from those before.

    No two are closer than the farthest vertex is from its nearest: units are spread about evenly. The first `k` of
    `n` are what one gets for `k`.

    Parameters
    ----------
    lines
        Straight lines between vertices, as `spatialnets.geometries.anatomy.surface_lengths.straight_lines` gives them.
    n
        How many, at most as many as there are vertices.
    first
        The vertex to begin with.

    Returns
    -------
    ndarray
        Places of vertices, ``(n,)``.

    References
    ----------
    Gonzalez (1985), doi:10.1016/0304-3975(85)90224-5.
    """
    chosen = [first]
    nearest = lengths_from(lines, first)
    while len(chosen) < n:
        farthest = int(np.argmax(nearest))
        chosen.append(farthest)
        # beyond its own distance nothing can come nearer
        nearest = np.minimum(nearest, lengths_from(lines, farthest, limit=float(nearest[farthest])))
    return np.array(chosen, dtype=np.int64)


def poisson_disk(lines: sparse.csr_matrix, n: int, generator: np.random.Generator) -> IntArray:
    """Choose vertices at random, none closer to another than a radius that leaves room for just `n` of them.

    Vertices are tried in random order; one that is nearer to a chosen one than the radius is left out. The radius is
    found by halving. Where no radius gives just `n` units, the next larger number is thinned: of the two that are
    closest to each other the later is dropped.

    Parameters
    ----------
    lines
        Straight lines between vertices, as `spatialnets.geometries.anatomy.surface_lengths.straight_lines` gives them.
    n
        How many, at most as many as there are vertices.
    generator
        Decides the order.

    Returns
    -------
    ndarray
        Places of vertices, ``(n,)``.

    References
    ----------
    Cook (1986), doi:10.1145/7529.8927, for the dart throwing; lengths are along the surface here.
    """
    order = generator.permutation(lines.shape[0])
    narrow, wide = 0.0, float(lines.data.max() if lines.nnz else 0.0)
    chosen = order
    while len(thrown := _throw(lines, order, wide)) > n:
        narrow, wide, chosen = wide, 2 * wide, thrown
    for _ in range(HALVINGS):
        if len(thrown) == n:
            return thrown
        middle = (narrow + wide) / 2
        thrown = _throw(lines, order, middle)
        if len(thrown) >= n:
            narrow, chosen = middle, thrown
        else:
            wide = middle
    between = lengths_from(lines, chosen)[:, chosen]
    np.fill_diagonal(between, np.inf)
    while len(chosen) > n:
        later = max(divmod(int(np.argmin(between)), len(chosen)))
        chosen = np.delete(chosen, later)
        between = np.delete(np.delete(between, later, axis=0), later, axis=1)
    return np.asarray(chosen)


def _throw(lines: sparse.csr_matrix, order: IntArray, radius: float) -> IntArray:
    free = np.ones(len(order), dtype=bool)
    chosen = []
    for vertex in order:
        if free[vertex]:
            chosen.append(vertex)
            free &= lengths_from(lines, vertex, limit=radius) >= radius
            free[vertex] = False
    return np.array(chosen, dtype=np.int64)


def parcel_medoids(vertices: FloatArray, labels: IntArray, parcels: IntArray) -> IntArray:
    """Return for each parcel the one of its vertices that is nearest to their mean.

    Parameters
    ----------
    vertices
        Positions ``(vertex, 3)``.
    labels
        The parcel of each vertex, ``(vertex,)``.
    parcels
        The labels wanted, ``(parcel,)``; each must have a vertex.

    Returns
    -------
    ndarray
        Places of vertices, ``(parcel,)``.

    Examples
    --------
    >>> line = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]])
    >>> parcel_medoids(line, np.array([7, 7, 7, 8]), np.array([7, 8])).tolist()
    [1, 3]
    """
    medoids = []
    for parcel in parcels:
        members = np.flatnonzero(labels == parcel)
        away = np.linalg.norm(vertices[members] - vertices[members].mean(axis=0), axis=1)
        medoids.append(members[np.argmin(away)])
    return np.array(medoids, dtype=np.int64)
