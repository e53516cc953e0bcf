"""Units on a flat sheet with open edges."""

import json

import networkx
import numpy as np
import pytest
from pydantic import TypeAdapter

from spatialnets.geometries import Grid, Sheet
from spatialnets.testing import check_geometry


@pytest.mark.parametrize("sheet", [Sheet(), Sheet((1, 2)), Sheet((4, 7), spacing=0.3)])
def test_a_sheet_satisfies_the_geometry_contract(sheet: Sheet) -> None:
    check_geometry(sheet)


def test_the_distance_between_opposite_corners_is_the_diagonal() -> None:
    distances = Sheet((4, 5)).distances()
    assert distances.max() == distances[0, -1] == 5.0  # 3, 4, 5


@pytest.mark.parametrize("shape", [(3, 5), (1, 6), (6, 1)])
def test_a_sheet_equals_a_grid_of_two_axes(shape: tuple[int, int]) -> None:
    sheet, grid = Sheet(shape, spacing=2.0), Grid(shape, spacing=2.0)
    np.testing.assert_array_equal(sheet.positions(), grid.positions())
    np.testing.assert_array_equal(sheet.distances(), grid.distances())
    assert sheet.n_units == grid.n_units


def test_neighbours_on_a_sheet_match_a_lattice_graph() -> None:
    # networkx numbers an (across, along) lattice by rows, like a sheet
    lattice = networkx.to_numpy_array(networkx.grid_2d_graph(3, 5))
    np.testing.assert_array_equal(Sheet((5, 3)).distances() == 1, lattice == 1)


def test_the_surface_covers_the_sheet_once_and_faces_up() -> None:
    surface = Sheet((4, 6), spacing=0.5).surface()
    assert surface is not None
    vertices, faces = surface
    one, two, three = (vertices[faces[:, corner]] for corner in range(3))
    normal = np.cross(two - one, three - one)
    np.testing.assert_array_equal(normal, np.tile([0, 0, 0.25], (2 * 3 * 5, 1)))
    assert normal[:, 2].sum() / 2 == (3 * 0.5) * (5 * 0.5)
    edges = np.sort(np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert (count == 1).sum() == 2 * (3 + 5)  # border edges, which belong to one triangle
    assert len(vertices) - len(count) + len(faces) == 1  # the Euler number of a disc


def test_a_row_of_units_has_no_surface() -> None:
    assert Sheet((1, 6)).surface() is None
    assert Sheet((6, 1)).surface() is None


def test_transposing_a_sheet_renumbers_its_units() -> None:
    transposed = np.arange(15).reshape(3, 5).T.ravel()
    np.testing.assert_array_equal(Sheet((5, 3)).distances()[np.ix_(transposed, transposed)], Sheet((3, 5)).distances())


@pytest.mark.parametrize("shape", [(), (4,), (2, 2, 2), (0, 5), (1, 1), (-2, 5)])
def test_an_invalid_sheet_shape_is_an_error(shape: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match="shape must be two positive whole numbers, with two or more units in total, not"
    ):
        Sheet(shape)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan")])
def test_a_spacing_that_is_not_positive_is_an_error(spacing: float) -> None:
    with pytest.raises(ValueError, match="spacing must be positive and finite, not"):
        Sheet(spacing=spacing)


def test_a_sheet_is_restored_from_json() -> None:
    data = json.dumps({"shape": [3, 4], "spacing": 2.0})
    assert TypeAdapter(Sheet).validate_json(data, strict=True) == Sheet((3, 4), spacing=2.0)
