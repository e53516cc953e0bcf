"""Triangle meshes from files, and what must hold before lengths are taken along one."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.files.reading import GIFTI_ENDINGS, UnfitFile, reading
from spatialnets.geometries.anatomy.gifti import read_gifti
from spatialnets.protocols import FloatArray, Surface

if TYPE_CHECKING:
    import trimesh

__all__ = ["Cleaned", "as_trimesh", "clean", "components", "read_surface"]

IntArray = NDArray[np.int64]

MESH_ENDINGS = (".obj", ".off", ".ply", ".stl")  # formats that hold their triangles themselves
FREESURFER = (b"\xff\xff\xfe", b"\xff\xff\xff", b"\xff\xff\xfd")  # how a FreeSurfer surface begins


@dataclass(frozen=True)
class Cleaned:
    """A mesh on which lengths can be taken.

    Parameters
    ----------
    surface
        Without repeated vertices, faces of no corner, and vertices of no face.
    places
        Where each vertex of the file is now, ``(vertex in the file,)``; -1 where it is not needed.
    """

    surface: Surface
    places: IntArray


def read_surface(path: Path) -> tuple[FloatArray, IntArray]:
    """Read vertices, in mm, and faces from a GIFTI, FreeSurfer, PLY, OBJ, STL or OFF file, and from no other it names.

    Returns
    -------
    vertices
        ``(vertex, 3)``; of a FreeSurfer surface in scanner coordinates.
    faces
        ``(face, 3)``.

    Raises
    ------
    ValueError
        If the file is not there, or holds no triangle mesh.
    """
    with reading(path, "a surface"):
        beginning = _beginning(path)
        if path.name.endswith(GIFTI_ENDINGS):
            vertices, faces = _gifti(path)
        elif beginning in FREESURFER:
            vertices, faces = _freesurfer(path)
        else:
            vertices, faces = _trimesh(path)
    return np.asarray(vertices, dtype=np.float64), np.asarray(faces, dtype=np.int64)


def _beginning(path: Path) -> bytes:
    with open(path, "rb") as file:
        return file.read(3)


def _gifti(path: Path) -> tuple[Any, Any]:
    image = read_gifti(path)
    vertices, faces = (image.agg_data(intent) for intent in ("pointset", "triangle"))
    if len(vertices) == 0 or len(faces) == 0:
        raise UnfitFile(f"{path} is a GIFTI file without a surface (no points or no triangles); perhaps it holds data")
    return vertices, faces


def _freesurfer(path: Path) -> tuple[Any, Any]:
    import nibabel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no information on the volume
        vertices, faces, about = nibabel.freesurfer.read_geometry(path, read_metadata=True)
    return vertices + np.asarray(about.get("cras", 0.0)), faces


def _trimesh(path: Path) -> tuple[Any, Any]:
    import trimesh

    ending = path.suffix.lower()
    if ending not in MESH_ENDINGS:
        raise UnfitFile(
            f"{path} is no surface that can be read: expected GIFTI (.gii), a FreeSurfer surface such as lh.pial, or "
            f"a mesh ({', '.join(MESH_ENDINGS)})"
        )
    with open(path, "rb") as file:  # given a path, it would read whatever other files this one names
        mesh = trimesh.load_mesh(file, file_type=ending[1:], process=False)
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise UnfitFile(f"{path} holds no triangle mesh")
    return mesh.vertices, mesh.faces


def clean(vertices: ArrayLike, faces: ArrayLike, name: str = "the mesh") -> Cleaned:
    """Check a triangle mesh and leave out what carries no length.

    Vertices at the same place become one (many formats repeat them); faces with a repeated vertex, repeated faces and
    vertices without a face go. Faces may be turned either way, and a border or an edge of three faces is no fault.

    Parameters
    ----------
    vertices
        ``(vertex, 3)``, finite.
    faces
        ``(face, 3)``, places of vertices from 0 on.
    name
        What to call it in messages.

    Raises
    ------
    ValueError
        If these are no triangles, or nothing is left of them.

    Examples
    --------
    >>> twice = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    >>> cleaned = clean(twice, [[0, 1, 2], [3, 4, 5], [0, 0, 1]])
    >>> cleaned.surface.faces.tolist(), cleaned.places.tolist()
    ([[0, 1, 2], [2, 1, 3]], [0, 1, 2, 2, 1, 3])
    """
    points = np.asarray(vertices, dtype=np.float64)
    triangles = np.asarray(faces)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{name}: vertices must be (vertex, 3), not {points.shape}")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        raise ValueError(f"{name}: faces must be whole numbers (face, 3), not {triangles.dtype} {triangles.shape}")
    triangles = triangles.astype(np.int64)
    if len(triangles) and not (triangles.min() >= 0 and triangles.max() < len(points)):
        wrong = triangles.min() if triangles.min() < 0 else triangles.max()
        raise ValueError(f"{name}: a face names vertex {wrong}; there are vertices 0 to {len(points) - 1}")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}: vertex {bad[0]} is at {points[bad[0]].tolist()}; all must be finite")
    _, first, same = np.unique(points, axis=0, return_index=True, return_inverse=True)
    triangles = first[same][triangles]
    a, b, c = triangles.T
    triangles = triangles[(a != b) & (b != c) & (c != a)]
    _, once = np.unique(np.sort(triangles, axis=1), axis=0, return_index=True)
    triangles = triangles[np.sort(once)]
    if not len(triangles):
        raise ValueError(f"{name} has no triangle with three different corners")
    used = np.unique(triangles)
    renumbered = np.full(len(points), -1)
    renumbered[used] = np.arange(len(used))
    return Cleaned(Surface(points[used], renumbered[triangles]), renumbered[first[same]])


def components(surface: Surface) -> IntArray:
    """Return the part of the mesh that each vertex belongs to, ``(vertex,)``, the largest part being 0."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    a, b, c = surface.faces.T
    count = len(surface.vertices)
    edges: Any = sparse.coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, c])), shape=(count, count))
    parts, label = connected_components(edges, directed=False)
    rank = np.empty(parts, dtype=np.int64)
    rank[np.argsort(-np.bincount(label), kind="stable")] = np.arange(parts)
    return rank[label]


def as_trimesh(surface: Surface) -> trimesh.Trimesh:
    """Return the mesh for trimesh, its vertices in the same order."""
    import trimesh

    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)
