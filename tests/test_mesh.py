"""Meshes from files, arrays and formulas."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.special import ellipeinc

from spatialnets.geometries import Ellipsoid, Mesh
from spatialnets.geometries.anatomy.surfaces import clean, components, read_surface
from spatialnets.protocols import Surface
from spatialnets.testing import check_geometry

BALL = trimesh.creation.icosphere(subdivisions=3, radius=20.0)
EGG = BALL.copy()
EGG.vertices = EGG.vertices * [1, 1.2, 1.5] + np.random.default_rng(0).normal(size=(642, 3)) * 0.2  # without symmetry
SURFACE = Surface(np.array(BALL.vertices), np.array(BALL.faces))


def gifti(path: Path, *arrays: tuple[NDArray[Any], str], labels: dict[int, str] | None = None) -> Path:
    image = nibabel.gifti.GiftiImage()
    for values, intent in arrays:
        kind = "NIFTI_TYPE_FLOAT32" if values.dtype.kind == "f" else "NIFTI_TYPE_INT32"
        dtype = np.float32 if values.dtype.kind == "f" else np.int32
        image.add_gifti_data_array(nibabel.gifti.GiftiDataArray(values.astype(dtype), intent, kind))
    if labels:
        for key, name in labels.items():
            label = nibabel.gifti.GiftiLabel(key, 0.0, 0.0, 0.0, 1.0)
            label.label = name
            image.labeltable.labels.append(label)
    image.to_filename(path)
    return path


def files(folder: Path) -> list[Path]:
    """Write the same egg in every kind of file."""
    written = [folder / f"egg.{ending}" for ending in ("ply", "obj", "stl", "off")]
    for path in written:
        EGG.export(path)
    surface = (EGG.vertices, "NIFTI_INTENT_POINTSET"), (EGG.faces, "NIFTI_INTENT_TRIANGLE")
    written += [gifti(folder / "egg.gii", *surface), gifti(folder / "turned.gii", *surface[::-1])]
    nibabel.freesurfer.write_geometry(folder / "lh.egg", EGG.vertices, EGG.faces)
    return [*written, folder / "lh.egg"]


def mesh_of(source: Any, **words: Any) -> Mesh:
    """Return what type checkers would rather have as plain numbers."""
    return Mesh(source, **words)


# Mesh


def test_every_kind_of_file_holds_the_same_egg(tmp_path: Path) -> None:
    expected = mesh_of(EGG, n=30)
    check_geometry(expected)
    for path in files(tmp_path):
        mesh = mesh_of(path, n=30)
        assert mesh.length_unit == "mm"
        # float32, or text with as many digits
        np.testing.assert_allclose(mesh.distances(), expected.distances(), rtol=2e-6, atol=1e-9, err_msg=str(path))
        assert len(mesh.surface().vertices) == 642, path


def test_a_freesurfer_surface_is_moved_to_scanner_coordinates(tmp_path: Path) -> None:
    about = {"head": [2, 0, 20], "valid": "1", "filename": "x", "volume": np.array([256] * 3), "voxelsize": np.ones(3)}
    about |= {"xras": [-1.0, 0, 0], "yras": [0.0, 0, -1], "zras": [0.0, 1, 0], "cras": [5.0, -7.0, 11.0]}
    nibabel.freesurfer.write_geometry(tmp_path / "lh.white", SURFACE.vertices, SURFACE.faces, volume_info=about)
    np.testing.assert_allclose(read_surface(tmp_path / "lh.white")[0].mean(axis=0), [5, -7, 11], atol=1e-4)


def test_meshes_are_values() -> None:
    mesh, other = mesh_of(SURFACE, n=12), mesh_of((SURFACE.vertices.tolist(), SURFACE.faces.tolist()), n=12)
    assert mesh == other == mesh_of(BALL, n=12)
    assert hash(mesh) == hash(other)
    assert repr(mesh) == "Mesh(<642 vertices>, n=12, metric='geodesic')"
    assert mesh != replace(mesh, n=13)


def test_straight_distances_are_euclidean_and_ways_are_longer() -> None:
    along, straight = mesh_of(SURFACE, n=50), mesh_of(SURFACE, n=50, metric="euclidean")
    np.testing.assert_array_equal(along.positions(), straight.positions())
    offset = straight.positions()[:, None] - straight.positions()[None]
    np.testing.assert_allclose(straight.distances(), np.linalg.norm(offset, axis=-1), atol=1e-12)
    apart = ~np.eye(50, dtype=bool)
    assert (along.distances() > straight.distances())[apart].all()


def test_every_vertex_can_be_a_unit() -> None:
    small = trimesh.creation.icosphere(subdivisions=1)
    mesh = mesh_of(small, n=42)
    np.testing.assert_array_equal(mesh.positions(), small.vertices)
    with pytest.raises(ValueError, match="has 42 vertices for units, fewer than n=43"):
        mesh_of(small, n=43).positions()


def test_random_units_depend_on_the_seed_alone() -> None:
    one, same, other = (mesh_of(SURFACE, n=20, placement="poisson_disk", seed=seed) for seed in (1, 1, 2))
    check_geometry(one)
    np.testing.assert_array_equal(one.positions(), same.positions())
    assert not np.array_equal(one.positions(), other.positions())


def test_units_stand_in_parcels_and_keep_their_names(tmp_path: Path) -> None:
    octant = (SURFACE.vertices > 0) @ np.array([1, 2, 4]) + 1
    octant[SURFACE.vertices[:, 2] < -17] = 0
    names = {0: "???", **{label: f"area {label}" for label in range(1, 9)}}
    gifti(tmp_path / "o.label.gii", (octant, "NIFTI_INTENT_LABEL"), labels=names)
    np.save(tmp_path / "o.npy", octant)
    np.savetxt(tmp_path / "o.csv", octant, fmt="%d")
    table = np.column_stack([np.arange(9) * 20, np.zeros((9, 3)), np.arange(9)]).astype(int)
    nibabel.freesurfer.write_annot(tmp_path / "o.annot", octant, table, list(names.values()), fill_ctab=True)
    for name in ("o.label.gii", "o.annot", "o.npy", "o.csv"):
        mesh = mesh_of(SURFACE, labels=tmp_path / name)
        check_geometry(mesh)
        assert mesh.n_units == 8
        sides = (mesh.positions() > 0) @ np.array([1, 2, 4]) + 1
        np.testing.assert_array_equal(sides, np.arange(1, 9))
        plain = tuple(str(label) for label in range(1, 9))
        assert mesh.unit_names() == (plain if name in ("o.npy", "o.csv") else tuple(names.values())[1:])


def test_units_and_ways_keep_off_what_is_masked(tmp_path: Path) -> None:
    kept = SURFACE.vertices[:, 2] < 8
    np.save(tmp_path / "mask.npy", kept)
    mesh, whole = mesh_of(SURFACE, n=60, mask=tmp_path / "mask.npy"), mesh_of(SURFACE, n=60)
    check_geometry(mesh)
    assert (mesh.positions()[:, 2] < 8).all()
    assert (whole.positions()[:, 2] > 8).any()
    # along the rim, two units on opposite sides cannot take the way over the pole
    ends = [int(np.linalg.norm(mesh.positions() - [x, 0, 6], axis=1).argmin()) for x in (20, -20)]
    positions = mesh.positions()[ends] / 20
    over_the_pole = 20 * np.arccos(np.clip(positions[0] @ positions[1], -1, 1))
    assert mesh.distances()[ends[0], ends[1]] > 1.05 * over_the_pole
    listed = np.flatnonzero(kept)
    rows = [f"{vertex} 0 0 0 0" for vertex in listed]
    (tmp_path / "lh.cortex.label").write_text("\n".join(["#!ascii label", str(len(rows)), *rows]) + "\n")
    np.testing.assert_array_equal(
        mesh_of(SURFACE, n=60, mask=tmp_path / "lh.cortex.label").distances(),
        mesh.distances(),
    )


# What is refused


def test_files_that_hold_no_mesh_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text.ply").write_text("not a mesh")
    (tmp_path / "text.gii").write_text("not a mesh")
    (tmp_path / "short.pial").write_bytes(b"\xff\xff\xfe cut")
    (tmp_path / "x.docx").write_text("")
    gifti(tmp_path / "data.gii", (np.zeros(9, dtype=np.float32), "NIFTI_INTENT_SHAPE"))
    trimesh.PointCloud(SURFACE.vertices).export(tmp_path / "points.ply")
    for name, said in (
        ("text.ply", "cannot be read as a surface"),
        ("text.gii", "cannot be read as a surface"),
        ("short.pial", "cannot be read as a surface"),
        ("x.docx", r"is no surface that can be read: expected GIFTI .* \.ply"),
        ("data.gii", "GIFTI file without a surface"),
        ("points.ply", "no triangle mesh"),
    ):
        with pytest.raises(ValueError, match=said):
            mesh_of(tmp_path / name).positions()
    with pytest.raises(ValueError, match="there is no file absent"):
        Mesh("absent.gii")


@pytest.mark.parametrize(
    ("vertices", "faces", "said"),
    [
        (np.zeros((3, 2)), [[0, 1, 2]], r"vertices must be \(vertex, 3\), not \(3, 2\)"),
        (np.eye(3), [[0, 1]], r"faces must be whole numbers \(face, 3\)"),
        (np.eye(3), [[0.0, 1.0, 2.5]], "faces must be whole numbers"),
        (np.eye(3), [[0, 1, 3]], "a face names vertex 3; there are vertices 0 to 2"),
        (np.eye(3), [[0, 1, -1]], "a face names vertex -1"),
        (np.where(np.eye(3) > 0, np.nan, 0), [[0, 1, 2]], "vertex 0 is at .*all must be finite"),
        (np.eye(3), [[0, 1, 1]], "no triangle with three different corners"),
        (np.eye(3), 7, "source must be|faces must be"),
    ],
)
def test_arrays_that_are_no_mesh_are_refused(vertices: NDArray[Any], faces: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mesh_of((vertices, faces), n=2)


def test_separate_parts_are_refused_along_the_surface_and_fine_straight_through_space() -> None:
    apart = Surface(
        np.vstack([SURFACE.vertices, SURFACE.vertices + 100]), np.vstack([SURFACE.faces, SURFACE.faces + 642])
    )
    with pytest.raises(ValueError, match=r"in separate parts: no way along it leads to \d+ of 20 units.*euclidean"):
        mesh_of(apart, n=20).distances()
    straight = mesh_of(apart, n=20, metric="euclidean")
    check_geometry(straight)
    assert 5 < (straight.positions()[:, 0] > 50).sum() < 15  # both parts have units
    assert components(apart).tolist() == [0] * 642 + [1] * 642


def test_labels_and_masks_for_another_surface_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.ones(10))
    np.save(tmp_path / "square.npy", np.ones((642, 2)))
    np.save(tmp_path / "none.npy", np.zeros(642))
    np.save(tmp_path / "half.npy", np.full(642, 0.5))
    np.save(tmp_path / "one.npy", np.ones(642))
    (tmp_path / "x.annot").write_bytes(b"not")
    (tmp_path / "x.xyz").write_bytes(b"not")
    for field, name, said in (
        ("labels", "short.npy", "values for 10 vertices, but the surface has 642"),
        ("labels", "square.npy", r"holds float64 \(642, 2\); expected one number per vertex"),
        ("labels", "half.npy", "expected whole numbers"),
        ("labels", "one.npy", r"name 1 parcel\(s\) of the surface; expected two or more"),
        ("labels", "none.npy", r"name 0 parcel\(s\)"),
        ("labels", "x.annot", "cannot be read as labels"),
        ("labels", "x.xyz", r"ends in '\.xyz'; expected \.annot"),
        ("mask", "short.npy", "values for 10 vertices"),
        ("mask", "none.npy", "leaves no vertex"),
    ):
        with pytest.raises(ValueError, match=said):
            mesh_of(SURFACE, **{field: str(tmp_path / name)}).positions()
    with pytest.raises(ValueError, match="labels: there is no file"):
        mesh_of(SURFACE, labels="absent.annot")
    write_label(tmp_path / "below.label", [0, 5, -1])
    with pytest.raises(ValueError, match="lists vertex -1; the surface has 642 vertices"):
        mesh_of(SURFACE, mask=str(tmp_path / "below.label")).positions()


def write_label(path: Path, vertices: list[int]) -> None:
    lines = [f"{vertex} 0.0 0.0 0.0 0.0" for vertex in vertices]
    path.write_text("\n".join(["#!ascii label", str(len(lines)), *lines, ""]))


def test_an_island_of_a_mask_is_left_out_and_two_large_parts_are_refused(tmp_path: Path) -> None:
    height = SURFACE.vertices[:, 2]
    top, tip, bottom = height > 4, height < -19, height < -4  # edges are 3 long
    np.save(tmp_path / "island.npy", (top | tip).astype(float))
    np.save(tmp_path / "halves.npy", (top | bottom).astype(float))
    mesh = mesh_of(SURFACE, n=25, mask=str(tmp_path / "island.npy"))
    check_geometry(mesh)
    assert (mesh.positions()[:, 2] > 4).all()
    share = tip.sum() / (top.sum() + tip.sum())
    assert share > 0.02
    assert mesh.facts()["islands"].startswith(f"{100 * share:.1f} %")
    with pytest.raises(ValueError, match=r"its mask falls into separate parts of \d+ and \d+ vertices.*keep one"):
        mesh_of(SURFACE, n=25, mask=str(tmp_path / "halves.npy")).positions()
    straight = mesh_of(SURFACE, n=25, mask=str(tmp_path / "halves.npy"), metric="euclidean")
    assert 5 < (straight.positions()[:, 2] > 0).sum() < 20


def test_labels_in_text_have_names_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join("1" if z > 0 else "2" for z in SURFACE.vertices[:, 2]))
    (tmp_path / "names.tsv").write_text("index\tname\n1\tnorth\n2\tsouth\n")
    words = {"labels": str(tmp_path / "labels.txt"), "names": str(tmp_path / "names.tsv")}
    assert mesh_of(SURFACE, **words).unit_names() == ("north", "south")
    with pytest.raises(ValueError, match="names are those of labels, and there are no labels"):
        mesh_of(SURFACE, names=words["names"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"n": 1}, "n must be 2 or more"),
        ({"metric": "straight"}, "metric must be geodesic or euclidean, not 'straight'"),
        ({"placement": "even"}, "placement must be farthest or poisson_disk, not 'even'"),
    ],
)
def test_words_that_mean_nothing_are_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mesh_of(SURFACE, **words)


# Cleaning


def test_repeated_vertices_and_idle_ones_go_and_the_rest_keep_their_order() -> None:
    vertices = np.array([[9.0, 9, 9], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]])
    cleaned = clean(vertices, np.array([[1, 2, 3], [4, 5, 6], [1, 2, 5], [3, 2, 1]]))
    np.testing.assert_array_equal(cleaned.surface.vertices, vertices[[1, 2, 3, 6]])
    assert cleaned.surface.faces.tolist() == [[0, 1, 2], [2, 1, 3]]
    assert cleaned.places.tolist() == [-1, 0, 1, 2, 2, 1, 3]


# Ellipsoid


def test_an_ellipsoid_of_equal_axes_is_a_sphere() -> None:
    ball = Ellipsoid(semi_axes=(2.0, 2.0, 2.0), n=60)
    check_geometry(ball)
    unit = ball.positions() / 2
    exact = 4 * np.arctan2(
        np.linalg.norm(unit[:, None] - unit[None], axis=-1), np.linalg.norm(unit[:, None] + unit[None], axis=-1)
    )
    apart = exact > 0
    # 0.05 % shorter on the mesh, and ways bend
    np.testing.assert_allclose(ball.distances()[apart], exact[apart], rtol=5e-3)
    assert abs((ball.distances()[apart] / exact[apart]).mean() - 1) < 1e-3


def test_the_meridian_of_a_spheroid_has_its_length() -> None:
    spheroid = Ellipsoid(semi_axes=(1.0, 1.0, 2.0), n=10_242)
    # only two units are of interest: measure on its surface
    from spatialnets.geometries.anatomy.surface_lengths import surface_lengths

    vertices, faces = Ellipsoid(semi_axes=(1.0, 1.0, 2.0), n=20).surface()
    poles = [int(vertices[:, 2].argmax()), int(vertices[:, 2].argmin())]
    exact = 2 * 2.0 * float(ellipeinc(np.pi / 2, 1 - 1 / 4))  # half of the ellipse with axes 1 and 2
    assert abs(surface_lengths(vertices, faces, poles)[0, 1] / exact - 1) < 2e-3
    assert spheroid.n_units == 10_242


@pytest.mark.parametrize("axes", [(1.0, 2.0), (1.0, 0.0, 1.0), (1.0, float("nan"), 1.0), (-1.0, 1.0, 1.0)])
def test_axes_of_no_ellipsoid_are_refused(axes: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="semi_axes must be three finite, positive lengths"):
        Ellipsoid(semi_axes=axes)  # type: ignore[arg-type]
