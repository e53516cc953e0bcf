"""From a NIfTI volume to a closed surface of Euler number 2."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import check_size
from spatialnets.files.reading import reading, some
from spatialnets.geometries.anatomy.surfaces import as_trimesh
from spatialnets.geometries.anatomy.topology import grow
from spatialnets.protocols import FloatArray, Surface

__all__ = ["Volume", "half", "inside", "is_one_sided", "read_image", "read_volume", "share_of", "surface_of"]

LEVEL = 0.5  # the surface is where half of a voxel is inside
MARGIN = 0.05  # how far from it the field is kept, so that its topology is that of the voxels
PADDING = 4  # voxels of outside around everything
MOST_VOXELS = 40_000_000  # a head at 0.6 mm; more take minutes and gigabytes
BLUR = 0.7  # voxels; a mask is stairs
SMOOTHING = 10  # steps of Taubin's filter
OTHER_PART = 0.25  # of the largest part: a second part that large is no debris
ONE_SIDED = 0.95  # of a mask on one side of the midline: it is one hemisphere


@dataclass(frozen=True)
class Volume:
    """How much of each voxel is inside.

    Parameters
    ----------
    inside
        Shares, 0 to 1, ``(x, y, z)``, float32.
    affine
        From voxels to world coordinates in mm, ``(4, 4)``; axes run to the right, to the front and up.
    """

    inside: NDArray[np.float32]
    affine: FloatArray


def read_volume(path: Path, mask_labels: tuple[int, ...] = (), full: float | None = None) -> Volume:
    """Read a mask, a probability map or chosen labels of a label image.

    Voxels that are not finite are outside.

    Parameters
    ----------
    path
        NIfTI, or another volume with an affine that nibabel reads.
    mask_labels
        The labels that are inside, for a label image.
    full
        What stands for 1 in a probability map, such as 255 in one of bytes. By default 1, or the maximum where it is
        larger and values are no whole numbers.

    Raises
    ------
    ValueError
        If the file is not there, is no volume, is not three-dimensional, holds whole numbers without a choice of labels
        or a word on what stands for 1, or has nothing inside.
    """
    data, affine = read_image(path)
    data = np.where(np.isfinite(data), data, 0)
    if mask_labels:
        present = set(np.unique(data).tolist())
        absent = [label for label in mask_labels if label not in present]
        if absent:
            raise ValueError(f"{path} has no voxel of label {absent[0]}; it has {_some(sorted(present - {0}))}")
        return Volume(np.isin(data, mask_labels).astype(np.float32), affine)
    return Volume(share_of(data, str(path), full), affine)


def read_image(path: Path) -> tuple[NDArray[Any], FloatArray]:
    """Read a three-dimensional image with its axes to the right, front and up; return data and affine in mm.

    Raises
    ------
    ValueError
        If the file is not there, is no image, or is not three-dimensional.
    """
    import nibabel

    with reading(path, "a volume; expected NIfTI (.nii or .nii.gz)"):
        found = nibabel.load(path)
        check_size(path, math.prod(found.shape) * found.header.get_data_dtype().itemsize)
        image = nibabel.as_closest_canonical(nibabel.squeeze_image(found))
        data = np.asanyarray(image.dataobj)
    if data.ndim != 3:
        raise ValueError(
            f"{path} has {data.ndim} dimensions {data.shape}; expected one volume (x, y, z). Take one of its volumes, "
            "such as with nilearn.image.index_img"
        )
    if data.dtype.kind not in "biuf":
        raise ValueError(f"{path} holds {data.dtype}; expected one number per voxel")
    units = image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "mm"
    affine = np.diag([*[{"meter": 1000.0, "micron": 0.001}.get(units, 1.0)] * 3, 1.0]) @ image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ValueError(f"{path}: its affine maps voxels to no volume; expected one that can be inverted")
    return data, affine


def share_of(data: NDArray[Any], name: str, full: float | None = None) -> NDArray[np.float32]:
    """Return how much of each voxel is inside: of a mask, or of a probability map.

    Raises
    ------
    ValueError
        If it may be a label image, or nothing is inside.
    """
    positive = data[data > 0]
    if not positive.size:
        raise ValueError(f"{name} is empty: no voxel is above 0")
    largest = float(positive.max())
    if full is None and float(positive.min()) == largest:  # a mask, whatever stands for inside
        return np.asarray(data > 0, dtype=np.float32)
    if full is None and bool((positive == np.round(positive)).all()):
        raise ValueError(
            f"{name} holds whole numbers ({_some(np.unique(positive).tolist())}): if they are labels, choose those "
            "inside with mask_labels, such as mask_labels=[2, 41]; if it is a probability map, say what stands for 1, "
            f"such as full={largest:g}"
        )
    return np.asarray(np.clip(data / (full or max(largest, 1.0)), 0, 1), dtype=np.float32)


def _some(values: list[float]) -> str:
    return some([f"{value:g}" for value in values])


def half(volume: Volume, side: Literal["left", "right"]) -> Volume:
    """Keep what is on one side of the plane x = 0 of the world."""
    return replace(volume, inside=np.where(_is_left(volume) == (side == "left"), volume.inside, 0))


def is_one_sided(volume: Volume) -> bool:
    """Tell whether (nearly) everything is on one side of the plane x = 0 of the world."""
    left = float(volume.inside[_is_left(volume)].sum() / volume.inside.sum())
    return max(left, 1 - left) >= ONE_SIDED


def _is_left(volume: Volume) -> NDArray[np.bool_]:
    along = [volume.affine[0, axis] * np.arange(length) for axis, length in enumerate(volume.inside.shape)]
    return np.asarray(along[0][:, None, None] + along[1][None, :, None] + along[2] + volume.affine[0, 3] < 0)


def inside(surface: Surface, like: Volume) -> NDArray[np.bool_]:
    """Return which voxels of a volume have their centre inside a closed surface.

    A line of voxels changes sides wherever it crosses a face.

    Parameters
    ----------
    surface
        Closed, in mm.
    like
        Whose voxels; ``(x, y, z)``.
    """
    shape = like.inside.shape
    inverse = np.linalg.inv(like.affine)
    corner = (surface.vertices @ inverse[:3, :3].T + inverse[:3, 3])[surface.faces]  # (face, corner, xyz), in voxels
    nudge = 1e-5 * np.array([math.sqrt(2), math.sqrt(3)])  # so that no line hits an edge
    flat = corner[:, :, 1:] - nudge
    low = np.maximum(np.ceil(flat.min(axis=1)).astype(np.int64), 0)
    high = np.minimum(np.floor(flat.max(axis=1)).astype(np.int64), np.array(shape[1:]) - 1)
    size = np.maximum(high - low + 1, 0)
    count = size[:, 0] * size[:, 1]
    face = np.repeat(np.arange(len(count)), count)
    place = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    line = low[face] + np.stack([place // size[face, 1], place % size[face, 1]], axis=1)
    a, b, c = flat[face, 0], flat[face, 1], flat[face, 2]
    area = _cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_b, to_c = _cross(line - a, c - a) / area, _cross(b - a, line - a) / area
    hit = (area != 0) & (to_b >= 0) & (to_c >= 0) & (to_b + to_c <= 1)
    x = corner[face, 0, 0] * (1 - to_b - to_c) + corner[face, 1, 0] * to_b + corner[face, 2, 0] * to_c
    first = np.clip(np.ceil(x[hit]), 0, shape[0]).astype(np.int64)
    crossings = np.zeros((shape[0] + 1, *shape[1:]), dtype=np.int32)
    np.add.at(crossings, (first, line[hit, 0], line[hit, 1]), 1)
    return np.asarray(np.cumsum(crossings, axis=0)[:-1] % 2 == 1)


def _cross(one: FloatArray, other: FloatArray) -> FloatArray:
    return np.asarray(one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0])


def surface_of(volume: Volume, voxel_mm: float, name: str) -> tuple[Surface, dict[str, float]]:
    """Return a closed surface around the inside of a volume: one piece, without handles, outward, in mm.

    The volume is resampled to cubes of `voxel_mm`; its largest part is taken and its hollows are filled; voxels are
    grown from within so that no handle closes (`spatialnets.geometries.anatomy.topology.grow`); marching
    cubes and Taubin's filter give a smooth surface.

    Parameters
    ----------
    volume
        What is inside.
    voxel_mm
        Edge of the cubes. The surface has about 1.45 vertices for each square of that edge.
    name
        What to call it in messages.

    Returns
    -------
    surface
        Watertight, of Euler number 2 and positive volume.
    facts
        ``left_out``: share of voxels given up for the topology; ``other_parts``: share of voxels in other parts.

    Raises
    ------
    ValueError
        If there are several large parts, or nothing is thick enough for cubes of that size.

    References
    ----------
    Lewiner et al. (2003), doi:10.1080/10867651.2003.10487582, for marching cubes; Taubin (1995),
    doi:10.1145/218380.218473.
    """
    from scipy import ndimage
    from skimage import measure

    field, affine = _resampled(volume, voxel_mm, name)
    mask, other_parts = _largest(field > LEVEL, voxel_mm, name)
    mask, affine = _cropped(mask, affine)
    blurred = ndimage.gaussian_filter(mask.astype(np.float32), BLUR)
    thick, _ = _largest(blurred > LEVEL, voxel_mm, name)
    ball = grow(thick, ndimage.distance_transform_edt(thick) + blurred)
    clear = np.where(ball, np.maximum(blurred, LEVEL + MARGIN), np.minimum(blurred, LEVEL - MARGIN))
    vertices, faces, _, _ = measure.marching_cubes(clear.astype(np.float32), LEVEL, gradient_direction="ascent")
    world = vertices.astype(np.float64) @ affine[:3, :3].T + affine[:3, 3]
    surface = _smoothed(Surface(world, faces.astype(np.int64)))
    return surface, {"left_out": 1 - float(ball.sum() / thick.sum()), "other_parts": other_parts}


def _resampled(volume: Volume, voxel_mm: float, name: str) -> tuple[NDArray[np.float32], FloatArray]:
    """Return the shares in cubes of `voxel_mm` along the axes of the world, and their affine."""
    from nibabel.affines import voxel_sizes
    from nibabel.spaces import vox2out_vox
    from scipy import ndimage

    field, size = volume.inside, voxel_sizes(volume.affine)
    blur = [0.5 * math.sqrt(max(voxel_mm**2 - edge**2, 0)) / edge for edge in size]  # what the cubes cannot show
    if any(blur):
        field = ndimage.gaussian_filter(field, blur)
    shape, affine = vox2out_vox((field.shape, volume.affine), (voxel_mm,) * 3)
    count = math.prod(int(length) for length in shape)
    if count > MOST_VOXELS:
        enough = voxel_mm * (count / MOST_VOXELS) ** (1 / 3)
        raise ValueError(
            f"{name} in cubes of {voxel_mm:g} mm has {count:,} voxels, more than {MOST_VOXELS:,}: write voxel_mm="
            f"{math.ceil(100 * enough) / 100:g} or more"
        )
    to_source = np.linalg.inv(volume.affine) @ affine
    if not np.allclose(to_source, np.eye(4), atol=1e-6):
        field = ndimage.affine_transform(field, to_source[:3, :3], to_source[:3, 3], tuple(shape), order=1)
    return field, affine


def _cropped(mask: NDArray[np.bool_], affine: FloatArray) -> tuple[NDArray[np.bool_], FloatArray]:
    """Leave out what is empty around a mask but for some room."""
    from scipy import ndimage

    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.array([axis.start - PADDING for axis in box])
    return np.pad(mask[box], PADDING), moved


def _largest(mask: NDArray[np.bool_], voxel_mm: float, name: str) -> tuple[NDArray[np.bool_], float]:
    """Return the largest part without its hollows, and the share of voxels in others."""
    from scipy import ndimage

    label, count = ndimage.label(mask)
    if not count:
        raise ValueError(
            f"{name} has nothing that fills half a cube of {voxel_mm:g} mm: it is empty, or too thin; "
            "write a smaller voxel_mm"
        )
    sizes = np.bincount(label.ravel())[1:]
    largest = int(np.argmax(sizes))
    others = np.delete(sizes, largest)
    if len(others) and others.max() > OTHER_PART * sizes[largest]:
        raise ValueError(
            f"{name} has separate parts of {sizes[largest]:,} and {others.max():,} voxels of {voxel_mm:g} mm, and a "
            "surface goes around one: keep one of them, by mask_labels or in the file"
        )
    return ndimage.binary_fill_holes(label == largest + 1), float(others.sum() / sizes.sum())


def _smoothed(surface: Surface) -> Surface:
    from trimesh.smoothing import filter_taubin

    mesh = as_trimesh(surface)
    filter_taubin(mesh, lamb=0.5, nu=0.53, iterations=SMOOTHING)
    if not (mesh.is_watertight and mesh.euler_number == 2 and mesh.volume > 0):
        raise RuntimeError("a grown ball of voxels has a surface that is no sphere")  # grow() excludes it
    return Surface(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))
