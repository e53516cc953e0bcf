"""Conversion of a NIfTI volume to a closed surface of Euler number 2."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.files.limits import check_size
from spatialnets.files.reading import file_errors, first_few
from spatialnets.geometries.anatomy.surfaces import as_trimesh
from spatialnets.geometries.anatomy.topology import grow
from spatialnets.protocols import Surface

__all__ = ["Volume", "half", "is_one_sided", "read_image", "read_volume", "surface_of", "voxels_inside"]

LEVEL = 0.5  # the surface is where half of a voxel is inside
MARGIN = 0.05  # minimum distance of the field from LEVEL, so that the surface has the topology of the voxels
PADDING = 4  # empty voxels around the mask
MAX_VOXELS = 40_000_000  # a head at 0.6 mm; larger volumes take minutes and gigabytes
BLUR = 0.7  # voxels; smooths the steps between voxels
SMOOTHING = 10  # steps of Taubin's filter
MAX_DEBRIS = 0.25  # size relative to the largest component; a larger second component is an error
ONE_SIDED = 0.95  # minimum fraction on one side of the midline in a volume of a single hemisphere


@dataclass(frozen=True)
class Volume:
    """A volume in which a fraction of each voxel is inside the structure of interest.

    Parameters
    ----------
    inside
        Fraction of each voxel that is inside, 0 to 1, ``(x, y, z)``, float32.
    affine
        Affine from voxels to world coordinates in mm, ``(4, 4)``; axes point right, anterior and superior.
    """

    inside: NDArray[np.float32]
    affine: FloatArray


def read_volume(path: Path, mask_labels: tuple[int, ...] = (), full: float | None = None) -> Volume:
    """Read a mask, a probability map, or some labels of a label image.

    Voxels that are not finite are outside.

    Parameters
    ----------
    path
        NIfTI, or another volume with an affine that nibabel can read.
    mask_labels
        Labels that are inside, for a label image.
    full
        Value that corresponds to probability 1 in a probability map, such as 255 for bytes. By default 1, or the
        maximum if it is larger and values are not whole numbers.

    Raises
    ------
    ValueError
        If the file is missing, is not a volume or not three-dimensional, is empty, or contains several whole numbers
        and neither `mask_labels` nor `full` is given.
    """
    data, affine = read_image(path)
    data = np.where(np.isfinite(data), data, 0)
    if mask_labels:
        present = set(np.unique(data).tolist())
        missing = [label for label in mask_labels if label not in present]
        if missing:
            shown = _some(sorted(present - {0})) or "none"
            raise ValueError(f"{path} has no voxels with label {missing[0]}; its labels: {shown}")
        return Volume(np.isin(data, mask_labels).astype(np.float32), affine)
    return Volume(_fraction_inside(data, str(path), full), affine)


def read_image(path: Path) -> tuple[NDArray[Any], FloatArray]:
    """Read a three-dimensional image with axes that point right, anterior and superior; return data and affine in mm.

    Raises
    ------
    ValueError
        If the file is missing, is not an image, or is not three-dimensional.
    """
    import nibabel

    with file_errors(path, "a volume; expected NIfTI (.nii or .nii.gz)"):
        stored = nibabel.load(path)
        check_size(path, math.prod(stored.shape) * stored.header.get_data_dtype().itemsize)
        image = nibabel.as_closest_canonical(nibabel.squeeze_image(stored))
        data = np.asanyarray(image.dataobj)
        units = image.header.get_xyzt_units()[0] if hasattr(image.header, "get_xyzt_units") else "mm"
    if data.ndim != 3:
        raise ValueError(
            f"{path} has {data.ndim} dimensions {data.shape}; expected one volume (x, y, z). Extract one, "
            "for example with nilearn.image.index_img"
        )
    if data.dtype.kind not in "biuf":
        raise ValueError(f"{path} contains {data.dtype} values; expected one real number per voxel")
    affine = np.diag([*[{"meter": 1000.0, "micron": 0.001}.get(units, 1.0)] * 3, 1.0]) @ image.affine
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise ValueError(f"{path} has an affine that cannot be inverted")
    return data, affine


def _fraction_inside(data: NDArray[Any], name: str, full: float | None) -> NDArray[np.float32]:
    """Return the fraction of each voxel that is inside a mask or, in a probability map, the probability."""
    positive = data[data > 0]
    if not positive.size:
        raise ValueError(f"{name} is empty: no voxel is above 0")
    largest = float(positive.max())
    if full is None and float(positive.min()) == largest:  # a mask, whatever its value
        return np.asarray(data > 0, dtype=np.float32)
    if full is None and bool((positive == np.round(positive)).all()):
        raise ValueError(
            f"{name} contains whole numbers ({_some(np.unique(positive).tolist())}). If they are labels, select those "
            "inside, such as mask_labels=[2, 41]; if they are probabilities, set the value that corresponds to 1, such "
            f"as full={largest:g}"
        )
    return np.asarray(np.clip(data / (full or max(largest, 1.0)), 0, 1), dtype=np.float32)


def _some(values: list[float]) -> str:
    return first_few([f"{value:g}" for value in values])


def half(volume: Volume, side: Literal["left", "right"]) -> Volume:
    """Return the half of a volume on one side of the plane x = 0 in world coordinates."""
    return replace(volume, inside=np.where(_is_left(volume) == (side == "left"), volume.inside, 0))


def is_one_sided(volume: Volume) -> bool:
    """Return whether at least 95 % of a volume is on one side of the plane x = 0 in world coordinates."""
    left = float(volume.inside[_is_left(volume)].sum() / volume.inside.sum())
    return max(left, 1 - left) >= ONE_SIDED


def _is_left(volume: Volume) -> NDArray[np.bool_]:
    along = [volume.affine[0, axis] * np.arange(length) for axis, length in enumerate(volume.inside.shape)]
    return np.asarray(along[0][:, None, None] + along[1][None, :, None] + along[2] + volume.affine[0, 3] < 0)


def voxels_inside(surface: Surface, like: Volume) -> NDArray[np.bool_]:
    """Return which voxels of a volume have their centre inside a closed surface, ``(x, y, z)``.

    Along a line of voxels, inside and outside alternate wherever the line crosses a face.

    Parameters
    ----------
    surface
        A closed surface, in mm.
    like
        Volume that defines the voxels.
    """
    shape = like.inside.shape
    inverse = np.linalg.inv(like.affine)
    corner = (surface.vertices @ inverse[:3, :3].T + inverse[:3, 3])[surface.faces]  # (face, corner, xyz), in voxels
    nudge = 1e-5 * np.array([math.sqrt(2), math.sqrt(3)])  # so that no line passes through an edge
    flat = corner[:, :, 1:] - nudge
    low = np.maximum(np.ceil(flat.min(axis=1)).astype(np.int64), 0)
    high = np.minimum(np.floor(flat.max(axis=1)).astype(np.int64), np.array(shape[1:]) - 1)
    size = np.maximum(high - low + 1, 0)
    count = size[:, 0] * size[:, 1]
    face = np.repeat(np.arange(len(count)), count)
    index = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    line = low[face] + np.stack([index // size[face, 1], index % size[face, 1]], axis=1)
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
    """Return a closed surface around the inside of a volume: connected, without handles, facing outward, in mm.

    The volume is resampled to voxels of `voxel_mm`, its largest connected component is kept, and cavities are filled.
    Topology correction grows a ball of voxels inside that has no handles (see
    `spatialnets.geometries.anatomy.topology.grow`). Marching cubes and Taubin's filter then give a smooth surface.

    Parameters
    ----------
    volume
        The volume.
    voxel_mm
        Edge of the voxels. The surface has about 1.45 vertices for each square of that edge.
    name
        Name of the volume in error messages.

    Returns
    -------
    surface
        A watertight surface with Euler number 2 and positive volume.
    facts
        ``left_out``: fraction of voxels removed to correct the topology. ``other_parts``: fraction of voxels in other
        components.

    Raises
    ------
    ValueError
        If there are several large components, or the structure is too thin for the voxel size.

    References
    ----------
    Lewiner et al. (2003), doi:10.1080/10867651.2003.10487582, for marching cubes; Taubin (1995),
    doi:10.1145/218380.218473.
    """
    from scipy import ndimage
    from skimage import measure

    field, affine = _resample(volume, voxel_mm, name)
    mask, other_parts = _largest_component(field > LEVEL, voxel_mm, name)
    mask, affine = _crop(mask, affine)
    blurred = ndimage.gaussian_filter(mask.astype(np.float32), BLUR)
    thick, _ = _largest_component(blurred > LEVEL, voxel_mm, name)
    ball = grow(thick, ndimage.distance_transform_edt(thick) + blurred)
    clear = np.where(ball, np.maximum(blurred, LEVEL + MARGIN), np.minimum(blurred, LEVEL - MARGIN))
    vertices, faces, _, _ = measure.marching_cubes(clear.astype(np.float32), LEVEL, gradient_direction="ascent")
    world = vertices.astype(np.float64) @ affine[:3, :3].T + affine[:3, 3]
    surface = _smooth(Surface(world, faces.astype(np.int64)))
    return surface, {"left_out": 1 - float(ball.sum() / thick.sum()), "other_parts": other_parts}


def _resample(volume: Volume, voxel_mm: float, name: str) -> tuple[NDArray[np.float32], FloatArray]:
    """Return a volume resampled to voxels of `voxel_mm` along the axes of world coordinates, and its affine."""
    from nibabel.affines import voxel_sizes
    from nibabel.spaces import vox2out_vox
    from scipy import ndimage

    field, size = volume.inside, voxel_sizes(volume.affine)
    blur = [0.5 * math.sqrt(max(voxel_mm**2 - edge**2, 0)) / edge for edge in size]  # against aliasing
    if any(blur):
        field = ndimage.gaussian_filter(field, blur)
    shape, affine = vox2out_vox((field.shape, volume.affine), (voxel_mm,) * 3)
    count = math.prod(int(length) for length in shape)
    if count > MAX_VOXELS:
        enough = math.ceil(100 * voxel_mm * (count / MAX_VOXELS) ** (1 / 3)) / 100
        raise ValueError(
            f"{name} has {count:,} voxels at voxel_mm={voxel_mm:g}, more than the maximum of {MAX_VOXELS:,}: write "
            f"voxel_mm={enough:g} or more"
        )
    to_source = np.linalg.inv(volume.affine) @ affine
    if not np.allclose(to_source, np.eye(4), atol=1e-6):
        field = ndimage.affine_transform(field, to_source[:3, :3], to_source[:3, 3], tuple(shape), order=1)
    return field, affine


def _crop(mask: NDArray[np.bool_], affine: FloatArray) -> tuple[NDArray[np.bool_], FloatArray]:
    """Return a mask cropped to its bounding box with some padding, and its affine."""
    from scipy import ndimage

    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ np.array([axis.start - PADDING for axis in box])
    return np.pad(mask[box], PADDING), moved


def _largest_component(mask: NDArray[np.bool_], voxel_mm: float, name: str) -> tuple[NDArray[np.bool_], float]:
    """Return the largest connected component with its cavities filled, and the fraction of voxels in the others."""
    from scipy import ndimage

    label, count = ndimage.label(mask)
    if not count:
        problem = f"{name} does not fill half of any voxel of {voxel_mm:g} mm"
        raise ValueError(f"{problem}: it is empty or too thin; write a smaller voxel_mm")
    sizes = np.bincount(label.ravel())[1:]
    largest = int(np.argmax(sizes))
    others = np.delete(sizes, largest)
    if len(others) and others.max() > MAX_DEBRIS * sizes[largest]:
        raise ValueError(
            f"{name} has separate components of {sizes[largest]:,} and {others.max():,} voxels of {voxel_mm:g} mm, and "
            "a surface can enclose only one: keep one of them, with mask_labels or in the file"
        )
    return ndimage.binary_fill_holes(label == largest + 1), float(others.sum() / sizes.sum())


def _smooth(surface: Surface) -> Surface:
    from trimesh.smoothing import filter_taubin

    mesh = as_trimesh(surface)
    filter_taubin(mesh, lamb=0.5, nu=0.53, iterations=SMOOTHING)
    if not (mesh.is_watertight and mesh.euler_number == 2 and mesh.volume > 0):
        raise RuntimeError("the surface of a grown ball of voxels is not a topological sphere")  # grow() prevents it
    return Surface(np.array(mesh.vertices, dtype=np.float64), np.array(mesh.faces, dtype=np.int64))
