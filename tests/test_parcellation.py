"""Units at the centroids of parcels, from volumes and tables written by the tests."""

import csv
import json
import pickle
from pathlib import Path
from typing import Any

import nibabel
import nilearn
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy import ndimage

from spatialnets.aliases import FloatArray
from spatialnets.geometries import Parcellation
from spatialnets.testing import check_geometry

NILEARN = Path(nilearn.__file__).parent / "datasets" / "data"
OBLIQUE = np.array([[1.8, 0.3, 0.0, -40.0], [-0.3, 1.9, 0.2, -60.0], [0.1, -0.2, 2.1, -30.0], [0.0, 0.0, 0.0, 1.0]])


def save(path: Path, data: NDArray[Any], affine: FloatArray = OBLIQUE) -> str:
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return str(path)


def blocks() -> NDArray[np.int16]:
    """Return a volume with parcels 3, 5, 8 and 1012, one of them in two pieces."""
    data = np.zeros((9, 8, 7), dtype=np.int16)
    data[1:3, 1:4, 1:6] = 5
    data[5:8, 2, 3] = 3
    data[4, 6:, :2] = data[0, 6:, 5:] = 1012
    data[7:, 5:, 5:] = 8
    return data


@pytest.fixture
def volume(tmp_path: Path) -> str:
    return save(tmp_path / "parcels.nii.gz", blocks())


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


# Volumes


def test_a_parcellation_satisfies_the_geometry_contract(volume: str) -> None:
    check_geometry(Parcellation(volume))
    check_geometry(Parcellation(volume, labels=(1012, 3)))


def test_the_distance_between_two_voxels_is_that_of_their_centres(tmp_path: Path) -> None:
    data = np.zeros((10, 10, 10), dtype=np.uint8)
    data[1, 2, 3], data[4, 6, 3] = 1, 2
    parcellation = Parcellation(save(tmp_path / "two.nii", data, np.diag([2.0, 2, 2, 1])))
    assert parcellation.positions().tolist() == [[2, 4, 6], [8, 12, 6]]
    assert parcellation.distances()[0, 1] == 10.0  # 6, 8, 10
    assert parcellation.length_unit == "mm"


def test_centroids_are_means_of_voxels_in_world_coordinates(volume: str) -> None:
    parcellation = Parcellation(volume)
    assert parcellation.unit_names() == ("3", "5", "8", "1012")
    expected = [
        nibabel.affines.apply_affine(OBLIQUE, np.argwhere(blocks() == label)).mean(axis=0) for label in (3, 5, 8, 1012)
    ]
    # the file stores its affine in float32: 2^-24 of 60 mm
    np.testing.assert_allclose(parcellation.positions(), expected, atol=1e-5)
    middle = ndimage.center_of_mass(np.ones_like(blocks()), blocks(), [3, 5, 8, 1012])
    np.testing.assert_allclose(parcellation.positions(), nibabel.affines.apply_affine(OBLIQUE, middle), atol=1e-5)


@pytest.mark.parametrize("axes", ["LAS", "RPI", "SAR"])
def test_centroids_do_not_depend_on_the_order_of_axes(volume: str, tmp_path: Path, axes: str) -> None:
    image = nibabel.load(volume)
    transform = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    reoriented = image.as_reoriented(transform)
    assert nibabel.aff2axcodes(reoriented.affine) == tuple(axes)
    nibabel.save(reoriented, tmp_path / "reoriented.nii")
    positions = Parcellation(str(tmp_path / "reoriented.nii")).positions()
    # another origin in float32: 2^-24 of about 100 mm, and sums of these
    np.testing.assert_allclose(positions, Parcellation(volume).positions(), atol=1e-4)


def test_larger_voxels_scale_distances(tmp_path: Path) -> None:
    small = Parcellation(save(tmp_path / "small.nii", blocks(), np.diag([1.0, 1, 1, 1])))
    large = Parcellation(save(tmp_path / "large.nii", blocks(), np.diag([4.0, 4, 4, 1])))
    np.testing.assert_allclose(large.distances(), 4 * small.distances(), rtol=1e-14)  # a few rounding errors


