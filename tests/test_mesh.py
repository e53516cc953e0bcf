"""Meshes from files, arrays and formulas (ellipsoids)."""

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
EGG.vertices = EGG.vertices * [1, 1.2, 1.5] + np.random.default_rng(0).normal(size=(642, 3)) * 0.2  # not symmetric
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
    """Write the same mesh in every supported file format."""
    written = [folder / f"egg.{ending}" for ending in ("ply", "obj", "stl", "off")]
    for path in written:
        EGG.export(path)
    surface = (EGG.vertices, "NIFTI_INTENT_POINTSET"), (EGG.faces, "NIFTI_INTENT_TRIANGLE")
    written += [gifti(folder / "egg.gii", *surface), gifti(folder / "turned.gii", *surface[::-1])]
    nibabel.freesurfer.write_geometry(folder / "lh.egg", EGG.vertices, EGG.faces)
    return [*written, folder / "lh.egg"]


def mesh_of(source: Any, **fields: Any) -> Mesh:
    """Return a mesh; type checkers would insist on a string or tuples."""
    return Mesh(source, **fields)


# Mesh


def test_all_file_formats_give_the_same_mesh(tmp_path: Path) -> None:
    expected = mesh_of(EGG, n=30)
    check_geometry(expected)
    for path in files(tmp_path):
        mesh = mesh_of(path, n=30)
        assert mesh.length_unit == "mm"
        # float32, or text of the same precision
        np.testing.assert_allclose(mesh.distances(), expected.distances(), rtol=2e-6, atol=1e-9, err_msg=str(path))
        assert len(mesh.surface().vertices) == 642, path


def test_a_freesurfer_surface_is_moved_to_scanner_coordinates(tmp_path: Path) -> None:
    volume_info = {
        "head": [2, 0, 20],
        "valid": "1",
        "filename": "x",
        "volume": np.array([256] * 3),
        "voxelsize": np.ones(3),
    }
    volume_info |= {"xras": [-1.0, 0, 0], "yras": [0.0, 0, -1], "zras": [0.0, 1, 0], "cras": [5.0, -7.0, 11.0]}
    nibabel.freesurfer.write_geometry(tmp_path / "lh.white", SURFACE.vertices, SURFACE.faces, volume_info=volume_info)
    np.testing.assert_allclose(read_surface(tmp_path / "lh.white")[0].mean(axis=0), [5, -7, 11], atol=1e-4)


def test_meshes_are_compared_and_hashed_by_value() -> None:
    mesh, other = mesh_of(SURFACE, n=12), mesh_of((SURFACE.vertices.tolist(), SURFACE.faces.tolist()), n=12)
    assert mesh == other == mesh_of(BALL, n=12)
    assert hash(mesh) == hash(other)
    assert repr(mesh) == "Mesh(<642 vertices>, n=12, metric='geodesic')"
    assert mesh != replace(mesh, n=13)


def test_geodesic_distances_are_longer_than_euclidean_ones() -> None:
    along, straight = mesh_of(SURFACE, n=50), mesh_of(SURFACE, n=50, metric="euclidean")
    np.testing.assert_array_equal(along.positions(), straight.positions())
    offset = straight.positions()[:, None] - straight.positions()[None]
    np.testing.assert_allclose(straight.distances(), np.linalg.norm(offset, axis=-1), atol=1e-12)
    assert (along.distances() > straight.distances())[~np.eye(50, dtype=bool)].all()


def test_every_vertex_can_be_a_unit() -> None:
    small = trimesh.creation.icosphere(subdivisions=1)
    mesh = mesh_of(small, n=42)
    np.testing.assert_array_equal(mesh.positions(), small.vertices)
    with pytest.raises(ValueError, match="has only 42 vertices for n=43 units; write a smaller n"):
        mesh_of(small, n=43).positions()


def test_random_placement_depends_only_on_the_seed() -> None:
    one, same, other = (mesh_of(SURFACE, n=20, placement="poisson_disk", seed=seed) for seed in (1, 1, 2))
    check_geometry(one)
    np.testing.assert_array_equal(one.positions(), same.positions())
    assert not np.array_equal(one.positions(), other.positions())


def test_units_are_placed_in_parcels_and_have_their_names(tmp_path: Path) -> None:
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


def test_units_and_paths_stay_inside_the_mask(tmp_path: Path) -> None:
    kept = SURFACE.vertices[:, 2] < 8
    np.save(tmp_path / "mask.npy", kept)
    mesh, whole = mesh_of(SURFACE, n=60, mask=tmp_path / "mask.npy"), mesh_of(SURFACE, n=60)
    check_geometry(mesh)
    assert (mesh.positions()[:, 2] < 8).all()
    assert (whole.positions()[:, 2] > 8).any()
    # the path between two units on opposite sides of the rim cannot cross the pole
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


