"""Units on cortex: from templates, volumes, surfaces and parcels."""

import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spatialnets import Experiment
from spatialnets.files.cache import cache_folder
from spatialnets.geometries import Cortex
from spatialnets.geometries.anatomy.surfaces import as_trimesh
from spatialnets.geometries.anatomy.templates import SURFACES, TEMPLATES, template_files, template_surface
from spatialnets.protocols import Surface
from spatialnets.testing import check_geometry

PIAL = template_files("fsaverage5_pial", "left")[0]
PIAL_RIGHT = template_files("fsaverage5_pial", "right")[0]


def cortex_of(**fields: Any) -> Cortex:
    """Return a cortex; type checkers would insist on exact types."""
    return Cortex(**fields)


# Templates


@pytest.mark.parametrize("source", TEMPLATES)
def test_every_template_satisfies_the_geometry_contract(source: str) -> None:
    cortex = Cortex(source=source, n=40, voxel_mm=3.0)
    check_geometry(cortex)
    assert cortex.length_unit == "mm"
    vertices, faces = cortex.surface()
    mesh = as_trimesh(Surface(vertices, faces))
    assert mesh.is_watertight
    assert mesh.euler_number == 2
    assert mesh.volume > 0
    assert vertices.shape[1] == 3
    assert np.ptp(vertices, axis=0).min() > 60  # mm: a hemisphere
    assert np.ptp(vertices, axis=0).max() < 220
    assert (cdist(cortex.positions(), vertices).min(axis=1) == 0).all()
    assert (cortex.sphere() is not None) == (source in SURFACES)


@pytest.mark.slow
def test_the_default_is_the_left_hemisphere_of_mni152() -> None:
    cortex = Cortex()
    assert cortex.n_units == 100
    assert (cortex.positions()[:, 0] < 2).all()
    assert 80 < cortex.distances().mean() < 110
    assert cortex.facts().keys() == {"topology", "disconnected voxels"}
    assert 25_000 < len(cortex.surface().vertices) < 30_000


@pytest.mark.slow
def test_the_hemispheres_of_mni152_are_nearly_symmetric() -> None:
    left, right = (cortex_of(source="mni152_gm", hemisphere=side, voxel_mm=3.0, n=60) for side in ("left", "right"))
    assert (right.positions()[:, 0] > -3).all()
    assert abs(right.distances().mean() / left.distances().mean() - 1) < 0.05  # the MNI brain is symmetric


def test_units_have_the_positions_of_their_vertices_on_the_registered_sphere() -> None:
    cortex = Cortex(source="fsaverage5_white", n=30)
    surface, sphere = template_surface("fsaverage5_white", "left")
    vertex = cdist(cortex.positions(), surface.vertices).argmin(axis=1)
    np.testing.assert_array_equal(cortex.sphere(), sphere.vertices[vertex])
    np.testing.assert_allclose(np.linalg.norm(sphere.vertices, axis=1), 100, rtol=1e-4)  # the radius in the file


# Both hemispheres


def test_two_hemispheres_need_a_rule_for_distances_across() -> None:
    with pytest.raises(ValueError, match="hemispheres is not defined: write across: euclidean .* or across: a length"):
        Cortex(hemisphere="both")
    with pytest.raises(ValueError, match="inflated hemispheres are not in their anatomical positions"):
        Cortex(source="fsaverage5_inflated", hemisphere="both", across="euclidean")
    with pytest.raises(ValueError, match="n must be 4 or more for two hemispheres"):
        Cortex(hemisphere="both", across=100.0, n=3)


@pytest.mark.slow
@pytest.mark.parametrize("across", ["euclidean", 60.0, 150.0])
def test_distances_of_two_hemispheres_are_a_metric(across: Any) -> None:
    both = Cortex(source="fsaverage5_pial", hemisphere="both", across=across, n=41)
    check_geometry(both)
    left, right = (
        cortex_of(source="fsaverage5_pial", hemisphere=side, n=n) for side, n in (("left", 21), ("right", 20))
    )
    np.testing.assert_array_equal(both.positions(), np.vstack([left.positions(), right.positions()]))
    assert both.parts() is not None
    np.testing.assert_array_equal(both.parts(), [0] * 21 + [1] * 20)
    straight = cdist(left.positions(), right.positions())
    rule = straight if across == "euclidean" else np.maximum(straight, across)
    np.testing.assert_allclose(both.distances()[:21, 21:], rule, rtol=1e-12)
    within = both.distances()[:21, :21]
    assert (within <= left.distances() + 1e-9).all()
    shortened = float(both.facts()["across hemispheres"].split()[0])
    if across == 150.0:  # more than half of the longest path within: no path across is shorter
        np.testing.assert_allclose(within, left.distances(), rtol=1e-12)
        assert shortened == 0
    else:
        assert 0 < shortened < 100
        assert (within < left.distances() - 1e-6).mean() > 0.01


