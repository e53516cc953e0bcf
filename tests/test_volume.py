"""Conversion of volumes to surfaces, and invalid volumes."""

from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from spatialnets.aliases import FloatArray
from spatialnets.geometries import Cortex
from spatialnets.geometries.anatomy.surfaces import as_trimesh
from spatialnets.geometries.anatomy.templates import template_surface, template_volume
from spatialnets.geometries.anatomy.volume import Volume, half, is_one_sided, read_volume, surface_of, voxels_inside
from spatialnets.protocols import Surface

RAS = np.diag([2.0, 2.0, 2.0, 1.0])


def ball(size: int = 30, radius: float = 11.0, centre: tuple[float, ...] | None = None) -> NDArray[np.float32]:
    middle = np.array(centre or ((size - 1) / 2,) * 3)
    offset = np.moveaxis(np.indices((size,) * 3), 0, -1) - middle
    return np.asarray(np.linalg.norm(offset, axis=-1) <= radius, dtype=np.float32)


def save(path: Path, data: NDArray[Any], affine: FloatArray = RAS) -> Path:
    nibabel.Nifti1Image(data, affine).to_filename(path)
    return path


def surface_from(path: Path, voxel_mm: float = 2.0, **options: Any) -> Surface:
    return surface_of(read_volume(path, **options), voxel_mm, path.name)[0]


def is_sphere(surface: Surface) -> bool:
    mesh = as_trimesh(surface)
    return bool(mesh.is_watertight and mesh.is_winding_consistent and mesh.euler_number == 2 and mesh.volume > 0)


# Valid volumes


def test_a_ball_becomes_a_sphere_of_the_same_size_and_position(tmp_path: Path) -> None:
    surface = surface_from(save(tmp_path / "ball.nii.gz", ball()))
    assert is_sphere(surface)
    centre = surface.vertices.mean(axis=0)
    np.testing.assert_allclose(centre, [29, 29, 29], atol=0.05)  # the middle of 30 voxels of 2 mm
    radius = np.linalg.norm(surface.vertices - centre, axis=1)
    # the radius is 11 voxels; the steps between voxels and the smoothing change it by less than half a voxel
    assert abs(radius.mean() - 22) < 0.5
    assert np.ptp(radius) < 2.0
    assert abs(as_trimesh(surface).volume / (ball().sum() * 8) - 1) < 0.03


@pytest.mark.parametrize("tissue", ["mni152_wm", "mni152_gm"])
@pytest.mark.parametrize("voxel_mm", [1.5, 2.0, 3.0])
def test_white_and_grey_matter_have_surfaces_of_euler_number_2(tissue: str, voxel_mm: float) -> None:
    surface, facts = surface_of(template_volume(tissue, "left"), voxel_mm, tissue)
    assert is_sphere(surface)
    assert facts["left_out"] < 0.06
    mesh = as_trimesh(surface)
    assert 0.8 < len(mesh.vertices) * voxel_mm**2 / (1.45 * mesh.area) < 1.2
    assert 200e3 < mesh.volume < 650e3  # mm³ of one hemisphere: white matter about 270, with grey about 600 mL
    assert surface.vertices[:, 0].max() < voxel_mm  # cut at the midline


def save_reoriented(path: Path, data: NDArray[Any], affine: FloatArray, codes: str) -> Path:
    image = nibabel.Nifti1Image(data, affine)
    transform = nibabel.orientations.ornt_transform(
        nibabel.orientations.io_orientation(affine), nibabel.orientations.axcodes2ornt(codes)
    )
    image.as_reoriented(transform).to_filename(path)
    return path


@pytest.mark.parametrize("codes", ["LAS", "LPI", "PIR"])
def test_the_order_of_axes_does_not_matter(tmp_path: Path, codes: str) -> None:
    generator = np.random.default_rng(1)
    lump = ndimage.gaussian_filter(ball(24, 8) * generator.random((24, 24, 24)), 1.0).astype(np.float32)
    affine = np.array([[2.0, 0, 0, -30], [0, 2.5, 0, -70], [0, 0, 3, 5], [0, 0, 0, 1]])
    ras = surface_from(save(tmp_path / "ras.nii", lump, affine))
    reoriented = surface_from(save_reoriented(tmp_path / "other.nii", lump, affine, codes))
    np.testing.assert_array_equal(reoriented.vertices, ras.vertices)
    np.testing.assert_array_equal(reoriented.faces, ras.faces)
    assert is_sphere(reoriented)


def test_the_affine_of_an_oblique_volume_is_applied(tmp_path: Path) -> None:
    from scipy.spatial.transform import Rotation

    affine = np.eye(4)
    affine[:3, :3] = 2 * Rotation.from_euler("xyz", [20, -10, 35], degrees=True).as_matrix()
    affine[:3, 3] = [-20, 15, 4]
    surface = surface_from(save(tmp_path / "oblique.nii", ball(), affine))
    np.testing.assert_allclose(
        surface.vertices.mean(axis=0), affine[:3, :3] @ np.full(3, 14.5) + affine[:3, 3], atol=0.1
    )
    assert is_sphere(surface)


