"""One value for each vertex of a surface: parcels and masks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import plain_text, read_array
from spatialnets.files.reading import GIFTI_ENDINGS, VOLUME_ENDINGS, UnfitFile, reading
from spatialnets.geometries.anatomy.gifti import read_gifti
from spatialnets.geometries.anatomy.lookup import read_lookup
from spatialnets.geometries.anatomy.volume import read_image
from spatialnets.protocols import FloatArray

__all__ = ["Parcels", "read_mask", "read_parcels"]

IntArray = NDArray[np.int64]

NOT_CORTEX = {
    "",
    "unknown",
    "medialwall",
    "corpuscallosum",
    "background",
    "none",
}  # letters and digits of a name, in small
REACH_MM = 4.0  # a surface runs along the border of a labelled volume: the nearest label within counts


@dataclass(frozen=True)
class Parcels:
    """Which parcel each vertex belongs to.

    Parameters
    ----------
    labels
        ``(vertex,)``; 0 or less where there is no parcel.
    names
        By label.
    """

    labels: IntArray
    names: dict[int, str]

    @property
    def present(self) -> IntArray:
        """The labels of parcels that are parcels of cortex and have a vertex, in ascending order."""
        return np.array(
            [
                label
                for label in np.unique(self.labels).tolist()
                if label > 0 and re.sub(r"[^a-z0-9]", "", self.names.get(label, "x").lower()) not in NOT_CORTEX
            ],
            dtype=np.int64,
        )


def read_parcels(path: Path, vertices: FloatArray, lookup: Path | None = None) -> Parcels:
    """Read the parcel of each vertex from a GIFTI label file, a FreeSurfer annotation, or a labelled volume.

    Parameters
    ----------
    path
        ``.annot``; ``.gii`` with labels; a volume of whole numbers in the same world coordinates, in which each vertex
        takes the nearest label within 4 mm; or text (``.csv``, ``.txt``) or ``.npy`` with a whole number per vertex.
    vertices
        Positions of the surface's vertices as its file has them, ``(vertex, 3)``, mm.
    lookup
        A table with the name of each label, for files that have none (see `read_lookup`).

    Raises
    ------
    ValueError
        If a file cannot be read, has labels for another number of vertices, or both files have names.
    """
    names: dict[int, str] = {}
    if path.name.endswith(VOLUME_ENDINGS):
        labels: NDArray[Any] = _from_volume(path, vertices)
    else:
        with reading(path, "labels of vertices"):
            if path.suffix == ".annot":
                labels, names = _annotation(path)
            elif path.name.endswith(GIFTI_ENDINGS):
                labels, names = _gifti_labels(path)
            else:
                labels = _plain(path)
        _check_count(path, len(labels), len(vertices))
        if not (labels == np.round(labels)).all():
            raise ValueError(f"{path} holds values that are no labels: expected whole numbers")
    if lookup is not None:
        if names:
            raise ValueError(f"{path} has names of its own; leave out names ({lookup})")
        names = read_lookup(lookup)
        if not set(names) & set(labels.tolist()):
            raise ValueError(f"{lookup} names none of the labels of {path}, such as {labels.max():g}")
    return Parcels(labels.astype(np.int64), names)


def read_mask(path: Path, vertices: FloatArray) -> NDArray[np.bool_]:
    """Read which vertices belong to the cortex, ``(vertex,)``.

    Parameters
    ----------
    path
        A FreeSurfer label (``lh.cortex.label``: the vertices it lists); GIFTI, text or ``.npy`` with one value per
        vertex, 0 where there is no cortex; or a volume in the same world coordinates: vertices within 4 mm of a voxel
        above 0.
    vertices
        Positions of the surface's vertices as its file has them, ``(vertex, 3)``, mm.

    Raises
    ------
    ValueError
        If the file cannot be read, is for another number of vertices, or leaves none.
    """
    import nibabel

    if path.name.endswith(VOLUME_ENDINGS):
        return _from_volume(path, vertices, whole_numbers=False) > 0
    count = len(vertices)
    with reading(path, "a mask of vertices"):
        if path.suffix == ".label":
            listed = nibabel.freesurfer.read_label(path)
            outside = listed[(listed < 0) | (listed >= count)]
            if len(outside):
                raise UnfitFile(f"{path} lists vertex {outside[0]}; the surface has {count:,} vertices")
            mask = np.zeros(count, dtype=bool)
            mask[listed] = True
        elif path.name.endswith(GIFTI_ENDINGS):
            mask = np.nan_to_num(np.asarray(read_gifti(path).darrays[0].data)) != 0
        else:
            mask = np.nan_to_num(_plain(path)) != 0
    _check_count(path, len(mask), count)
    if not mask.any():
        raise ValueError(f"{path} leaves no vertex: all of its values are 0")
    return mask


def _check_count(path: Path, found: int, expected: int) -> None:
    if found != expected:
        raise ValueError(
            f"{path} has values for {found:,} vertices, but the surface has {expected:,}; expected a file made for "
            "this surface"
        )


def _annotation(path: Path) -> tuple[IntArray, dict[int, str]]:
    import nibabel

    labels, _, names = nibabel.freesurfer.read_annot(path)
    # places in the table begin with 0, and -1 is no parcel
    return labels.astype(np.int64) + 1, {place + 1: name.decode() for place, name in enumerate(names)}


def _gifti_labels(path: Path) -> tuple[IntArray, dict[int, str]]:

    image = read_gifti(path)
    if not len(image.darrays):
        raise UnfitFile(f"{path} is a GIFTI file without data")
    names = {int(key): str(name) for key, name in image.labeltable.get_labels_as_dict().items()}
    return np.asarray(image.darrays[0].data), names


def _plain(path: Path) -> NDArray[Any]:
    """Return one number per line, or the array of an NPY file."""
    if path.suffix == ".npy":
        values = read_array(path)
    elif path.suffix in (".csv", ".txt", ".1D"):
        values = np.loadtxt(plain_text(path).splitlines(), delimiter=",", ndmin=1)
    else:
        raise UnfitFile(f"{path} ends in '{path.suffix}'; expected .annot, .label, .gii, .nii, .csv, .txt or .npy")
    if values.ndim != 1 or values.dtype.kind not in "biuf":
        raise UnfitFile(f"{path} holds {values.dtype} {values.shape}; expected one number per vertex")
    return np.asarray(values)


def _from_volume(path: Path, vertices: FloatArray, whole_numbers: bool = True) -> IntArray:
    """Return the label of the labelled voxel that is nearest to each vertex; 0 where there is none within reach."""
    from scipy.spatial import cKDTree

    data, affine = read_image(path)
    data = np.where(np.isfinite(data), data, 0)
    if whole_numbers and not (data == np.round(data)).all():
        raise ValueError(f"{path} holds values that are no labels: expected whole numbers")
    voxels = np.argwhere(data > 0)
    centres = voxels @ affine[:3, :3].T + affine[:3, 3]
    near = ((centres >= vertices.min(axis=0) - REACH_MM) & (centres <= vertices.max(axis=0) + REACH_MM)).all(axis=1)
    if not near.any():
        raise ValueError(f"{path} has no voxel above 0 near the surface: are both in the same space?")
    away, nearest = cKDTree(centres[near]).query(vertices, distance_upper_bound=REACH_MM)
    labels = np.append(np.ceil(data[tuple(voxels[near].T)]).astype(np.int64), 0)
    return np.where(np.isfinite(away), labels[nearest], 0)
