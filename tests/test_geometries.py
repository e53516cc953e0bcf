import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import TypeAdapter

from spatialnets.geometries import Grid, Points, Sphere

GOLDEN = np.load(Path(__file__).parent / "data" / "golden.npz")


# Grid


@pytest.mark.parametrize("case", range(5))
def test_the_grid_is_numbered_as_in_the_authors_code(case: int) -> None:
    shape = tuple(int(length) for length in GOLDEN[f"case{case}__shape"])
    power = float(GOLDEN[f"case{case}__params"][0])
    np.testing.assert_array_equal(Grid(shape).positions(), GOLDEN[f"case{case}__positions"])
    # the reference holds distances to a power, in float32
    np.testing.assert_allclose(Grid(shape).distances() ** power, GOLDEN[f"case{case}__distances"], rtol=1e-6)


def test_the_papers_grid_has_the_papers_distances() -> None:
    distances = Grid().distances()
    assert Grid().n_units == 100
    assert round(distances.sum() / 9900, 3) == 3.058
    assert round(distances.max(), 3) == 6.403


def test_a_line_and_a_sheet_are_grids() -> None:
    np.testing.assert_array_equal(Grid((4,)).distances()[0], [0, 1, 2, 3])
    assert Grid((3, 2)).positions()[:, 2].tolist() == [0] * 6
    assert Grid((3, 2)).n_units == 6


def test_spacing_scales_the_grid() -> None:
    np.testing.assert_allclose(Grid(spacing=2.5).distances(), 2.5 * Grid().distances())


@pytest.mark.parametrize("shape", [(), (0, 5), (5, 5, 4, 2), (1,), (1, 1, 1), (-2, 5)])
def test_an_invalid_grid_shape_is_an_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        Grid(shape)


# Sphere


def test_all_units_are_on_the_sphere() -> None:
    np.testing.assert_allclose(np.linalg.norm(Sphere(n=77, radius=60.0).positions(), axis=1), 60, rtol=1e-14)


def test_great_circle_distances_are_the_angles_between_units() -> None:
    sphere = Sphere(n=50, radius=3.0)
    unit = sphere.positions() / 3.0
    cosine = np.clip(unit @ unit.T, -1, 1)
    # arccos loses half of its digits near 0 and pi, so the geometry uses atan2
    np.testing.assert_allclose(sphere.distances(), 3.0 * np.arccos(cosine), atol=1e-7)
    assert (np.diagonal(sphere.distances()) == 0).all()


def test_distances_on_a_sphere_match_closed_forms() -> None:
    # the mean great-circle distance on a sphere is pi R / 2; the lattice is uniform to about 1 / n
    assert abs(Sphere(n=1000).distances().mean() - np.pi / 2) < 1e-3
    two = Sphere(n=2).positions()
    angle = np.arccos(two[0] @ two[1])
    np.testing.assert_allclose(Sphere(n=2, radius=5.0).distances(), [[0, 5 * angle], [5 * angle, 0]], rtol=1e-12)


def test_units_are_spread_evenly() -> None:
    distances = Sphere(n=400).distances() + 10 * np.eye(400)
    nearest = distances.min(axis=1)
    ideal = np.sqrt(8 * np.pi / np.sqrt(3) / 400)  # hexagonal packing of 400 units on the unit sphere
    assert nearest.min() > 0.75 * ideal
    assert nearest.max() < 1.05 * ideal


@pytest.mark.parametrize(("n", "radius"), [(1, 1.0), (10, 0.0), (10, -1.0), (10, float("nan"))])
def test_an_invalid_number_of_units_or_radius_is_an_error(n: int, radius: float) -> None:
    with pytest.raises(ValueError, match="n must be 2 or more|radius must be positive and finite"):
        Sphere(n=n, radius=radius)


# Points


def test_points_can_be_an_array_a_list_or_a_file(tmp_path: Path) -> None:
    given = np.random.default_rng(0).normal(size=(6, 3))
    np.save(tmp_path / "points.npy", given)
    np.savetxt(tmp_path / "plain.csv", given, delimiter=",")
    np.savetxt(tmp_path / "named.csv", given, delimiter=";", header="x;y;z", comments="")
    np.savetxt(tmp_path / "spaces.txt", given)
    for source in (
        given,
        given.tolist(),
        *(tmp_path / name for name in ("points.npy", "plain.csv", "named.csv", "spaces.txt")),
    ):
        points = Points(source)
        assert points.n_units == 6
        np.testing.assert_allclose(points.positions(), given, rtol=1e-15)
        expected = np.linalg.norm(given[:, None] - given[None], axis=-1)
        np.testing.assert_allclose(points.distances(), expected, rtol=1e-14)


def test_points_are_compared_and_hashed_by_value() -> None:
    assert Points(np.eye(3)) == Points([[1, 0, 0], [0, 1, 0], [0, 0, 1]])  # type: ignore[arg-type]
    assert hash(Points(np.eye(3))) == hash(Points(np.eye(3)))  # type: ignore[arg-type]
    assert repr(Points(np.eye(3))) == "Points(<3 units>)"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x,y\n0,0\n1,one\n", r"bad.csv:3: expected numbers, not '1,one'"),
        ("0,0\n1,2,3\n", r"bad.csv:2: 3 numbers, but the lines above have 2"),
        ("0,0\nnan,1\n", r"bad.csv: unit 1 has coordinate nan on axis 0"),
        ("0,0\n1,1\n0,0\n", r"bad.csv: units 0 and 2 have the same position"),
        ("0,0\n", r"two or more units"),
        ("x,y\n", r"contains no coordinates"),
        ("", r"contains no coordinates"),
    ],
)
def test_an_error_in_a_file_names_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "bad.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        Points(str(tmp_path / "bad.csv"))


def test_files_without_points_are_errors(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(b"not an array")
    np.save(tmp_path / "flat.npy", np.arange(3))
    (tmp_path / "x.xlsx").write_text("")
    for name, message in (
        ("absent.csv", "there is no file"),
        ("x.npy", "cannot be read as an array of coordinates"),
        ("flat.npy", r"must have shape \(unit, d\)"),
        ("x.xlsx", "expected .npy, .csv, .tsv or .txt"),
    ):
        with pytest.raises(ValueError, match=message):
            Points(str(tmp_path / name))


@pytest.mark.parametrize("coordinates", [[1, 2, 3], [["a", "b"], ["c", "d"]], [[0, 0], [1]], [[[0]], [[1]]]])
def test_arrays_that_are_not_points_are_errors(coordinates: list[object]) -> None:
    with pytest.raises(ValueError, match="coordinates must (be numbers of|have) shape"):
        Points(coordinates)  # type: ignore[arg-type]


@pytest.mark.parametrize("geometry", [Grid(), Sphere(), Points(((0.0, 0.0), (1.0, 0.0)))])
def test_geometries_are_restored_from_json(geometry: Grid | Sphere | Points) -> None:
    adapter: TypeAdapter[Grid | Sphere | Points] = TypeAdapter(type(geometry))
    fields: dict[str, NDArray[np.float64]] = {
        name: getattr(geometry, name) for name in type(geometry).__dataclass_fields__
    }
    assert adapter.validate_json(json.dumps(fields), strict=True) == geometry