# Files


def test_a_nifti_file_can_be_cut_into_hemispheres_or_used_whole(tmp_path: Path) -> None:
    x, y, z = np.indices((40, 50, 40)) - np.array([19.5, 24.5, 19.5])[:, None, None, None]
    lump = ((x / 15) ** 2 + (y / 20) ** 2 + (z / 14) ** 2 < 1).astype(np.uint8)
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-39, -49, -39]  # centred at the origin
    nibabel.Nifti1Image(lump, affine).to_filename(tmp_path / "brain.nii.gz")
    left, right, whole = (
        cortex_of(source=tmp_path / "brain.nii.gz", hemisphere=side, n=25) for side in ("left", "right", "whole")
    )
    for cortex in (left, right, whole):
        check_geometry(cortex)
        assert as_trimesh(cortex.surface()).euler_number == 2
    assert left.surface().vertices[:, 0].max() < 1 < right.surface().vertices[:, 0].max()
    assert whole.surface().vertices[:, 0].min() < -25
    assert whole.surface().vertices[:, 0].max() > 25
    both = cortex_of(source=tmp_path / "brain.nii.gz", hemisphere="both", across=80.0, n=20)
    check_geometry(both)
    # a volume with a single hemisphere is used whole, whatever `hemisphere` is
    nibabel.Nifti1Image(lump, np.diag([2.0, 2.0, 2.0, 1.0])).to_filename(tmp_path / "right.nii.gz")
    alone = cortex_of(source=tmp_path / "right.nii.gz", n=25)
    np.testing.assert_allclose(
        alone.surface().vertices - alone.surface().vertices.mean(axis=0),
        whole.surface().vertices - whole.surface().vertices.mean(axis=0),
        atol=1e-6,
    )
    with pytest.raises(ValueError, match="is on one side of x = 0 in world coordinates: it contains one hemisphere"):
        cortex_of(source=tmp_path / "right.nii.gz", hemisphere="both", across=80.0).positions()


@pytest.mark.slow
def test_a_surface_file_gives_the_same_distances_as_the_template() -> None:
    template = Cortex(source="fsaverage5_pial", n=30)
    file = cortex_of(source=PIAL, n=30)
    np.testing.assert_array_equal(file.distances(), template.distances())
    pair = cortex_of(source=(PIAL, PIAL_RIGHT), n=30, hemisphere="right")
    np.testing.assert_array_equal(
        pair.distances(), Cortex(source="fsaverage5_pial", hemisphere="right", n=30).distances()
    )
    both = cortex_of(source=[PIAL, PIAL_RIGHT], n=30, hemisphere="both", across=100.0)
    check_geometry(both)
    with pytest.raises(ValueError, match=r"contains one hemisphere: write source: \[left file, right file\]"):
        cortex_of(source=PIAL, hemisphere="both", across=100.0)


@pytest.mark.slow
def test_a_label_volume_defines_parcels_on_a_surface(tmp_path: Path) -> None:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-75, -110, -60]
    x, y, z = (np.indices((52, 62, 50)).reshape(3, -1).T @ affine[:3, :3] + affine[:3, 3]).T
    labels = (1 + (y > -20) + 2 * (z > 15) + 4 * (x > 0)).astype(np.int32).reshape(52, 62, 50)
    nibabel.Nifti1Image(labels, affine).to_filename(tmp_path / "parcels.nii.gz")
    for source in ("mni152_wm", "fsaverage5_pial"):
        cortex = cortex_of(source=source, voxel_mm=3.0, labels=tmp_path / "parcels.nii.gz")
        check_geometry(cortex)
        names = cortex.unit_names()
        assert names is not None
        assert set(names) >= {"1", "2", "3", "4"}
        for name, (px, py, pz) in zip(names, cortex.positions(), strict=True):
            assert int(name) == 1 + (py > -20) + 2 * (pz > 15) + 4 * (px > 0)
    both = cortex_of(source="fsaverage5_pial", hemisphere="both", across=120.0, labels=tmp_path / "parcels.nii.gz")
    assert {name.split()[0] for name in both.unit_names() or ()} == {"left", "right"}
    assert both.n_units == len(both.positions())
    far = affine.copy()
    far[:3, 3] = 900
    nibabel.Nifti1Image(labels, far).to_filename(tmp_path / "far.nii.gz")
    with pytest.raises(ValueError, match="no voxels above 0 near the surface: are both in the same space"):
        cortex_of(source="fsaverage5_pial", labels=tmp_path / "far.nii.gz").positions()


