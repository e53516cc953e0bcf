"""Reading and cleaning of triangle meshes."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.files.reading import GIFTI_ENDINGS, InvalidFile, file_errors
from spatialnets.geometries.anatomy.gifti import read_gifti
from spatialnets.protocols import Surface

if TYPE_CHECKING:
    import trimesh

__all__ = ["CleanMesh", "as_trimesh", "clean", "components", "read_surface"]

IntArray = NDArray[np.int64]

MESH_ENDINGS = (".obj", ".off", ".ply", ".stl")  # formats that store the triangles in the file itself
FREESURFER = (b"\xff\xff\xfe", b"\xff\xff\xff", b"\xff\xff\xfd")  # first bytes of a FreeSurfer surface


@dataclass(frozen=True)
class CleanMesh:
    """A mesh along which lengths can be measured.

    Parameters
    ----------
    surface
        The mesh without repeated vertices, degenerate or repeated faces, and unused vertices.
    new_index
        Index in `surface` of each vertex of the file, ``(vertex in the file,)``; -1 if it was removed.
    """

    surface: Surface
    new_index: IntArray


def read_surface(path: Path) -> tuple[FloatArray, IntArray]:
    """Read vertices and faces from a GIFTI, FreeSurfer, PLY, OBJ, STL or OFF file; other files it names are not opened.

    Returns
    -------
    vertices
        ``(vertex, 3)``, in mm; those of a FreeSurfer surface are in scanner coordinates.
    faces
        ``(face, 3)``.

    Raises
    ------
    ValueError
        If the file is missing or does not contain a triangle mesh.
    """
    with file_errors(path, "a surface"):
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
        raise InvalidFile(
            f"{path} is a GIFTI file without a surface (no points or no triangles); it may contain data of vertices"
        )
    return vertices, faces


def _freesurfer(path: Path) -> tuple[Any, Any]:
    import nibabel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about missing information on the volume
        vertices, faces, metadata = nibabel.freesurfer.read_geometry(path, read_metadata=True)
    return vertices + np.asarray(metadata.get("cras", 0.0)), faces


def _trimesh(path: Path) -> tuple[Any, Any]:
    import trimesh

    ending = path.suffix.lower()
    if ending not in MESH_ENDINGS:
        raise InvalidFile(
            f"{path} is not a supported surface file; expected GIFTI (.gii), a FreeSurfer surface such as lh.pial, or "
            f"a mesh ({', '.join(MESH_ENDINGS)})"
        )
    with open(path, "rb") as file:  # given a path instead, trimesh would also open files that this one names
        mesh = trimesh.load_mesh(file, file_type=ending[1:], process=False)
    if not isinstance(mesh, trimesh.Trimesh) or not len(mesh.faces):
        raise InvalidFile(f"{path} does not contain a triangle mesh")
    return mesh.vertices, mesh.faces


def clean(vertices: ArrayLike, faces: ArrayLike, name: str = "the mesh") -> CleanMesh:
    """Check a triangle mesh, merge repeated vertices, and remove degenerate faces and unused vertices.

    Vertices with the same position are merged (many formats repeat them). Faces with a repeated vertex, repeated faces
    and vertices without a face are removed. Faces may have any orientation, and edges any number of faces.

    Parameters
    ----------
    vertices
        Positions ``(vertex, 3)``, finite.
    faces
        Indices of vertices, ``(face, 3)``, from 0.
    name
        Name of the mesh in error messages.

    Raises
    ------
    ValueError
        If the arrays are not a triangle mesh, or no face remains.

    Examples
    --------
    >>> repeated = [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    >>> mesh = clean(repeated, [[0, 1, 2], [3, 4, 5], [0, 0, 1]])
    >>> mesh.surface.faces.tolist(), mesh.new_index.tolist()
    ([[0, 1, 2], [2, 1, 3]], [0, 1, 2, 2, 1, 3])
    """
    points = np.asarray(vertices, dtype=np.float64)
    triangles = np.asarray(faces)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"{name}: vertices must have shape (vertex, 3), not {points.shape}")
    if triangles.ndim != 2 or triangles.shape[1] != 3 or triangles.dtype.kind not in "iu":
        given = f"{triangles.dtype} {triangles.shape}"
        raise ValueError(f"{name}: faces must be whole numbers of shape (face, 3), not {given}")
    triangles = triangles.astype(np.int64)
    if len(triangles) and not (triangles.min() >= 0 and triangles.max() < len(points)):
        wrong = triangles.min() if triangles.min() < 0 else triangles.max()
        raise ValueError(f"{name}: a face refers to vertex {wrong}, but vertices are 0 to {len(points) - 1}")
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}: vertex {bad[0]} is at {points[bad[0]].tolist()}; positions must be finite")
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
    return CleanMesh(Surface(points[used], renumbered[triangles]), renumbered[first[same]])


def components(surface: Surface) -> IntArray:
    """Return the connected component of each vertex, ``(vertex,)``, numbered from 0, the largest."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    a, b, c = surface.faces.T
    count = len(surface.vertices)
    edges: Any = sparse.coo_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, c])), shape=(count, count))
    n_components, label = connected_components(edges, directed=False)
    rank = np.empty(n_components, dtype=np.int64)
    rank[np.argsort(-np.bincount(label), kind="stable")] = np.arange(n_components)
    return rank[label]


def as_trimesh(surface: Surface) -> trimesh.Trimesh:
    """Return the mesh as a trimesh object with the same vertices in the same order."""
    import trimesh

    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)
