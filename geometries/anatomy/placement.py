"""Placement of units on a surface: evenly, at random, or in parcels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.geometries.anatomy.surface_lengths import lengths_from

if TYPE_CHECKING:
    from scipy import sparse

__all__ = ["farthest_points", "parcel_medoids", "poisson_disk"]

IntArray = NDArray[np.int64]

BISECTIONS = 40  # of the interval that contains the radius of the Poisson disks


def farthest_points(lines: sparse.csr_matrix, n: int, first: int) -> IntArray:
    """Return vertices spread evenly over a surface: each is the farthest from all previous ones.

    The smallest distance between two of them is at least the distance of any vertex of the surface from the nearest of
    them. The first `k` of `n` vertices are those returned for `k`.

    Parameters
    ----------
    lines
        Lengths of straight lines, from `spatialnets.geometries.anatomy.surface_lengths.straight_lines`.
    n
        Number of vertices to return, at most that of the surface.
    first
        Index of the first vertex.

    Returns
    -------
    ndarray
        Indices of vertices, ``(n,)``.

    References
    ----------
    Gonzalez (1985), doi:10.1016/0304-3975(85)90224-5.
    """
    chosen = [first]
    nearest = lengths_from(lines, first)
    while len(chosen) < n:
        farthest = int(np.argmax(nearest))
        chosen.append(farthest)
        # no vertex is farther than `limit` from the previous ones, so longer paths change nothing
        nearest = np.minimum(nearest, lengths_from(lines, farthest, limit=float(nearest[farthest])))
    return np.array(chosen, dtype=np.int64)


def poisson_disk(lines: sparse.csr_matrix, n: int, generator: np.random.Generator) -> IntArray:
    """Return random vertices with a minimum distance that is chosen so that exactly `n` of them fit.

    Vertices are tried in random order; those within the minimum distance of an accepted vertex are skipped. The minimum
    distance is found by bisection. If no value gives exactly `n` vertices, the next larger number is thinned: the
    later of the two closest vertices is dropped until `n` remain.

    Parameters
    ----------
    lines
        Lengths of straight lines, from `spatialnets.geometries.anatomy.surface_lengths.straight_lines`.
    n
        Number of vertices to return, at most that of the surface.
    generator
        Generator of the random order.

    Returns
    -------
    ndarray
        Indices of vertices, ``(n,)``.

    References
    ----------
    Cook (1986), doi:10.1145/7529.8927, for dart throwing; here, distances are measured along the surface.
    """
    order = generator.permutation(lines.shape[0])
    narrow, wide = 0.0, float(lines.data.max() if lines.nnz else 0.0)
    chosen = order
    while len(thrown := _throw(lines, order, wide)) > n:
        narrow, wide, chosen = wide, 2 * wide, thrown
    for _ in range(BISECTIONS):
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
    """Return the medoid of each parcel, the vertex nearest to the mean position of its vertices.

    Parameters
    ----------
    vertices
        Positions ``(vertex, 3)``.
    labels
        Parcel of each vertex, ``(vertex,)``.
    parcels
        Labels of the parcels, ``(parcel,)``; each must have a vertex.

    Returns
    -------
    ndarray
        Indices of vertices, ``(parcel,)``.

    Examples
    --------
    >>> line = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]])
    >>> parcel_medoids(line, np.array([7, 7, 7, 8]), np.array([7, 8])).tolist()
    [1, 3]
    """
    medoids = []
    for parcel in parcels:
        members = np.flatnonzero(labels == parcel)
        offset = np.linalg.norm(vertices[members] - vertices[members].mean(axis=0), axis=1)
        medoids.append(members[np.argmin(offset)])
    return np.array(medoids, dtype=np.int64)