def test_the_surface_of_a_probability_map_does_not_depend_on_its_scale(tmp_path: Path) -> None:
    soft = ndimage.gaussian_filter(ball(), 1.0)
    one = surface_from(save(tmp_path / "one.nii", soft))
    path = save(tmp_path / "bytes.nii", np.round(255 * soft / soft.max()).astype(np.uint8))
    bytes_ = surface_from(path, full=255.0)
    assert np.linalg.norm(one.vertices - one.vertices.mean(axis=0), axis=1).mean() == pytest.approx(
        np.linalg.norm(bytes_.vertices - bytes_.vertices.mean(axis=0), axis=1).mean(), rel=0.01
    )


def test_mask_labels_select_labels_of_a_label_image(tmp_path: Path) -> None:
    labels = (2 * ball(30, 11)).astype(np.int16)
    labels[ball(30, 6) > 0] = 41
    path = save(tmp_path / "aseg.nii", labels)
    with pytest.raises(ValueError, match=r"whole numbers \(2, 41\).*mask_labels=\[2, 41\].*corresponds to 1.*full=41"):
        read_volume(path)
    both, inner = surface_from(path, mask_labels=(2, 41)), surface_from(path, mask_labels=(41,))
    assert np.ptp(both.vertices[:, 0]) > 1.6 * np.ptp(inner.vertices[:, 0])
    with pytest.raises(ValueError, match="no voxels with label 7; its labels: 2, 41"):
        read_volume(path, mask_labels=(7,))
    # the largest label is never taken for probability 1, whatever its value
    for largest in (100, 255):
        with pytest.raises(ValueError, match="whole numbers"):
            read_volume(save(tmp_path / "parcels.nii", np.where(labels == 41, largest, labels).astype(np.uint8)))


# Unusual volumes


def test_cavities_are_filled(tmp_path: Path) -> None:
    hollow = ball(30, 11) - ball(30, 6)
    surface = surface_from(save(tmp_path / "hollow.nii", hollow))
    assert is_sphere(surface)
    assert abs(as_trimesh(surface).volume / (ball().sum() * 8) - 1) < 0.03


def test_a_handle_is_removed(tmp_path: Path) -> None:
    x, y, z = np.indices((40, 40, 16)) - np.array([19.5, 19.5, 7.5])[:, None, None, None]
    ring = ((np.hypot(x, y) - 13) ** 2 + z**2 <= 20).astype(np.uint8)
    surface, facts = surface_of(read_volume(save(tmp_path / "ring.nii", ring)), 2.0, "ring")
    assert is_sphere(surface)
    assert 0 < facts["left_out"] < 0.1


def test_voxels_that_are_not_finite_are_outside(tmp_path: Path) -> None:
    data = ball().astype(np.float32)
    data[:, :, :3] = np.nan
    data[0, 0, 0] = np.inf
    surface = surface_from(save(tmp_path / "nan.nii", data))
    assert is_sphere(surface)
    np.testing.assert_allclose(surface.vertices, surface_from(save(tmp_path / "ball.nii", ball())).vertices)


def test_small_components_are_removed(tmp_path: Path) -> None:
    speck = ball()
    speck[1:3, 1:3, 1:3] = 1
    _, facts = surface_of(read_volume(save(tmp_path / "speck.nii", speck)), 2.0, "speck")
    assert 0 < facts["other_parts"] < 0.01


def test_a_mask_that_fills_the_volume_has_a_closed_surface(tmp_path: Path) -> None:
    assert is_sphere(surface_from(save(tmp_path / "full.nii", np.ones((10, 10, 10), dtype=np.uint8))))
    slab = surface_from(save(tmp_path / "slices.nii", np.ones((20, 20, 3), dtype=np.uint8)))
    assert is_sphere(slab)


def test_a_four_dimensional_image_of_one_volume_is_accepted(tmp_path: Path) -> None:
    assert is_sphere(surface_from(save(tmp_path / "one.nii", ball()[..., None])))