# Errors


def test_files_without_a_mesh_are_errors(tmp_path: Path) -> None:
    (tmp_path / "text.ply").write_text("not a mesh")
    (tmp_path / "text.gii").write_text("not a mesh")
    (tmp_path / "short.pial").write_bytes(b"\xff\xff\xfe cut")
    (tmp_path / "x.docx").write_text("")
    gifti(tmp_path / "data.gii", (np.zeros(9, dtype=np.float32), "NIFTI_INTENT_SHAPE"))
    trimesh.PointCloud(SURFACE.vertices).export(tmp_path / "points.ply")
    for name, message in (
        ("text.ply", "cannot be read as a surface"),
        ("text.gii", "cannot be read as a surface"),
        ("short.pial", "cannot be read as a surface"),
        ("x.docx", r"is not a supported surface file; expected GIFTI .* \.ply"),
        ("data.gii", "GIFTI file without a surface"),
        ("points.ply", "does not contain a triangle mesh"),
    ):
        with pytest.raises(ValueError, match=message):
            mesh_of(tmp_path / name).positions()
    with pytest.raises(ValueError, match="there is no file absent"):
        Mesh("absent.gii")


@pytest.mark.parametrize(
    ("vertices", "faces", "message"),
    [
        (np.zeros((3, 2)), [[0, 1, 2]], r"vertices must have shape \(vertex, 3\), not \(3, 2\)"),
        (np.eye(3), [[0, 1]], r"faces must be whole numbers of shape \(face, 3\)"),
        (np.eye(3), [[0.0, 1.0, 2.5]], "faces must be whole numbers"),
        (np.eye(3), [[0, 1, 3]], "a face refers to vertex 3, but vertices are 0 to 2"),
        (np.eye(3), [[0, 1, -1]], "a face refers to vertex -1"),
        (np.where(np.eye(3) > 0, np.nan, 0), [[0, 1, 2]], "vertex 0 is at .*positions must be finite"),
        (np.eye(3), [[0, 1, 1]], "no triangle with three different corners"),
        (np.eye(3), 7, "source must be|faces must be"),
    ],
)
def test_arrays_that_are_not_a_mesh_are_errors(vertices: NDArray[Any], faces: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mesh_of((vertices, faces), n=2)


def test_separate_components_are_an_error_unless_distances_are_euclidean() -> None:
    two_balls = Surface(
        np.vstack([SURFACE.vertices, SURFACE.vertices + 100]), np.vstack([SURFACE.faces, SURFACE.faces + 642])
    )
    with pytest.raises(ValueError, match=r"separate components: no path along the surface reaches \d+ of 20 units"):
        mesh_of(two_balls, n=20).distances()
    straight = mesh_of(two_balls, n=20, metric="euclidean")
    check_geometry(straight)
    assert 5 < (straight.positions()[:, 0] > 50).sum() < 15  # both components have units
    assert components(two_balls).tolist() == [0] * 642 + [1] * 642


def test_labels_and_masks_for_another_surface_are_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "short.npy", np.ones(10))
    np.save(tmp_path / "square.npy", np.ones((642, 2)))
    np.save(tmp_path / "none.npy", np.zeros(642))
    np.save(tmp_path / "half.npy", np.full(642, 0.5))
    np.save(tmp_path / "one.npy", np.ones(642))
    (tmp_path / "x.annot").write_bytes(b"not")
    (tmp_path / "x.xyz").write_bytes(b"not")
    for field, name, message in (
        ("labels", "short.npy", "values for 10 vertices, but the surface has 642"),
        ("labels", "square.npy", r"contains float64 \(642, 2\); expected one number per vertex"),
        ("labels", "half.npy", "expected whole numbers"),
        ("labels", "one.npy", r"define 1 parcel\(s\) on the surface; expected two or more"),
        ("labels", "none.npy", r"define 0 parcel\(s\)"),
        ("labels", "x.annot", "cannot be read as labels"),
        ("labels", "x.xyz", r"ends in '\.xyz'; expected \.annot"),
        ("mask", "short.npy", "values for 10 vertices"),
        ("mask", "none.npy", "is an empty mask"),
    ):
        with pytest.raises(ValueError, match=message):
            mesh_of(SURFACE, **{field: str(tmp_path / name)}).positions()
    with pytest.raises(ValueError, match="labels: there is no file"):
        mesh_of(SURFACE, labels="absent.annot")
    write_label(tmp_path / "below.label", [0, 5, -1])
    with pytest.raises(ValueError, match="lists vertex -1, but the surface has 642 vertices"):
        mesh_of(SURFACE, mask=str(tmp_path / "below.label")).positions()


def write_label(path: Path, vertices: list[int]) -> None:
    lines = [f"{vertex} 0.0 0.0 0.0 0.0" for vertex in vertices]
    path.write_text("\n".join(["#!ascii label", str(len(lines)), *lines, ""]))