def test_labels_are_used_in_the_given_order(volume: str) -> None:
    selected, complete = Parcellation(volume, labels=(1012, 3)), Parcellation(volume)
    assert selected.unit_names() == ("1012", "3")
    np.testing.assert_array_equal(selected.positions(), complete.positions()[[3, 0]])
    assert Parcellation(Path(volume), labels=np.array([1012, 3])) == selected  # type: ignore[arg-type]


def test_voxels_that_are_not_finite_are_background(tmp_path: Path) -> None:
    data = blocks().astype(np.float32)
    data[0, 0, 0], data[8, 0, 0] = np.nan, np.inf
    with_nan = Parcellation(save(tmp_path / "nan.nii", data))
    np.testing.assert_array_equal(with_nan.positions(), Parcellation(save(tmp_path / "x.nii", blocks())).positions())


def test_a_series_of_one_volume_is_accepted(volume: str, tmp_path: Path) -> None:
    series = Parcellation(save(tmp_path / "series.nii", blocks()[..., None, None]))
    np.testing.assert_array_equal(series.positions(), Parcellation(volume).positions())


def test_freesurfer_volumes_are_read(volume: str, tmp_path: Path) -> None:
    nibabel.save(nibabel.MGHImage(blocks().astype(np.int32), OBLIQUE), tmp_path / "aseg.mgz")
    freesurfer = Parcellation(str(tmp_path / "aseg.mgz"))
    assert freesurfer.unit_names() == Parcellation(volume).unit_names()
    # MGH stores directions, sizes and centre in float32
    np.testing.assert_allclose(freesurfer.positions(), Parcellation(volume).positions(), atol=1e-4)


@pytest.mark.parametrize(
    "table",
    [
        "index\tname\tcolor\n3\tthalamus\t#ff0000\n8\tinsula\t#00ff00\n5\tinsula\t#0000ff\n99\tnone\t#ffffff\n",
        "name,index\nthalamus,3\ninsula,8\ninsula,5\n",
        "ROI Label,ROI Name,R,A,S\n3,thalamus,0,0,0\n5,insula,0,0,0\n8,insula,0,0,0\n",
        "#$Id: x.txt,v 1$\n#No. Name: R G B A\n\n3  thalamus  0 0 0 0\n5  insula  0 0 0 0\n8  insula  0 0 0 0\n",
    ],
    ids=["BIDS", "columns swapped", "Schaefer", "FreeSurfer"],
)
def test_names_of_labels_come_from_a_table(volume: str, tmp_path: Path, table: str) -> None:
    names = write(tmp_path / ("lut.tsv" if "\t" in table else "lut.csv"), table)
    parcellation = Parcellation(volume, names=names)
    assert parcellation.unit_names() == ("thalamus", "insula", "insula 2", "1012")
    check_geometry(parcellation)


# Tables


@pytest.mark.parametrize(
    ("file", "columns", "names"),
    [
        ("power_2011.csv", ("X", "Y", "Z"), "ROI"),
        ("dosenbach_2010.csv", ("x", "y", "z"), "name"),
        ("seitzman_2018_ROIs_300inVol_MNI_allInfo.txt", ("x", "y", "z"), None),
    ],
)
def test_published_tables_are_read_without_changes(file: str, columns: tuple[str, ...], names: str | None) -> None:
    parcellation = Parcellation(str(NILEARN / file))
    with open(NILEARN / file, encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines, delimiter="," if file.endswith(".csv") else " "))
    expected = [[float(row[column]) for column in columns] for row in rows]
    np.testing.assert_array_equal(parcellation.positions(), expected)
    if names is None:
        assert parcellation.unit_names() is None
    else:
        unit_names = parcellation.unit_names()
        assert unit_names is not None
        assert all(name.startswith(row[names]) for name, row in zip(unit_names, rows, strict=True))
    check_geometry(parcellation)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("x,y,z\n0,0,0\n3,4,0\n", None),
        ("z;name;y;x\n0;a;0;0\n0;b;4;3\n", ("a", "b")),
        ("Region\tX (mm)\tY (mm)\tZ (mm)\nleft, a\t0\t0\t0\nleft, b\t3\t4\t0\n", ("left, a", "left, b")),
        ('ROI Label,ROI Name,R,A,S\n1,"a, left",0,0,0\n2,"b, left",3,4,0\n', ("a, left", "b, left")),
        ("# mni_x mni_y mni_z\n0 0 0\n3 4 0\n", None),
        ("0 0 0\n3 4 0\n", None),
        ("a 0 0 0\na 3 4 0\n", ("a", "a 2")),
    ],
)
def test_columns_are_found_by_name(tmp_path: Path, text: str, names: tuple[str, ...] | None) -> None:
    parcellation = Parcellation(write(tmp_path / "rois.csv", text))
    assert parcellation.positions().tolist() == [[0, 0, 0], [3, 4, 0]]
    assert parcellation.distances()[0, 1] == 5.0
    assert parcellation.unit_names() == names


