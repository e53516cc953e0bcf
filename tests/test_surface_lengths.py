"""Shortest paths along meshes: closed forms, an exact algorithm, and the properties of a metric."""

from itertools import pairwise

import numpy as np
import pytest
import trimesh
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets.aliases import FloatArray
from spatialnets.geometries.anatomy.surface_lengths import lengths_from, straight_lines, surface_lengths
from spatialnets.geometries.anatomy.templates import template_surface, template_volume
from spatialnets.geometries.anatomy.volume import surface_of
from spatialnets.protocols import Surface


@pytest.fixture
def generator() -> np.random.Generator:
    """Return a new generator for each test, so that the order of tests does not matter."""
    return np.random.default_rng(20)


def icosphere(subdivisions: int) -> Surface:
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    return Surface(np.array(ball.vertices), np.array(ball.faces))


def flat(shape: tuple[int, int], seed: int = 0) -> Surface:
    """Return a rectangular sheet of irregular triangles."""
    from scipy.spatial import Delaunay

    axes = np.meshgrid(*(np.arange(length, dtype=float) for length in shape))
    points = np.column_stack([axis.ravel() for axis in axes])
    inner = ((points > 0) & (points < np.array(shape) - 1)).all(axis=1)
    points[inner] += np.random.default_rng(seed).uniform(-0.4, 0.4, size=(inner.sum(), 2))
    return Surface(np.column_stack([points, np.zeros(len(points))]), Delaunay(points).simplices.astype(np.int64))


@pytest.fixture(scope="module")
def pial() -> Surface:
    return template_surface("fsaverage5_pial", "left")[0]


@pytest.fixture(scope="module")
def white_matter() -> Surface:
    return surface_of(template_volume("mni152_wm", "left"), 3.0, "white matter")[0]


# Closed forms


@pytest.mark.parametrize("subdivisions", [3, 4, 5])
def test_paths_on_an_icosphere_are_great_circles(subdivisions: int, generator: np.random.Generator) -> None:
    surface = icosphere(subdivisions)
    units = generator.choice(len(surface.vertices), 40, replace=False)
    lengths = surface_lengths(*surface, units)
    positions = surface.vertices[units]
    arcs = 2 * np.arctan2(cdist(positions, positions), cdist(positions, -positions))
    pairs = arcs > 0
    ratio = lengths[pairs] / arcs[pairs]
    # the mesh is inside the sphere, so it is shorter by at most an eighth of the squared edge; paths bend at vertices
    edge = np.linalg.norm(surface.vertices[surface.faces[:, 0]] - surface.vertices[surface.faces[:, 1]], axis=1).max()
    assert ratio.min() > 1 - edge**2 / 8
    assert ratio.mean() < 1.001
    assert ratio.max() < 1.02


def test_paths_on_a_flat_sheet_are_straight() -> None:
    surface = flat((6, 6))
    lengths = surface_lengths(*surface, np.arange(36), reach=20)
    # all vertices of a convex sheet are in each other's line of sight, within the 24 triangles of a strip
    np.testing.assert_allclose(lengths, cdist(surface.vertices, surface.vertices), rtol=1e-9, atol=1e-9)


def test_a_path_over_the_edge_of_a_cube_is_straight_on_the_unfolded_cube() -> None:
    box = trimesh.creation.box((1, 1, 1))
    mesh = trimesh.Trimesh(*trimesh.remesh.subdivide_to_size(box.vertices, box.faces, 0.3), process=True)
    corner, opposite = (int(np.linalg.norm(mesh.vertices - end, axis=1).argmin()) for end in ((-0.5,) * 3, (0.5,) * 3))
    length = surface_lengths(mesh.vertices, mesh.faces, [corner, opposite])[0, 1]
    # over two faces, unfolded: the diagonal of a 1 x 2 rectangle; paths that bend at vertices may be 1 % longer
    assert np.sqrt(5) - 1e-9 <= length <= np.sqrt(5) * 1.01