def test_values_per_vertex_do_not_match_a_surface_made_from_a_volume(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.arange(10_242) % 7)
    assert cortex_of(source="fsaverage5_pial", labels=tmp_path / "labels.npy").n_units == 6
    for what in ("labels", "mask"):
        with pytest.raises(ValueError, match=rf"{what}: .*for a surface made from a volume, {what} must be a volume"):
            cortex_of(source="mni152_wm", voxel_mm=3.0, **{what: tmp_path / "labels.npy"}).positions()


@pytest.mark.slow
def test_names_of_the_labels_of_a_volume_come_from_a_table(tmp_path: Path) -> None:
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    affine[:3, 3] = [-75, -110, -60]
    labels = np.where(np.arange(62)[None, :, None] < 30, 11, 17) * np.ones((52, 1, 50))
    nibabel.Nifti1Image(labels.astype(np.int16), affine).to_filename(tmp_path / "dseg.nii.gz")
    table = tmp_path / "dseg.tsv"
    table.write_text("index\tname\n11\tback\n17\tfront\n")
    fields = {"source": "fsaverage5_pial", "labels": tmp_path / "dseg.nii.gz"}
    named = cortex_of(**fields, names=table)
    assert named.unit_names() == ("back", "front")
    assert cortex_of(**fields).unit_names() == ("11", "17")
    table.write_text("index\tname\n11\tposterior\n")
    assert cortex_of(**fields, names=table).unit_names() == ("posterior", "17")  # a changed table is read again
    table.write_text("index\tname\n12\tposterior\n")
    with pytest.raises(ValueError, match=r"dseg.tsv contains none of the labels of .*dseg.nii.gz, such as 17"):
        cortex_of(**fields, names=table).positions()


def test_units_stay_inside_the_mask_of_a_volume(tmp_path: Path) -> None:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [-90, -126, -72]
    mask = np.ones((91, 109, 91), dtype=np.uint8)
    mask[38:53] = 0  # 7 voxels on each side of the midline: the cut through white matter
    mask[2:4, 2:4, 2:4] = 1
    nibabel.Nifti1Image(mask, affine).to_filename(tmp_path / "lateral.nii.gz")
    cortex = cortex_of(source="mni152_wm", voxel_mm=3.0, n=60, mask=tmp_path / "lateral.nii.gz")
    check_geometry(cortex)
    assert cortex.positions()[:, 0].max() < -10
    assert cortex_of(source="mni152_wm", voxel_mm=3.0, n=60).positions()[:, 0].max() > -5
    assert "islands" in cortex.facts()


def test_full_is_the_value_of_probability_1_in_a_map_of_bytes(tmp_path: Path) -> None:
    x, y, z = np.indices((30, 30, 30)) - 14.5
    probability = np.clip(12 - np.sqrt(x**2 + y**2 + z**2), 0, 1)
    nibabel.Nifti1Image(np.round(255 * probability).astype(np.uint8), np.diag([2.0, 2, 2, 1])).to_filename(
        tmp_path / "b.nii"
    )
    nibabel.Nifti1Image(probability.astype(np.float32), np.diag([2.0, 2, 2, 1])).to_filename(tmp_path / "f.nii")
    bytes_, floats = cortex_of(source=tmp_path / "b.nii", n=12, full=255), cortex_of(source=tmp_path / "f.nii", n=12)
    # rounding to 255 values moves a vertex by a few thousandths of a voxel
    np.testing.assert_allclose(bytes_.distances().mean(), floats.distances().mean(), rtol=0.01)
    with pytest.raises(ValueError, match="set the value that corresponds to 1, such as full=255"):
        cortex_of(source=tmp_path / "b.nii", n=12).positions()


# Values and errors