def test_numbered_names_differ_from_given_names(tmp_path: Path) -> None:
    lines = [f"{name},{x},0,0" for x, name in enumerate(["a", "a", "a 2", "a", "b"])]
    parcellation = Parcellation(write(tmp_path / "rois.csv", "name,x,y,z\n" + "\n".join(lines)))
    assert parcellation.unit_names() == ("a", "a 3", "a 2", "a 4", "b")


# Values


def test_a_parcellation_reads_its_file_only_once(volume: str) -> None:
    parcellation = Parcellation(volume)
    Path(volume).unlink()
    assert parcellation.positions().shape == (4, 3)
    assert pickle.loads(pickle.dumps(parcellation)).distances().shape == (4, 4)


def test_changing_returned_positions_does_not_change_the_geometry(volume: str) -> None:
    parcellation = Parcellation(volume)
    parcellation.positions()[:] = 0
    assert parcellation.distances().max() > 0


def test_a_parcellation_is_restored_from_json(volume: str) -> None:
    data = json.dumps({"source": str(volume), "labels": [5, 8], "names": None})
    assert TypeAdapter(Parcellation).validate_json(data, strict=True) == Parcellation(volume, labels=(5, 8))


# Errors


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (np.zeros((3, 3), dtype=np.int16), r"has 2 dimensions \(3, 3\); expected one volume"),
        (np.stack([blocks()] * 2, axis=-1), r"has 4 dimensions \(9, 8, 7, 2\)"),
        (blocks() * 0.3, "is not a label image: it contains 0.9; expected whole numbers, 0 or more"),
        (blocks() - 1, "is not a label image: it contains -1; expected whole numbers, 0 or more"),
        (blocks() + 1j, "contains complex128 values; expected one real number per voxel"),
        (np.zeros((3, 3, 3), dtype=np.int16), r"has 0 parcel\(s\) to use; a network needs two or more"),
        (np.eye(3, dtype=np.int16)[..., None], r"has 1 parcel\(s\) to use"),
    ],
    ids=["flat", "series", "fractions", "negative", "complex", "empty", "mask"],
)
def test_a_volume_without_a_parcellation_is_an_error(tmp_path: Path, data: NDArray[Any], message: str) -> None:
    path = save(tmp_path / "bad.nii.gz", data)
    with pytest.raises(ValueError, match=f"bad.nii.gz.*{message}"):
        Parcellation(path)


