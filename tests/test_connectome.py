"""Units at the regions of a connectome, from matrices written by the tests."""

import json
import pickle
from pathlib import Path
from typing import Any

import h5py
import networkx
import numpy as np
import pandas as pd
import pytest
import scipy.io
import scipy.sparse
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.spatial.distance import cdist

from spatialnets.aliases import FloatArray
from spatialnets.geometries import Connectome
from spatialnets.testing import check_geometry

NAMES = ("V1", "V2", "MT", "FEF", "dlPFC", "M1")


def tracts(n: int = 6, missing: float = 0.4, seed: int = 0) -> FloatArray:
    """Return symmetric tract lengths in mm with missing entries (0); a chain connects all regions."""
    generator = np.random.default_rng(seed)
    lengths = generator.uniform(10, 100, size=(n, n))
    lengths[generator.random((n, n)) < missing] = 0
    lengths[np.arange(n - 1), np.arange(1, n)] = generator.uniform(10, 100, size=n - 1)
    upper = np.triu(lengths, k=1)
    return upper + upper.T


def save_v73(path: Path, **arrays: NDArray[Any]) -> None:
    """Write a file like MATLAB's ``save -v7.3``: a header and HDF5 with transposed arrays."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array.T).attrs["MATLAB_class"] = np.bytes_("double")
    with open(path, "r+b") as header:
        header.write(b"MATLAB 7.3 MAT-file".ljust(116) + b" " * 8 + b"\x00\x02IM")


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def connectome(values: object, **fields: Any) -> Connectome:
    return Connectome(values, **fields)  # type: ignore[arg-type]  # an array, which becomes tuples


# Distances


@pytest.mark.parametrize("n", [2, 3, 6, 40])
def test_a_connectome_satisfies_the_geometry_contract(n: int) -> None:
    check_geometry(connectome(tracts(n)))
    check_geometry(connectome(tracts(n), names=[f"region {index}" for index in range(n)]))


def test_a_missing_length_is_that_of_the_shortest_path() -> None:
    chain = connectome([[0, 3, 0, 0], [3, 0, 4, 0], [0, 4, 0, 5], [0, 0, 5, 0]])
    assert chain.distances().tolist() == [[0, 3, 7, 12], [3, 0, 4, 9], [7, 4, 0, 5], [12, 9, 5, 0]]
    assert chain.length_unit == "mm"


def test_a_length_that_violates_the_triangle_inequality_is_shortened() -> None:
    assert connectome([[0, 3, 9], [3, 0, 4], [9, 4, 0]]).distances().tolist() == [[0, 3, 7], [3, 0, 4], [7, 4, 0]]


def test_facts_count_missing_and_shortened_lengths() -> None:
    facts = connectome([[0, 3, 9, 0], [3, 0, 4, 0], [9, 4, 0, 5], [0, 0, 5, 0]]).facts()
    assert facts["filled"].startswith("2 of 6 lengths")
    assert facts["shortened"].startswith("1 of 6 lengths")


def test_distances_that_are_a_metric_do_not_change() -> None:
    points = np.linspace(
        [0, 0, 0], [50, 20, 10], 12
    )  # on a line, where paths through other points have the same length
    straight = cdist(points, points)
    line = connectome(straight)
    np.testing.assert_allclose(line.distances(), straight, rtol=1e-14)  # sums in another order
    assert line.facts()["filled"].startswith("0 of")
    assert line.facts()["shortened"].startswith("0 of")


@pytest.mark.parametrize("seed", range(3))
def test_distances_are_shortest_paths(seed: int) -> None:
    lengths = tracts(30, missing=0.8, seed=seed)
    graph = networkx.from_numpy_array(lengths)
    paths = dict(networkx.all_pairs_dijkstra_path_length(graph))
    expected = [[paths[one][other] for other in range(30)] for one in range(30)]
    np.testing.assert_allclose(connectome(lengths).distances(), expected, rtol=1e-14)  # sums in another order


def test_a_single_direction_is_used_for_both() -> None:
    lengths = tracts()
    both = connectome(lengths).distances()
    np.testing.assert_array_equal(connectome(np.triu(lengths)).distances(), both)
    np.testing.assert_array_equal(connectome(np.tril(lengths)).distances(), both)


def test_two_directions_are_averaged() -> None:
    assert connectome([[0, 100.0], [99.0, 0]]).distances()[0, 1] == 99.5


@pytest.mark.parametrize("missing", [0.0, np.nan, np.inf])
def test_zero_nan_and_infinity_are_missing_and_the_diagonal_is_ignored(missing: float) -> None:
    lengths = tracts()
    given = np.where(lengths == 0, missing, lengths)
    np.fill_diagonal(given, -7)
    assert connectome(given).distances().tolist() == connectome(lengths).distances().tolist()


def test_renumbering_regions_renumbers_distances() -> None:
    order = np.random.default_rng(1).permutation(20)
    lengths = tracts(20)
    renumbered = connectome(lengths[np.ix_(order, order)]).distances()
    expected = connectome(lengths).distances()[np.ix_(order, order)]
    np.testing.assert_allclose(renumbered, expected, rtol=1e-14)  # sums in another order


def test_scaling_lengths_scales_distances_and_transposing_changes_nothing() -> None:
    lengths = np.triu(tracts(20))
    distances = connectome(lengths).distances()
    np.testing.assert_array_equal(connectome(4 * lengths).distances(), 4 * distances)  # a power of two is exact
    np.testing.assert_array_equal(connectome(lengths.T).distances(), distances)


# Positions


@pytest.mark.parametrize("n", [2, 3, 4, 25])
def test_without_coordinates_positions_reproduce_euclidean_distances(n: int) -> None:
    points = np.random.default_rng(n).normal(scale=40, size=(n, 3))
    straight = cdist(points, points)
    geometry = connectome(straight)
    positions = geometry.positions()
    assert positions.shape == (n, 3)
    # up to rotation; half of the digits are lost where an eigenvalue should be 0
    np.testing.assert_allclose(cdist(positions, positions), straight, atol=1e-5)
    assert "positions" in geometry.facts()


def test_coordinates_can_be_an_array_or_a_file(tmp_path: Path) -> None:
    positions = np.random.default_rng(0).normal(scale=40, size=(6, 3)).round(2)
    np.save(tmp_path / "positions.npy", positions)
    table = "\n".join(",".join(map(str, row)) for row in positions.tolist())
    for coordinates in (
        positions,
        str(tmp_path / "positions.npy"),
        write(tmp_path / "bare.csv", table),
        write(tmp_path / "named.csv", f"x,y,z\n{table}"),
    ):
        geometry = connectome(tracts(), coordinates=coordinates)
        np.testing.assert_array_equal(geometry.positions(), positions)
        np.testing.assert_array_equal(geometry.distances(), connectome(tracts()).distances())
        assert "positions" not in geometry.facts()
        check_geometry(geometry)


def test_regions_are_matched_by_name(tmp_path: Path) -> None:
    rows = [f"{name},{x},0,0" for x, name in enumerate(NAMES)]
    table = write(tmp_path / "positions.csv", "region,x,y,z\n" + "\n".join(rows[::-1]))
    assert connectome(tracts(), coordinates=table).unit_names() == NAMES[::-1]
    named = connectome(tracts(), coordinates=table, names=NAMES)
    assert named.unit_names() == NAMES
    assert named.positions()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="region 'A1' of source cannot be matched with .*positions.csv: expected each"):
        connectome(tracts(), coordinates=table, names=("A1", *NAMES[1:]))
    repeated = write(tmp_path / "twice.csv", "region,x,y,z\na,0,0,0\na,1,0,0\n")
    assert connectome(tracts(2), coordinates=repeated, names=("a", "a")).unit_names() == ("a", "a 2")
    with pytest.raises(ValueError, match="region 'b' of source cannot be matched"):
        connectome(tracts(2), coordinates=repeated, names=("b", "a"))


# Files


def test_a_matrix_is_read_from_npy_npz_and_mat_files(tmp_path: Path) -> None:
    lengths = tracts()
    weights = lengths[:, :5]
    np.save(tmp_path / "lengths.npy", lengths)
    np.savez(tmp_path / "only.npz", lengths=lengths)
    np.savez(tmp_path / "several.npz", lengths=lengths, weights=lengths**2)
    scipy.io.savemat(tmp_path / "v5.mat", {"lengths": lengths, "weights": weights, "names": np.array(NAMES)})
    scipy.io.savemat(tmp_path / "v4.mat", {"lengths": lengths}, format="4")
    scipy.io.savemat(tmp_path / "sparse.mat", {"lengths": scipy.sparse.csc_array(lengths)})
    save_v73(tmp_path / "v73.mat", lengths=np.triu(lengths), weights=weights)
    for file, variable in (
        ("lengths.npy", None),
        ("only.npz", None),
        ("several.npz", "lengths"),
        ("v5.mat", None),
        ("v4.mat", "lengths"),
        ("sparse.mat", None),
        ("v73.mat", None),
        ("v73.mat", "lengths"),
    ):
        geometry = Connectome(str(tmp_path / file), variable=variable)
        np.testing.assert_array_equal(geometry.distances(), connectome(lengths).distances())
        assert geometry.unit_names() is None


def test_the_arrays_of_matlabs_hdf5_are_transposed(tmp_path: Path) -> None:
    save_v73(tmp_path / "v73.mat", lengths=np.array([[0, 5, 6], [0, 0, -1], [0, 0, 0.0]]))
    with pytest.raises(ValueError, match="v73.mat: row 2, column 3 is -1"):
        Connectome(str(tmp_path / "v73.mat"))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("missing", ["0", "", "NaN", "NA", "inf"])
@pytest.mark.parametrize("header", [False, True], ids=["", "header"])
@pytest.mark.parametrize("column", [False, True], ids=["", "column"])
def test_a_matrix_is_read_from_text(tmp_path: Path, separator: str, missing: str, header: bool, column: bool) -> None:
    lengths = tracts()
    frame = pd.DataFrame(np.where(lengths == 0, np.nan, lengths), index=NAMES, columns=NAMES).astype(object)
    frame = frame.where(frame.notna(), missing)
    for index in range(6):
        frame.iloc[index, index] = 0
    frame.to_csv(tmp_path / "lengths.csv", sep=separator, header=header, index=column)
    geometry = Connectome(str(tmp_path / "lengths.csv"))
    np.testing.assert_array_equal(geometry.distances(), connectome(lengths).distances())
    assert geometry.unit_names() == (NAMES if header or column else None)


def test_text_files_written_by_numpy_pandas_and_r_are_read(tmp_path: Path) -> None:
    lengths = tracts(3)
    np.savetxt(tmp_path / "plain.txt", lengths)
    np.savetxt(tmp_path / "comment.txt", lengths, header="lengths of tracts, mm")
    pd.DataFrame(lengths).to_csv(tmp_path / "numbered.csv")
    pd.DataFrame(lengths, index=[101, 102, 205], columns=[101, 102, 205]).to_csv(tmp_path / "labels.csv")
    pd.DataFrame(lengths).to_csv(tmp_path / "header.csv", index=False)
    lines = "\n".join(f'"{name}" ' + " ".join(map(str, row)) for name, row in zip("abc", lengths.tolist(), strict=True))
    write(tmp_path / "r.txt", f'"a" "b" "c"\n{lines}\n')
    for file, names in (
        ("plain.txt", None),
        ("comment.txt", None),
        ("numbered.csv", ("0", "1", "2")),
        ("labels.csv", ("101", "102", "205")),
        ("header.csv", ("0", "1", "2")),
        ("r.txt", ("a", "b", "c")),
    ):
        geometry = Connectome(str(tmp_path / file))
        np.testing.assert_array_equal(geometry.distances(), connectome(lengths).distances(), err_msg=file)
        assert geometry.unit_names() == names


def test_names_can_come_from_a_file(tmp_path: Path) -> None:
    lengths = write(tmp_path / "lengths.csv", ",a,b,c\na,0,1,2\nb,1,0,2\nc,2,2,0\n")
    assert Connectome(lengths).unit_names() == ("a", "b", "c")
    names = write(tmp_path / "names.txt", '"left thalamus"\nright thalamus\n\nbrainstem\n')
    expected = ("left thalamus", "right thalamus", "brainstem")
    assert Connectome(lengths, names=names).unit_names() == expected
    headed = write(tmp_path / "names.csv", "Region\nleft thalamus\nright thalamus\nbrainstem\n")
    assert Connectome(lengths, names=headed).unit_names() == expected
    assert Connectome(lengths, names=("insula", "insula", "insula")).unit_names() == ("insula", "insula 2", "insula 3")


# Values


def test_a_connectome_is_compared_and_hashed_by_value(tmp_path: Path) -> None:
    lengths = np.where(tracts() == 0, np.nan, tracts())
    geometry = connectome(lengths, names=list(NAMES), coordinates=np.eye(6)[:, :3])
    assert geometry == connectome(lengths, names=NAMES, coordinates=np.eye(6)[:, :3])
    assert pickle.loads(pickle.dumps(geometry)) == geometry
    assert hash(geometry) == hash(connectome(lengths, names=NAMES, coordinates=np.eye(6)[:, :3]))
    assert repr(geometry) == "Connectome(<6 regions>)"
    np.save(tmp_path / "lengths.npy", lengths)
    assert repr(connectome(tmp_path / "lengths.npy")) == f"Connectome({str(tmp_path / 'lengths.npy')!r})"


def test_changing_returned_arrays_does_not_change_the_geometry() -> None:
    geometry = connectome(tracts())
    geometry.distances()[:] = 0
    geometry.positions()[:] = 0
    assert geometry.distances().max() > 0
    assert geometry.positions().max() > 0


def test_a_connectome_is_restored_from_json() -> None:
    data = {"source": tracts(3).tolist(), "coordinates": np.eye(3).tolist(), "names": ["a", "b", "c"], "variable": None}
    geometry = TypeAdapter(Connectome).validate_json(json.dumps(data), strict=True)
    assert geometry == connectome(tracts(3), coordinates=np.eye(3), names=("a", "b", "c"))


# Errors


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[0, 5, 1], [5, 0, -2], [1, 2, 0]], r"row 2 \(b\), column 3 \(c\) is -2; lengths must be positive"),
        ([[0, 5, -np.inf], [5, 0, 2], [1, 2, 0]], r"row 1 \(a\), column 3 \(c\) is -inf"),
        (
            [[0, 5, 1], [5, 0, 2], [1, 2.1, 0]],
            r"the length from region 2 \(b\) to 3 \(c\) is 2, and 2.1 in the other direction; expected a matrix",
        ),
        (
            [[0, 5, 0], [5, 0, 0], [0, 0, 0]],
            r"no path connects these 2 groups of regions: 1 \(a\), 2 \(b\); 3 \(c\)",
        ),
    ],
)
def test_invalid_lengths_are_errors_that_name_their_regions(values: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=f"source: {message}"):
        connectome(values, names=("a", "b", "c"))


def test_regions_that_no_path_connects_are_listed() -> None:
    lengths = np.zeros((9, 9))
    for one, other in ((0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (7, 8)):
        lengths[one, other] = 10
    with pytest.raises(
        ValueError, match="no path connects these 3 groups of regions: 1, 2, 3, 4; 5, 6, 7; 8, 9; add a length"
    ):
        connectome(lengths)
    with pytest.raises(ValueError, match="regions: 1; 2; 3; 4; 5 and 5 more; add"):
        connectome(np.zeros((10, 10)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 4)), r"source has shape \(3, 4\); expected a square matrix"),
        (np.zeros(3), r"source has shape \(3,\); expected a square matrix"),
        (np.zeros((1, 1)), r"source has 1 region\(s\); a network needs two or more"),
        (np.full((2, 2), 1j), "source contains complex128; expected real numbers"),
        ([["a", "b"], ["c", "d"]], "source contains <U1; expected real numbers"),
        ([[0, 1], [1]], r"source is not a matrix \(region, region\)"),
    ],
)
def test_arrays_that_are_not_a_square_matrix_are_errors(values: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        connectome(values)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0,1,2\n1,0,3\n", "bad.csv has 2 rows of 3 entries; expected a square matrix, with or without names"),
        ("0.5,1\n1,0\n2,3\n", "bad.csv has 3 rows of 2 entries"),
        ("0,1,2\n1,0\n2,3,0\n", "bad.csv:2 has 2 entries; the last row has 3"),
        ("0,1\none,0\n", "bad.csv:2: entry 1 is 'one'; expected a number"),
        ("0;1,5\n1,5;0\n", "bad.csv:1: entry 2 is '1,5'; expected a number"),
        ("0,x\n1,0\n", "bad.csv:1: entry 2 is 'x'; expected a number"),
        (",a,b\na,0,1\nc,1,0\n", "bad.csv:3: row 'c' is where the columns have 'b'; expected one order for both"),
        (",a,\na,0,1\n,1,0\n", "bad.csv: region 2 has no name"),
        (
            ",1,2\n1,,3\n2,3,\n",
            "bad.csv: the first row could be names or entries; if it is entries, write 0 on the diagonal",
        ),
        ("0,1\n-4,0\n", "bad.csv: row 2, column 1 is -4"),
        ("", "bad.csv contains no matrix"),
        ("# nothing\n", "bad.csv contains no matrix"),
    ],
)
def test_an_error_in_a_text_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Connectome(write(tmp_path / "bad.csv", text))


def test_files_without_a_square_matrix_are_errors(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.arange(3))
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "none.npz", a=np.arange(3), b=np.zeros((2, 3)))
    np.savez(tmp_path / "two.npz", lengths=tracts(), weights=tracts())
    scipy.io.savemat(tmp_path / "two.mat", {"lengths": tracts(), "weights": tracts()})
    for name in ("broken.npy", "broken.npz", "broken.mat", "x.xlsx"):
        write(tmp_path / name, "no such thing")
    for name, variable, message in (
        ("absent.csv", None, "there is no file .*absent.csv"),
        ("absent.mat", None, "there is no file .*absent.mat"),
        ("x.xlsx", None, "x.xlsx ends in '.xlsx'; expected .csv, .tsv, .txt, .npy, .npz or .mat"),
        ("broken.npy", None, "broken.npy cannot be read as a .npy file: "),
        ("broken.npz", None, "broken.npz cannot be read as a .npz file: "),
        ("broken.mat", None, "broken.mat cannot be read as a .mat file: "),
        ("objects.npy", None, "objects.npy contains Python objects"),
        ("flat.npy", None, r"flat.npy has shape \(3,\); expected a square matrix"),
        ("flat.npy", "lengths", "variable is only for .npz and .mat files; .*flat.npy contains a single matrix"),
        ("none.npz", None, r"none.npz contains no square matrix; it contains a \(3,\), b \(2, 3\)"),
        ("none.npz", "b", r"none.npz: b has shape \(2, 3\); expected a square matrix"),
        (
            "two.npz",
            None,
            "two.npz contains several square matrices; choose one, such as variable: lengths, of lengths",
        ),
        ("two.mat", None, "two.mat contains several square matrices"),
        ("two.mat", "tracts", r"two.mat has no variable tracts; it contains lengths \(6, 6\), weights \(6, 6\)"),
    ):
        with pytest.raises(ValueError, match=message):
            Connectome(str(tmp_path / name), variable=variable)


def test_names_and_coordinates_of_other_regions_are_errors(tmp_path: Path) -> None:
    names = write(tmp_path / "names.txt", "a\nb\n")
    positions = write(tmp_path / "positions.csv", "x,y,z\n0,0,0\n1,1,1\n")
    flat = np.zeros((3, 2))
    np.save(tmp_path / "flat.npy", flat)
    for fields, message in (
        ({"names": ("a", "b")}, "source has 3 regions, but 2 names are given"),
        ({"names": names}, "source has 3 regions, but 2 names are given"),
        ({"names": str(tmp_path / "absent.txt")}, "there is no file .*absent.txt"),
        ({"names": ("a", "", "c")}, "source: region 2 has no name"),
        ({"coordinates": positions}, "source has 3 regions, but .*positions.csv has 2 positions"),
        ({"coordinates": np.zeros((2, 3))}, "source has 3 regions, but coordinates has 2 positions"),
        ({"coordinates": flat}, r"coordinates must have shape \(unit, 3\), not \(3, 2\)"),
        (
            {"coordinates": np.diag([1, np.nan, 1])},
            r"coordinates: row 2 is \[0.0, nan, 0.0\]; coordinates must be finite",
        ),
        ({"coordinates": [["a", "b", "c"]] * 3}, r"coordinates must be numbers of shape \(unit, 3\)"),
        ({"coordinates": str(tmp_path / "flat.npy")}, r"flat.npy must have shape \(unit, 3\), not \(3, 2\)"),
        ({"coordinates": str(tmp_path / "x.mat")}, "x.mat ends in '.mat'; expected .csv, .tsv, .txt or .npy"),
        ({"variable": "lengths"}, "variable=lengths applies to .npz and .mat files only, but source is an array"),
    ):
        with pytest.raises(ValueError, match=message):
            connectome(tracts(3), **fields)