def test_a_cortex_is_compared_and_pickled_without_its_arrays() -> None:
    cortex = Cortex(source="fsaverage5_pial", n=30)
    cortex.positions()
    assert len(pickle.dumps(cortex)) < 1000
    assert pickle.loads(pickle.dumps(cortex)) == cortex == replace(cortex, n=30) != replace(cortex, n=31)
    with pytest.raises(ValueError, match="read-only"):
        cortex.distances()[0, 1] = 7


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "mni152_vm"}, r"no file mni152_vm, and no template of that name: did you mean 'mni152_wm'\?"),
        ({"source": "absent.nii.gz"}, "source: there is no file absent.nii.gz"),
        ({"source": ("a", "b", "c")}, r"source must be one file, or two \(left and right\), not 3"),
        ({"hemisphere": "top"}, "hemisphere must be left, right, both or whole, not 'top'"),
        ({"hemisphere": "whole"}, "hemisphere must be left, right or both for the template mni152_wm, not whole"),
        ({"voxel_mm": 0.0}, "voxel_mm must be positive and finite, not 0.0"),
        ({"n": 1}, "n must be 2 or more"),
        ({"metric": "crow"}, "metric must be geodesic or euclidean"),
        ({"labels": "absent.annot"}, "labels: there is no file absent.annot"),
        ({"mask": "absent.label"}, "mask: there is no file absent.label"),
        ({"across": -1.0}, "across must be refused, euclidean or a finite, positive length"),
        ({"across": [1.0]}, r"across must be refused, euclidean or a finite, positive length, not \[1.0\]"),
        ({"n": 10.5}, "n must be a whole number, not 10.5"),
        ({"voxel_mm": "2"}, "voxel_mm must be a number, not '2'"),
        ({"mask_labels": (2.5,)}, r"mask_labels must be whole numbers, not \[2.5\]"),
        ({"mask_labels": (2,)}, "mask_labels applies to your own volumes only, but mni152_wm is a template"),
        ({"full": 255.0}, "full applies to your own volumes only, but mni152_wm is a template"),
        (
            {"source": PIAL, "mask_labels": (2,)},
            r"mask_labels applies to volumes only, but .*pial_left.gii.gz is a surface",
        ),
        ({"source": PIAL, "mask_labels": (2,), "full": 2.0}, "cannot be combined"),
        (
            {"source": (PIAL, PIAL_RIGHT), "hemisphere": "whole"},
            "hemisphere must be left, right or both if source is two files, not whole",
        ),
        ({"names": PIAL}, "names is only used together with labels"),
        ({"names": (PIAL, PIAL)}, "names must be one file, not 2"),
    ],
)
def test_invalid_fields_are_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cortex(**fields)


def test_an_experiment_can_use_a_cortex() -> None:
    experiment = Experiment.from_preset("sernn_paper").override("geometry=cortex", "geometry.source=fsaverage5_pial")
    geometry = experiment.groups["l1"].ensembles[0].geometry
    assert geometry == Cortex(source="fsaverage5_pial")
    assert abs(geometry.steps_per_unit() * geometry.distances().sum() / 9900 - 3.058) < 1e-3


# Cache


def test_cached_distances_are_read_quickly_and_recomputed_if_damaged() -> None:
    cortex = Cortex(source="fsaverage5_pial", n=400)
    first = replace(cortex).distances()
    before = set(cache_folder().glob("cortex-*.npz"))
    start = time.perf_counter()
    again = replace(cortex).distances()
    # 3 ms when measured; a machine under load may take ten times as long
    assert time.perf_counter() - start < 0.1
    np.testing.assert_array_equal(again, first)
    for path in before:
        path.write_bytes(path.read_bytes()[:1000])
    np.testing.assert_array_equal(replace(cortex).distances(), first)


def test_another_process_reads_the_cached_distances() -> None:
    here = Cortex(source="fsaverage5_inflated", n=20).distances()
    files = set(cache_folder().iterdir())
    program = (
        "from spatialnets.geometries import Cortex; print(Cortex(source='fsaverage5_inflated', n=20).distances().sum())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) == here.sum()
    assert set(cache_folder().iterdir()) == files


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    surface, _ = template_surface("fsaverage5_pial", "left")
    path = tmp_path / "lh.pial"
    nibabel.freesurfer.write_geometry(path, surface.vertices, surface.faces)
    one = cortex_of(source=path, n=15).distances()
    nibabel.freesurfer.write_geometry(path, 2 * surface.vertices, surface.faces)
    np.testing.assert_allclose(cortex_of(source=path, n=15).distances(), 2 * one, rtol=1e-5)  # files hold float32
