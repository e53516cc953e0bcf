"""Units on a ring."""

import json

import networkx
import numpy as np
import pytest
from pydantic import TypeAdapter

from spatialnets.geometries import Ring
from spatialnets.testing import check_geometry


@pytest.mark.parametrize("ring", [Ring(), Ring(n=2), Ring(n=7, radius=30.0)])
def test_a_ring_satisfies_the_geometry_contract(ring: Ring) -> None:
    check_geometry(ring)


def test_four_units_are_a_quarter_of_the_circumference_apart() -> None:
    quarter = np.pi / 2 * 3.0
    expected = [0, quarter, 2 * quarter, quarter]
    np.testing.assert_allclose(Ring(n=4, radius=3.0).distances()[0], expected, rtol=1e-15)  # one or two rounding errors


def test_units_are_on_a_circle_in_the_plane() -> None:
    positions = Ring(n=11, radius=2.5).positions()
    np.testing.assert_allclose(
        np.linalg.norm(positions, axis=1), 2.5, rtol=1e-15
    )  # sine and cosine are accurate to 1e-16
    np.testing.assert_allclose(positions[0], [2.5, 0, 0])
    assert (positions[:, 2] == 0).all()


def test_arcs_are_the_angles_between_positions() -> None:
    ring = Ring(n=12, radius=2.0)
    unit = ring.positions() / 2.0
    angle = np.arccos(np.clip(unit @ unit.T, -1, 1))
    np.testing.assert_allclose(
        ring.distances(), 2.0 * angle, atol=1e-7
    )  # arccos loses half of its digits near 0 and pi


def test_distances_are_shortest_paths_around_a_cycle() -> None:
    lengths = dict(networkx.all_pairs_shortest_path_length(networkx.cycle_graph(9)))
    steps = [[lengths[one][other] for other in range(9)] for one in range(9)]
    np.testing.assert_allclose(
        Ring(n=9, radius=9 / (2 * np.pi)).distances(), steps, rtol=1e-14
    )  # a few rounding errors


def test_all_units_of_a_ring_are_equivalent() -> None:
    distances = Ring(n=10).distances()
    for unit in range(10):
        np.testing.assert_array_equal(np.roll(distances[unit], -unit), distances[0])


def test_radius_scales_the_ring() -> None:
    small, large = Ring(n=10), Ring(n=10, radius=4.0)
    np.testing.assert_array_equal(large.distances(), 4 * small.distances())  # a power of two is exact
    np.testing.assert_array_equal(large.positions(), 4 * small.positions())


@pytest.mark.parametrize(
    ("n", "radius", "message"),
    [
        (1, 1.0, "n must be 2 or more, not 1"),
        (10, 0.0, "radius must be positive and finite, not 0.0"),
        (10, float("inf"), "radius must be positive and finite, not inf"),
    ],
)
def test_an_invalid_number_of_units_or_radius_is_an_error(n: int, radius: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Ring(n=n, radius=radius)


def test_a_ring_is_restored_from_json() -> None:
    data = json.dumps({"n": 8, "radius": 2.0})
    assert TypeAdapter(Ring).validate_json(data, strict=True) == Ring(n=8, radius=2.0)