def test_concentric_parcels_are_an_error(tmp_path: Path) -> None:
    data = np.ones((5, 5, 5), dtype=np.int16)
    data[1:4, 1:4, 1:4] = 2
    data[0] = 3
    data[4] = 4
    with pytest.raises(ValueError, match="the centroids of 1 and 2 coincide; they must differ"):
        Parcellation(save(tmp_path / "shells.nii", data))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ((3, 4), "has no voxels with label 4; its labels: 3, 5, 8, 1012"),
        ((0, 3), "has no voxels with label 0"),
        ((3, 5, 3), "labels contains 3 more than once"),
        ((3,), r"has 1 parcel\(s\) to use"),
    ],
)
def test_invalid_labels_are_errors(volume: str, labels: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parcellation(volume, labels=labels)


def test_a_message_shows_at_most_twenty_labels(tmp_path: Path) -> None:
    path = save(tmp_path / "many.nii", np.arange(125, dtype=np.int16).reshape(5, 5, 5))
    with pytest.raises(ValueError, match="has no voxels with label 200; its labels: 1, 2, .*, 20 and 104 more"):
        Parcellation(path, labels=(200,))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lut.tsv", "index\tname\n3\tthalamus\nfive\tinsula\n", "lut.tsv:3: expected a label .a whole number."),
        ("lut.tsv", "index\tname\n3\n", "lut.tsv:2: expected a label .a whole number. and its name, not '3'"),
        ("lut.tsv", "index\tname\n3\ta\n3\tb\n", "lut.tsv:3: label 3 occurs more than once"),
        ("lut.tsv", "name\tcolor\na\tred\n", "lut.tsv:1: there is no column index in 'name.*color'"),
        ("lut.tsv", "index\tcolor\n3\tred\n", "lut.tsv:1: there is no column name in"),
        ("lut.tsv", "index\tname\n77\ta\n", "lut.tsv contains none of the labels of .*, such as 3"),
        ("lut.tsv", "", "lut.tsv contains none of the labels"),
        ("lut.json", "{}", "lut.json ends in '.json'; expected .csv, .tsv or .txt"),
    ],
)
def test_an_invalid_table_of_names_is_an_error(volume: str, tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parcellation(volume, names=write(tmp_path / name, text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n0,0\n1,1\n", "bad.csv:1: there is no column z in 'x,y'; expected a line of column names"),
        ("x,y,z,x\n0,0,0,0\n", "bad.csv:1: column x occurs more than once"),
        ("x,y,z\n0,0,0\n1,one,1\n", "bad.csv:3: expected three finite coordinates, not '1,one,1'"),
        ("x,y,z\n0,0,0\n1,1\n", "bad.csv:3: expected three finite coordinates, not '1,1'"),
        ("x,y,z\n0,0,0\n1,nan,1\n", "bad.csv:3: expected three finite coordinates"),
        ("name,x,y,z\n,0,0,0\nb,1,1,1\n", "bad.csv:2: there is no name in ',0,0,0'"),
        ("1,0,0,0\n2,1,1,1\n", "bad.csv:1: expected three coordinates, optionally after a name, not '1,0,0,0'"),
        ("x,y,z\n0,0,0\n", r"bad.csv has 1 parcel\(s\) to use"),
        ("x,y,z\n", r"bad.csv has 0 parcel\(s\) to use"),
        ("", "bad.csv contains no coordinates"),
        ("name,x,y,z\na,0,0,0\nb,1,1,1\nc,0,0,0\n", "bad.csv: the centroids of a and c coincide"),
        ("x,y,z\n0,0,0\n1,1,1\n0,0,0\n", "bad.csv: the centroids of 0 and 2 coincide"),
    ],
)
def test_an_error_in_a_table_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Parcellation(write(tmp_path / "bad.csv", text))


def test_files_without_a_parcellation_are_errors(volume: str, tmp_path: Path) -> None:
    write(tmp_path / "broken.nii", "not an image")
    write(tmp_path / "x.xlsx", "")
    table = write(tmp_path / "rois.csv", "x,y,z\n0,0,0\n1,1,1\n")
    for fields, message in (
        ({"source": tmp_path / "absent.nii.gz"}, "there is no file .*absent.nii.gz"),
        ({"source": tmp_path / "absent.csv"}, "there is no file .*absent.csv"),
        ({"source": volume, "names": tmp_path / "absent.tsv"}, "there is no file .*absent.tsv"),
        ({"source": tmp_path / "broken.nii"}, "broken.nii .*; expected NIfTI"),
        ({"source": tmp_path / "x.xlsx"}, "x.xlsx is not a supported parcellation file; expected one of .nii, .nii.gz"),
        (
            {"source": table, "labels": (1, 2)},
            "labels and names apply to label volumes only, but .*rois.csv is a table",
        ),
        ({"source": table, "names": table}, "labels and names apply to label volumes only"),
    ):
        with pytest.raises(ValueError, match=message):
            Parcellation(**fields)
