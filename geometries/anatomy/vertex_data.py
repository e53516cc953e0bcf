"""Parcels and masks: one value for each vertex of a surface."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.files.limits import plain_text, read_array
from spatialnets.files.reading import GIFTI_ENDINGS, VOLUME_ENDINGS, InvalidFile, file_errors
from spatialnets.geometries.anatomy.gifti import read_gifti
from spatialnets.geometries.anatomy.lookup import read_lookup
from spatialnets.geometries.anatomy.volume import read_image

__all__ = ["Parcels", "read_mask", "read_parcels"]

IntArray = NDArray[np.int64]

# names of labels that are not cortex: lower-case letters and digits only
NOT_CORTEX = {"", "unknown", "medialwall", "corpuscallosum", "background", "none"}
MAX_DISTANCE_MM = 4.0  # from a vertex to a labelled voxel; a surface runs along the border of a volume


@dataclass(frozen=True)
class Parcels:
    """Parcels of a surface.

    Parameters
    ----------
    labels
        Label of each vertex, ``(vertex,)``; 0 or less where there is no parcel.
    names
        Name of each label.
    """

    labels: IntArray
    names: dict[int, str]

    @property
    def present(self) -> IntArray:
        """Labels of the cortical parcels that have vertices, in ascending order."""
        return np.array(
            [
                label
                for label in np.unique(self.labels).tolist()
                if label > 0 and re.sub(r"[^a-z0-9]", "", self.names.get(label, "x").lower()) not in NOT_CORTEX
            ],
            dtype=np.int64,
        )


def read_parcels(path: Path, vertices: FloatArray, lookup: Path | None = None) -> Parcels:
    """Read the parcel of each vertex from a GIFTI label file, a FreeSurfer annotation, a label volume, or text.

    Parameters
    ----------
    path
        ``.annot``; ``.gii`` with labels; a volume of whole numbers in the same world coordinates, from which each
        vertex takes the nearest label within 4 mm; or text (``.csv``, ``.txt``) or ``.npy`` with one whole number per
        vertex.
    vertices
        Positions of the vertices in the surface file, ``(vertex, 3)``, in mm.
    lookup
        A table with the name of each label, for files without names (see `read_lookup`).

    Raises
    ------
    ValueError
        If a file cannot be read, the number of labels is not the number of vertices, or both files have names.
    """
    names: dict[int, str] = {}
    if path.name.endswith(VOLUME_ENDINGS):
        labels: NDArray[Any] = _nearest_labels(path, vertices)
    else:
        with file_errors(path, "labels of vertices"):
            if path.suffix == ".annot":
                labels, names = _annotation(path)
            elif path.name.endswith(GIFTI_ENDINGS):
                labels, names = _gifti_labels(path)
            else:
                labels = _read_values(path)
        _check_count(path, len(labels), len(vertices))
        if not (labels == np.round(labels)).all():
            raise ValueError(f"{path} contains values that are not labels; expected whole numbers")
    if lookup is not None:
        if names:
            raise ValueError(f"{path} already contains names: leave out names ({lookup})")
        names = read_lookup(lookup)
        if not set(names) & set(labels.tolist()):
            raise ValueError(f"{lookup} contains none of the labels of {path}, such as {labels.max():g}")
    return Parcels(labels.astype(np.int64), names)


def read_mask(path: Path, vertices: FloatArray) -> NDArray[np.bool_]:
    """Read the mask of the vertices that are cortex, ``(vertex,)``.

    Parameters
    ----------
    path
        A FreeSurfer label such as ``lh.cortex.label``, which lists the vertices; GIFTI, text or ``.npy`` with one value
        per vertex, 0 outside the mask; or a volume in the same world coordinates, whose mask is all vertices within
        4 mm of a voxel above 0.
    vertices
        Positions of the vertices in the surface file, ``(vertex, 3)``, in mm.

    Raises
    ------
    ValueError
        If the file cannot be read, the number of values is not the number of vertices, or the mask is empty.
    """
    import nibabel

    if path.name.endswith(VOLUME_ENDINGS):
        return _nearest_labels(path, vertices, whole_numbers=False) > 0
    count = len(vertices)
    with file_errors(path, "a mask of vertices"):
        if path.suffix == ".label":
            listed = nibabel.freesurfer.read_label(path)
            outside = listed[(listed < 0) | (listed >= count)]
            if len(outside):
                raise InvalidFile(f"{path} lists vertex {outside[0]}, but the surface has {count:,} vertices")
            mask = np.zeros(count, dtype=bool)
            mask[listed] = True
        elif path.name.endswith(GIFTI_ENDINGS):
            mask = np.nan_to_num(np.asarray(read_gifti(path).darrays[0].data)) != 0
        else:
            mask = np.nan_to_num(_read_values(path)) != 0
    _check_count(path, len(mask), count)
    if not mask.any():
        raise ValueError(f"{path} is an empty mask: all of its values are 0")
    return mask


def _check_count(path: Path, count: int, expected: int) -> None:
    if count != expected:
        raise ValueError(
            f"{path} has values for {count:,} vertices, but the surface has {expected:,}; expected a file for this "
            "surface"
        )


def _annotation(path: Path) -> tuple[IntArray, dict[int, str]]:
    import nibabel

    labels, _, names = nibabel.freesurfer.read_annot(path)
    # indices into the table start at 0, and -1 means no parcel
    return labels.astype(np.int64) + 1, {index + 1: name.decode() for index, name in enumerate(names)}


def _gifti_labels(path: Path) -> tuple[IntArray, dict[int, str]]:
    image = read_gifti(path)
    if not len(image.darrays):
        raise InvalidFile(f"{path} is a GIFTI file without data")
    names = {int(key): str(name) for key, name in image.labeltable.get_labels_as_dict().items()}
    return np.asarray(image.darrays[0].data), names


def _read_values(path: Path) -> NDArray[Any]:
    """Return the numbers of a text file, one per line, or the array of an NPY file."""
    if path.suffix == ".npy":
        values = read_array(path)
    elif path.suffix in (".csv", ".txt", ".1D"):
        values = np.loadtxt(plain_text(path).splitlines(), delimiter=",", ndmin=1)
    else:
        raise InvalidFile(f"{path} ends in '{path.suffix}'; expected .annot, .label, .gii, .nii, .csv, .txt or .npy")
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise InvalidFile(f"{path} contains {values.dtype} {values.shape}; expected one number per vertex")
    return np.asarray(values)


def _nearest_labels(path: Path, vertices: FloatArray, whole_numbers: bool = True) -> IntArray:
    """Return the label of the nearest labelled voxel within `MAX_DISTANCE_MM` of each vertex, or 0."""
    from scipy.spatial import cKDTree

    data, affine = read_image(path)
    data = np.where(np.isfinite(data), data, 0)
    if whole_numbers and not (data == np.round(data)).all():
        raise ValueError(f"{path} contains values that are not labels; expected whole numbers")
    voxels = np.argwhere(data > 0)
    centres = voxels @ affine[:3, :3].T + affine[:3, 3]
    low, high = vertices.min(axis=0) - MAX_DISTANCE_MM, vertices.max(axis=0) + MAX_DISTANCE_MM
    near = ((centres >= low) & (centres <= high)).all(axis=1)
    if not near.any():
        raise ValueError(f"{path} has no voxels above 0 near the surface: are both in the same space?")
    distance, nearest = cKDTree(centres[near]).query(vertices, distance_upper_bound=MAX_DISTANCE_MM)
    labels = np.append(np.ceil(data[tuple(voxels[near].T)]).astype(np.int64), 0)
    return np.where(np.isfinite(distance), labels[nearest], 0)
