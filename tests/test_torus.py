"""Units on a flat sheet with periodic boundaries."""

import json
from itertools import product

import networkx
import numpy as np
import pytest
from pydantic import TypeAdapter

from spatialnets.geometries import Ring, Sheet, Torus
from spatialnets.testing import check_geometry


@pytest.mark.parametrize("torus", [Torus(), Torus((1, 2)), Torus((4, 7), spacing=0.3)])
def test_a_torus_satisfies_the_geometry_contract(torus: Torus) -> None:
    check_geometry(torus)


def test_the_longest_distance_is_half_the_length_along_both_axes() -> None:
    distances = Torus((6, 8)).distances()
    assert distances.max() == 5.0  # 3, 4, 5
    assert (distances.max(axis=1) == 5.0).all()


def test_units_on_opposite_edges_are_neighbours() -> None:
    distances = Torus((5, 4), spacing=2.0).distances()
    assert distances[0, 4] == 2.0  # along x
    assert distances[0, 15] == 2.0  # along y
    assert distances[0, 19] == np.sqrt(8)


def test_distances_are_those_to_the_nearest_periodic_image() -> None:
    torus = Torus((5, 3), spacing=1.5)
    positions = torus.positions()
    images = [positions + 1.5 * np.array([5 * right, 3 * up, 0]) for right, up in product((-1, 0, 1), repeat=2)]
    brute = np.min([np.linalg.norm(positions[:, None] - image[None], axis=-1) for image in images], axis=0)
    np.testing.assert_allclose(torus.distances(), brute, rtol=1e-14)  # a few rounding errors


def test_neighbours_on_a_torus_match_a_periodic_lattice_graph() -> None:
    lattice = networkx.to_numpy_array(networkx.grid_2d_graph(4, 5, periodic=True))
    np.testing.assert_array_equal(Torus((5, 4)).distances() == 1, lattice == 1)


def test_a_torus_of_one_row_has_the_arcs_of_a_ring() -> None:
    for shape in ((9, 1), (1, 9)):
        # the ring multiplies and divides by pi, and loses a few digits
        np.testing.assert_allclose(Torus(shape).distances(), Ring(n=9, radius=9 / (2 * np.pi)).distances(), rtol=1e-14)


def test_all_units_of_a_torus_are_equivalent() -> None:
    distances = Torus((4, 3)).distances().reshape(3, 4, 3, 4)  # (y, x, y, x)
    for y, x in product(range(3), range(4)):
        np.testing.assert_array_equal(np.roll(distances[y, x], (-y, -x), axis=(0, 1)), distances[0, 0])


def test_a_torus_has_the_positions_of_a_sheet_and_no_longer_distances() -> None:
    torus, sheet = Torus((7, 4)), Sheet((7, 4))
    np.testing.assert_array_equal(torus.positions(), sheet.positions())
    assert (torus.distances() <= sheet.distances()).all()
    assert torus.surface() is None


def test_spacing_scales_the_torus() -> None:
    # a power of two is exact
    np.testing.assert_array_equal(Torus((4, 5), spacing=4.0).distances(), 4 * Torus((4, 5)).distances())


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2), (0, 5), (1, 1)])
def test_an_invalid_torus_shape_is_an_error(shape: tuple[int, int]) -> None:
    with pytest.raises(
        ValueError, match="shape must be two positive whole numbers, with two or more units in total, not"
    ):
        Torus(shape)


def test_a_torus_is_restored_from_json() -> None:
    data = json.dumps({"shape": [3, 4], "spacing": 2.0})
    assert TypeAdapter(Torus).validate_json(data, strict=True) == Torus((3, 4), spacing=2.0)