def test_an_island_of_a_mask_is_removed_and_two_large_components_are_an_error(tmp_path: Path) -> None:
    height = SURFACE.vertices[:, 2]
    top, tip, bottom = height > 4, height < -19, height < -4  # the edge length is 3
    np.save(tmp_path / "island.npy", (top | tip).astype(float))
    np.save(tmp_path / "halves.npy", (top | bottom).astype(float))
    mesh = mesh_of(SURFACE, n=25, mask=str(tmp_path / "island.npy"))
    check_geometry(mesh)
    assert (mesh.positions()[:, 2] > 4).all()
    fraction = tip.sum() / (top.sum() + tip.sum())
    assert fraction > 0.02
    assert mesh.facts()["islands"].startswith(f"{100 * fraction:.1f} %")
    with pytest.raises(ValueError, match=r"the mask has separate components of \d+ and \d+ vertices.*keep one"):
        mesh_of(SURFACE, n=25, mask=str(tmp_path / "halves.npy")).positions()
    straight = mesh_of(SURFACE, n=25, mask=str(tmp_path / "halves.npy"), metric="euclidean")
    assert 5 < (straight.positions()[:, 2] > 0).sum() < 20


def test_names_of_labels_can_come_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("\n".join("1" if z > 0 else "2" for z in SURFACE.vertices[:, 2]))
    (tmp_path / "names.tsv").write_text("index\tname\n1\tnorth\n2\tsouth\n")
    files = {"labels": str(tmp_path / "labels.txt"), "names": str(tmp_path / "names.tsv")}
    assert mesh_of(SURFACE, **files).unit_names() == ("north", "south")
    with pytest.raises(ValueError, match="names is only used together with labels"):
        mesh_of(SURFACE, names=files["names"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 1}, "n must be 2 or more"),
        ({"metric": "straight"}, "metric must be geodesic or euclidean, not 'straight'"),
        ({"placement": "even"}, "placement must be farthest or poisson_disk, not 'even'"),
    ],
)
def test_invalid_fields_are_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mesh_of(SURFACE, **fields)


# Cleaning


def test_repeated_and_unused_vertices_are_removed_and_the_others_keep_their_order() -> None:
    vertices = np.array([[9.0, 9, 9], [0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]])
    mesh = clean(vertices, np.array([[1, 2, 3], [4, 5, 6], [1, 2, 5], [3, 2, 1]]))
    np.testing.assert_array_equal(mesh.surface.vertices, vertices[[1, 2, 3, 6]])
    assert mesh.surface.faces.tolist() == [[0, 1, 2], [2, 1, 3]]
    assert mesh.new_index.tolist() == [-1, 0, 1, 2, 2, 1, 3]


# Ellipsoid


def test_an_ellipsoid_with_equal_axes_is_a_sphere() -> None:
    ball = Ellipsoid(semi_axes=(2.0, 2.0, 2.0), n=60)
    check_geometry(ball)
    unit = ball.positions() / 2
    exact = 4 * np.arctan2(
        np.linalg.norm(unit[:, None] - unit[None], axis=-1), np.linalg.norm(unit[:, None] + unit[None], axis=-1)
    )
    pairs = exact > 0
    # the mesh is 0.05 % smaller than the sphere, and paths bend at vertices
    np.testing.assert_allclose(ball.distances()[pairs], exact[pairs], rtol=5e-3)
    assert abs((ball.distances()[pairs] / exact[pairs]).mean() - 1) < 1e-3


def test_the_meridian_of_a_spheroid_has_the_length_of_the_elliptic_integral() -> None:
    spheroid = Ellipsoid(semi_axes=(1.0, 1.0, 2.0), n=10_242)
    # only two vertices are of interest: measure on the surface itself
    from spatialnets.geometries.anatomy.surface_lengths import surface_lengths

    vertices, faces = Ellipsoid(semi_axes=(1.0, 1.0, 2.0), n=20).surface()
    poles = [int(vertices[:, 2].argmax()), int(vertices[:, 2].argmin())]
    exact = 2 * 2.0 * float(ellipeinc(np.pi / 2, 1 - 1 / 4))  # half the perimeter of the ellipse with semi-axes 1 and 2
    assert abs(surface_lengths(vertices, faces, poles)[0, 1] / exact - 1) < 2e-3
    assert spheroid.n_units == 10_242


@pytest.mark.parametrize("axes", [(1.0, 2.0), (1.0, 0.0, 1.0), (1.0, float("nan"), 1.0), (-1.0, 1.0, 1.0)])
def test_invalid_semi_axes_are_errors(axes: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="semi_axes must be (three lengths|positive and finite)"):
        Ellipsoid(semi_axes=axes)  # type: ignore[arg-type]
