"""Placement of units on surfaces."""

import numpy as np
import pytest
import trimesh
from scipy import sparse

from spatialnets.geometries.anatomy.placement import farthest_points, parcel_medoids, poisson_disk
from spatialnets.geometries.anatomy.surface_lengths import lengths_from, straight_lines


@pytest.fixture(scope="module")
def lines() -> "sparse.csr_matrix":
    ball = trimesh.creation.icosphere(subdivisions=3)
    return straight_lines(ball.vertices, ball.faces)


def spread(lines: "sparse.csr_matrix", units: np.ndarray) -> tuple[float, float, float]:
    """Return the smallest nearest-neighbour distance, its variation, and the largest gap (from a vertex to a unit)."""
    lengths = lengths_from(lines, units)
    between = lengths[:, units] + np.where(np.eye(len(units)), np.inf, 0)
    nearest = between.min(axis=1)
    return float(nearest.min()), float(nearest.std() / nearest.mean()), float(lengths.min(axis=0).max())


def test_no_vertex_is_farther_from_a_farthest_point_than_two_of_them_are_from_each_other(
    lines: "sparse.csr_matrix",
) -> None:
    for n in (2, 10, 60):
        units = farthest_points(lines, n, first=7)
        assert len(set(units.tolist())) == n
        smallest, _, gap = spread(lines, units)
        assert gap <= smallest * (1 + 1e-9)  # proved by Gonzalez (1985)


def test_farthest_points_are_nested(lines: "sparse.csr_matrix") -> None:
    np.testing.assert_array_equal(farthest_points(lines, 30, first=3)[:11], farthest_points(lines, 11, first=3))


def test_farthest_points_match_the_definition(lines: "sparse.csr_matrix") -> None:
    lengths = lengths_from(lines, np.arange(lines.shape[0]))
    chosen = [5]
    for _ in range(14):
        chosen.append(int(np.argmax(lengths[chosen].min(axis=0))))
    np.testing.assert_array_equal(farthest_points(lines, 15, first=5), chosen)


@pytest.mark.parametrize("n", [2, 37, 80, 250])
def test_poisson_disks_return_the_requested_number_of_units(lines: "sparse.csr_matrix", n: int) -> None:
    units = poisson_disk(lines, n, np.random.default_rng(1))
    assert len(set(units.tolist())) == n
    smallest, variation, gap = spread(lines, units)
    if n in (37, 80):
        uniform = np.random.default_rng(2).choice(lines.shape[0], n, replace=False)
        assert smallest > 2 * spread(lines, uniform)[0]
        assert variation < 0.2
        assert gap < 1.7 * smallest  # in a maximal set no gap exceeds the radius, in a thinned set rarely


def test_poisson_disks_are_random_and_reproducible(lines: "sparse.csr_matrix") -> None:
    one, again, other = (poisson_disk(lines, 40, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert set(one.tolist()) != set(other.tolist())


def test_a_medoid_is_the_vertex_nearest_to_the_mean() -> None:
    vertices = np.random.default_rng(3).normal(size=(60, 3))
    labels = np.random.default_rng(4).integers(1, 5, size=60)
    for parcel, medoid in zip((1, 2, 3, 4), parcel_medoids(vertices, labels, np.arange(1, 5)), strict=True):
        members = vertices[labels == parcel]
        assert labels[medoid] == parcel
        offset = np.linalg.norm(members - members.mean(axis=0), axis=1)
        assert np.linalg.norm(vertices[medoid] - members.mean(axis=0)) == offset.min()