def test_voxels_in_micrometres_are_converted_to_mm(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(ball(), np.diag([2000.0, 2000, 2000, 1]))
    image.header.set_xyzt_units("micron")
    image.to_filename(tmp_path / "micron.nii")
    surface = surface_from(tmp_path / "micron.nii")
    np.testing.assert_allclose(surface.vertices, surface_from(save(tmp_path / "mm.nii", ball())).vertices, atol=1e-5)


def test_empty_space_around_a_mask_does_not_matter(tmp_path: Path) -> None:
    within = np.zeros((90, 60, 60), dtype=np.uint8)
    within[50:80, 20:50, 10:40] = ball()
    affine = RAS.copy()
    affine[:3, 3] = [-100, -40, -20]
    surface = surface_from(save(tmp_path / "within.nii", within, affine))
    alone = surface_from(save(tmp_path / "alone.nii", ball()))
    np.testing.assert_allclose(surface.vertices, alone.vertices, atol=1e-5)
    np.testing.assert_array_equal(surface.faces, alone.faces)


# Errors


def two_balls() -> NDArray[np.float32]:
    return np.maximum(ball(40, 8, (9, 9, 9)), ball(40, 7, (29, 29, 29)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (two_balls(), r"separate components of [\d,]+ and [\d,]+ voxels.*keep one of them"),
        (np.zeros((9, 9, 9), dtype=np.uint8), "is empty: no voxel is above 0"),
        (np.full((9, 9, 9), np.nan, dtype=np.float32), "is empty: no voxel is above 0"),
        (np.ones((5, 5, 5, 4), dtype=np.uint8), r"has 4 dimensions \(5, 5, 5, 4\); expected one volume"),
        (
            np.arange(27, dtype=np.int16).reshape(3, 3, 3),
            "If they are labels, select those inside, such as mask_labels",
        ),
    ],
)
def test_a_volume_without_a_single_surface_is_an_error(tmp_path: Path, data: NDArray[Any], message: str) -> None:
    path = save(tmp_path / "wrong.nii.gz", data)
    with pytest.raises(ValueError, match=message):
        Cortex(source=str(path), n=20).positions()


def test_a_mask_too_thin_for_the_voxels_is_an_error(tmp_path: Path) -> None:
    line = np.zeros((30, 30, 30), dtype=np.uint8)
    line[10, 10, 5:25] = 1
    with pytest.raises(ValueError, match="too thin; write a smaller voxel_mm"):
        surface_from(save(tmp_path / "line.nii", line), voxel_mm=6.0)


def test_too_many_voxels_are_an_error(tmp_path: Path) -> None:
    path = save(tmp_path / "ball.nii", ball())
    with pytest.raises(
        ValueError, match=r"has 1,\d{3},\d{3},\d{3} voxels at .*maximum of 40,000,000: write voxel_mm=0\.1\d or"
    ):
        surface_from(path, voxel_mm=0.05)


def test_an_image_of_colours_is_an_error(tmp_path: Path) -> None:
    colours = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    with pytest.raises(ValueError, match="expected one real number per voxel"):
        read_volume(save(tmp_path / "rgb.nii", colours))


def test_files_without_a_volume_are_errors(tmp_path: Path) -> None:
    (tmp_path / "text.nii").write_text("not an image")
    (tmp_path / "text.nii.gz").write_bytes(b"\x1f\x8bnot gzip")
    whole = save(tmp_path / "whole.nii.gz", ball()).read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    for name in ("text.nii", "text.nii.gz", "cut.nii.gz"):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as a volume; expected NIfTI"):
            read_volume(tmp_path / name)
    with pytest.raises(ValueError, match="there is no file"):
        read_volume(tmp_path / "absent.nii")


# Hemispheres


def test_a_volume_is_cut_at_the_midline(tmp_path: Path) -> None:
    affine = RAS.copy()
    affine[:3, 3] = -29  # centred at the origin
    across = read_volume(save(tmp_path / "across.nii", ball(), affine))
    assert not is_one_sided(across)
    left, right = half(across, "left"), half(across, "right")
    np.testing.assert_allclose(left.inside + right.inside, across.inside)
    assert left.inside[15:].sum() == 0
    assert is_one_sided(left)
    assert is_one_sided(Volume(across.inside, RAS))


def test_voxels_inside_a_surface_match_winding_numbers() -> None:
    pial, _ = template_surface("fsaverage5_pial", "left")
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = [-75.3, -110.1, -55.7]
    grid = Volume(np.zeros((21, 47, 36), dtype=np.float32), affine)
    inside = voxels_inside(pial, grid)
    voxels = np.argwhere(np.ones_like(inside))
    points = voxels @ affine[:3, :3].T + affine[:3, 3]
    # van Oosterom & Strackee: the solid angles of all faces sum to 4 pi inside and to 0 outside
    sample = np.random.default_rng(0).choice(len(points), 400, replace=False)
    a, b, c = (pial.vertices[pial.faces[:, k]][None] - points[sample][:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    top = np.einsum("pfk,pfk->pf", a, np.cross(b, c))
    dot = [np.einsum("pfk,pfk->pf", *pair) for pair in ((a, b), (a, c), (b, c))]
    winding = np.arctan2(top, la * lb * lc + dot[0] * lc + dot[1] * lb + dot[2] * la).sum(axis=1) / (2 * np.pi)
    np.testing.assert_array_equal(inside[tuple(voxels[sample].T)], winding > 0.5)
    assert abs(inside.sum() * 64 / as_trimesh(pial).volume - 1) < 0.01  # voxels of 4 mm


def test_a_volume_whose_unit_of_length_has_an_undefined_code_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "mask.nii", ball())
    content = bytearray(path.read_bytes())
    content[123] = 4  # xyzt_units of the header: 1 metre, 2 mm, 3 micron
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"mask\.nii cannot be read as a volume; expected NIfTI"):
        read_volume(path)