def test_a_path_around_a_cone_takes_the_shorter_side() -> None:
    # a cone made from a quarter of a disc: opposite points are at an angle of pi / 4 on the unrolled sheet
    turns, rings = 24, 12
    angle = np.linspace(0, 2 * np.pi, turns, endpoint=False)
    height = np.sqrt(1 - 1 / 16)
    vertices = [np.zeros(3)]
    for ring in range(1, rings + 1):
        along = ring / rings
        vertices += [np.array([along / 4 * np.cos(a), along / 4 * np.sin(a), -along * height]) for a in angle]
    faces = [[0, 1 + k, 1 + (k + 1) % turns] for k in range(turns)]
    for ring in range(rings - 1):
        low, high = 1 + ring * turns, 1 + (ring + 1) * turns
        for k in range(turns):
            after = (k + 1) % turns
            faces += [[low + k, high + k, high + after], [low + k, high + after, low + after]]
    last = 1 + (rings - 1) * turns
    length = surface_lengths(vertices, faces, [last, last + turns // 2])[0, 1]
    exact = 2 * np.sin(np.pi / 8)  # chord of an angle of pi / 4 on the unit disc
    assert abs(length / exact - 1) < 0.01  # the cone has 24 sides, and paths bend at vertices


# An exact algorithm


def exact_lengths(surface: Surface, sources: NDArray[np.int64]) -> FloatArray:
    geodesic = pytest.importorskip("pygeodesic.geodesic", reason="pygeodesic has no wheel for this Python")
    algorithm = geodesic.PyGeodesicAlgorithmExact(np.array(surface.vertices), surface.faces.astype(np.int32))
    return np.array([algorithm.geodesicDistances(np.array([source], np.int32), None)[0] for source in sources])


@pytest.mark.parametrize("name", ["pial", "white_matter"])
def test_paths_on_cortex_match_an_exact_algorithm(
    name: str, request: pytest.FixtureRequest, generator: np.random.Generator
) -> None:
    surface: Surface = request.getfixturevalue(name)
    sources = generator.choice(len(surface.vertices), 6, replace=False)
    exact = exact_lengths(surface, sources)
    lengths = lengths_from(straight_lines(*surface), sources)
    pairs = exact > 0
    ratio = lengths[pairs] / exact[pairs]
    assert ratio.min() > 1 - 1e-12  # never shorter than the exact path, except for rounding errors
    assert ratio.mean() < 1.002
    assert ratio.max() < 1.03


def test_the_largest_errors_on_cortex_are_below_3_per_cent(pial: Surface) -> None:
    # the worst of all 52 million pairs, at the default reach and at 4.5: a fold blocks the line of sight
    sources, ends = np.array([3704, 6392]), np.array([1514, 692])
    exact = exact_lengths(pial, sources)[[0, 1], ends]
    lengths = lengths_from(straight_lines(*pial), sources)[[0, 1], ends]
    np.testing.assert_allclose(lengths / exact, [1.0264, 1.0231], atol=1e-4)
    lower_reach = lengths_from(straight_lines(*pial, reach=4.5), sources)[[0, 1], ends]
    np.testing.assert_allclose(lower_reach / exact, [1.0264, 1.0369], atol=1e-4)


def test_a_larger_reach_gives_shorter_paths(pial: Surface, generator: np.random.Generator) -> None:
    units = generator.choice(len(pial.vertices), 12, replace=False)
    lengths = [surface_lengths(*pial, units, reach=reach) for reach in (0.0, 3.0, 6.0)]
    for smaller_reach, larger_reach in pairwise(lengths):
        assert (larger_reach <= smaller_reach + 1e-9).all()
    assert lengths[0].sum() > lengths[2].sum()


# Properties of a metric


@pytest.mark.parametrize("name", ["pial", "white_matter"])
def test_lengths_are_a_metric_and_never_below_euclidean_distances(
    name: str, request: pytest.FixtureRequest, generator: np.random.Generator
) -> None:
    surface: Surface = request.getfixturevalue(name)
    units = generator.choice(len(surface.vertices), 120, replace=False)
    lengths = surface_lengths(*surface, units)
    assert np.abs(lengths - lengths.T).max() <= 1e-9
    assert (np.diagonal(lengths) == 0).all()
    one, middle, other = generator.integers(0, 120, size=(3, 10**5))
    # sums of tens of lengths: rounding errors are 1e-13 of the longest
    assert (lengths[one, other] <= lengths[one, middle] + lengths[middle, other] + 1e-9).all()
    positions = surface.vertices[units]
    assert (lengths >= cdist(positions, positions) - 1e-9).all()


def test_numbering_and_orientation_of_faces_do_not_matter(
    white_matter: Surface, generator: np.random.Generator
) -> None:
    vertices, faces = white_matter
    units = generator.choice(len(vertices), 10, replace=False)
    lengths = surface_lengths(vertices, faces, units)
    order = generator.permutation(len(vertices))
    index = np.argsort(order)
    np.testing.assert_allclose(surface_lengths(vertices[order], index[faces], index[units]), lengths, rtol=1e-9)
    np.testing.assert_allclose(surface_lengths(vertices, np.roll(faces, 1, axis=1), units), lengths, rtol=1e-9)
    mixed = np.where(generator.random(len(faces))[:, None] < 0.5, faces[:, ::-1], faces)
    np.testing.assert_allclose(surface_lengths(vertices, mixed, units), lengths, rtol=1e-9)
    np.testing.assert_allclose(surface_lengths(2.5 * vertices + 7, faces, units), 2.5 * lengths, rtol=1e-9)


# Unusual meshes


def test_paths_go_around_a_border() -> None:
    surface = flat((9, 9))
    middle = surface.vertices[surface.faces].mean(axis=1)
    wall = (np.abs(middle[:, 0] - 4) < 1.2) & (middle[:, 1] < 6.5)  # a slit from one side past the middle
    units = [int(np.linalg.norm(surface.vertices[:, :2] - end, axis=1).argmin()) for end in ((0, 0), (8, 0))]
    through = surface_lengths(*surface, units)[0, 1]
    around = surface_lengths(surface.vertices, surface.faces[~wall], units)[0, 1]
    assert abs(through - 8) < 1e-9
    assert around > 2 * 6


def test_lengths_between_separate_components_are_infinite() -> None:
    sphere = icosphere(1)
    count = len(sphere.vertices)
    vertices = np.vstack([sphere.vertices, sphere.vertices + 5])
    lengths = surface_lengths(vertices, np.vstack([sphere.faces, sphere.faces + count]), [0, 1, count])
    assert np.isinf(lengths[0, 2])
    assert np.isfinite(lengths[0, 1])
    alone = surface_lengths(np.vstack([sphere.vertices, [[9, 9, 9]]]), sphere.faces, [0, count])
    assert np.isinf(alone[0, 1])  # a vertex without a face


def test_paths_cross_an_edge_into_all_of_its_faces() -> None:
    # a book of three pages: paths between two pages are straight, as if these were flat
    vertices = [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    for turn in (0, 2 * np.pi / 3, 4 * np.pi / 3):
        vertices.append([np.cos(turn), 0.5, np.sin(turn)])
    lengths = surface_lengths(vertices, [[0, 1, 2], [0, 1, 3], [1, 0, 4]], [2, 3, 4])
    np.testing.assert_allclose(lengths, 2 * (1 - np.eye(3)), rtol=1e-12)


def test_a_face_without_area_changes_nothing() -> None:
    vertices = np.array([[0.0, 0, 0], [2, 0, 0], [1, 1, 0], [1, -1, 0], [1, 0, 0]])
    split = [[0, 1, 2], [0, 4, 1], [0, 3, 4], [4, 3, 1]]  # the second face is degenerate
    np.testing.assert_allclose(surface_lengths(vertices, split, [2, 3])[0, 1], 2, rtol=1e-12)


def test_the_number_of_strips_is_limited_where_many_faces_share_edges() -> None:
    from scipy.spatial import Delaunay

    points = np.random.default_rng(0).random((150, 3))
    tetrahedra = Delaunay(points).simplices
    faces = np.unique(np.sort(np.vstack([np.delete(tetrahedra, k, axis=1) for k in range(4)]), axis=1), axis=0)
    assert len(faces) > 1500  # five or six per edge: without a limit, strips would fill the memory
    lengths = surface_lengths(points, faces, np.arange(150))
    assert np.isfinite(lengths).all()
    assert (lengths >= cdist(points, points) - 1e-12).all()
    edges = surface_lengths(points, faces, np.arange(150), reach=0.0)
    assert (lengths <= edges + 1e-12).all()
    one, middle, other = np.random.default_rng(1).integers(0, 150, size=(3, 10**5))
    assert (lengths[one, other] <= lengths[one, middle] + lengths[middle, other] + 1e-12).all()


def test_an_edge_of_length_zero_is_an_error() -> None:
    with pytest.raises(ValueError, match="vertices 0 and 3 share an edge and have the same position"):
        straight_lines([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0]], [[0, 1, 2], [0, 3, 1]])
