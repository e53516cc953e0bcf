"""Units at random positions in a box."""

import json

import numpy as np
import pytest
from pydantic import TypeAdapter
from scipy import stats

from spatialnets.geometries import RandomBox
from spatialnets.testing import check_geometry


@pytest.mark.parametrize("box", [RandomBox(), RandomBox(n=2, size=(1.0,)), RandomBox(n=40, size=(3.0, 0.1), seed=7)])
def test_a_random_box_satisfies_the_geometry_contract(box: RandomBox) -> None:
    check_geometry(box)


def test_the_mean_distance_on_a_line_is_a_third_of_its_length() -> None:
    distances = RandomBox(n=2000, size=(30.0,)).distances()
    mean = distances.sum() / (2000 * 1999)
    # the mean distance between two uniform points on a line; its standard error with 2000 of them is about 0.5 %
    assert abs(mean - 10.0) < 0.2


def test_distances_are_euclidean() -> None:
    box = RandomBox(n=20)
    between = np.linalg.norm(box.positions()[:, None] - box.positions()[None], axis=-1)
    np.testing.assert_allclose(box.distances(), between, rtol=1e-14)  # a few rounding errors


def test_units_are_uniform_along_every_axis() -> None:
    size = (5.0, 2.0, 9.0)
    positions = RandomBox(n=2000, size=size, seed=3).positions()
    for coordinate, length in zip(positions.T, size, strict=True):
        assert stats.kstest(coordinate / length, "uniform").pvalue > 0.01  # the seed is fixed
    assert np.abs(np.asarray(np.corrcoef(positions.T))[np.triu_indices(3, k=1)]).max() < 0.08  # 3.6 standard errors


def test_positions_are_drawn_with_numpys_generator() -> None:
    generator = np.random.Generator(np.random.PCG64(5))
    expected = generator.random((10, 3)) * [5, 5, 4]
    np.testing.assert_array_equal(RandomBox(n=10, seed=5).positions(), expected)
    assert not np.array_equal(RandomBox(n=10, seed=6).positions(), expected)


def test_the_first_units_of_a_larger_network_are_those_of_a_smaller_one() -> None:
    np.testing.assert_array_equal(RandomBox(n=50).positions()[:20], RandomBox(n=20).positions())


def test_size_scales_the_box() -> None:
    # a power of two is exact
    small, large = RandomBox(n=20, size=(1.0, 2.0)), RandomBox(n=20, size=(4.0, 8.0))
    np.testing.assert_array_equal(large.positions(), 4 * small.positions())
    assert (small.positions()[:, 2] == 0).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n": 1}, "n must be 2 or more, not 1"),
        ({"size": ()}, r"size must be one to three lengths, not \[\]"),
        ({"size": (1.0,) * 4}, "size must be one to three"),
        ({"size": (5.0, 0.0)}, r"size must be positive and finite, not \(5.0, 0.0\)"),
        ({"size": (5.0, float("nan"))}, "size must be positive and finite"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
    ],
)
def test_invalid_fields_are_errors(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RandomBox(**fields)  # type: ignore[arg-type]


def test_distances_too_small_to_rescale_are_an_error() -> None:
    with pytest.raises(ValueError, match="mean distance between units is 0 step, which cannot be rescaled"):
        RandomBox(n=4, size=(1e-320,)).steps_per_unit()


def test_a_random_box_is_restored_from_json() -> None:
    data = json.dumps({"n": 8, "size": [2.0, 3.0], "seed": 4})
    assert TypeAdapter(RandomBox).validate_json(data, strict=True) == RandomBox(n=8, size=(2.0, 3.0), seed=4)
