"""Several geometries as one."""

import pickle
from typing import Any

import networkx
import numpy as np
import pytest

from spatialnets import Experiment
from spatialnets.geometries import Connectome, Ellipsoid, Grid, Points, Sheet, Sphere, Union
from spatialnets.geometries.union import join_distances
from spatialnets.report.citations import keys_of
from spatialnets.testing import check_geometry

TWO = (Sheet((3, 4)), Sheet((2, 2)))
OFFSETS = ((0.0, 0.0, 0.0), (0.0, 1.0, 6.0))


@pytest.mark.parametrize("across", ["euclidean", 3.0, 9.0])
def test_areas_with_a_rule_across_satisfy_the_geometry_contract(across: Any) -> None:
    union = Union(TWO, across=across, offsets=OFFSETS)
    check_geometry(union)
    assert union.n_units == 16
    assert union.parts().tolist() == [0] * 12 + [1] * 4
    assert pickle.loads(pickle.dumps(union)) == union


def test_straight_lines_between_flat_areas_change_nothing_within_them() -> None:
    union = Union(TWO, across="euclidean", offsets=OFFSETS)
    positions = union.positions()
    np.testing.assert_allclose(
        union.distances(), np.linalg.norm(positions[:, None] - positions[None], axis=-1), atol=1e-12
    )
    np.testing.assert_allclose(union.distances()[:12, :12], TWO[0].distances(), atol=1e-12)


def test_a_length_applies_to_all_pairs_unless_the_straight_line_is_longer() -> None:
    far = Union(TWO, across=9.0, offsets=OFFSETS)
    np.testing.assert_array_equal(far.distances()[:12, 12:], np.full((12, 4), 9.0))
    straight = Union(TWO, across="euclidean", offsets=OFFSETS).distances()[:12, 12:]
    near = Union(TWO, across=6.5, offsets=OFFSETS).distances()[:12, 12:]
    np.testing.assert_allclose(near, np.maximum(straight, 6.5))


def test_distances_are_shortest_paths_in_the_graph_of_all_connections() -> None:
    generator = np.random.default_rng(2)
    areas = [Sphere(n=7, radius=3.0), Sphere(n=5, radius=2.0)]
    shift = np.array([0.5, 0, 1.0])
    positions = [areas[0].positions(), areas[1].positions() + shift]
    across = 2.0
    distances = join_distances(positions, [area.distances() for area in areas], across)
    graph = networkx.Graph()
    all_positions = np.vstack(positions)
    for one in range(12):
        for other in range(one):
            straight = float(np.linalg.norm(all_positions[one] - all_positions[other]))
            same = (one < 7) == (other < 7)
            start = 0 if one < 7 else 7
            within = areas[0 if one < 7 else 1].distances()
            length = within[one - start, other - start] if same else max(across, straight)
            graph.add_edge(one, other, weight=length)
    expected = dict(networkx.all_pairs_dijkstra_path_length(graph))
    for one, other in generator.integers(0, 12, size=(60, 2)).tolist():
        assert distances[one, other] == pytest.approx(expected[one][other], rel=1e-12)
    assert (distances[:7, :7] < areas[0].distances() - 1e-9).any()  # by a path through the other area


def test_facts_count_the_distances_that_the_rule_shortens_and_include_those_of_the_areas() -> None:
    assert Union(TWO, across=9.0, offsets=OFFSETS).facts() == {
        "across areas": "0.0 % of the pairs within an area are closer by a path through another"
    }
    spheres = Union((Sphere(n=7, radius=3.0), Sphere(n=5, radius=2.0)), across=2.0, offsets=((0, 0, 0), (0.5, 0, 1)))
    first, second = (area.distances() for area in spheres.areas)
    closer = (spheres.distances()[:7, :7] < first - 1e-9).sum() + (spheres.distances()[7:, 7:] < second - 1e-9).sum()
    assert closer > 0
    assert spheres.facts()["across areas"].startswith(f"{100 * closer / (7 * 6 + 5 * 4):.1f} %")
    tracts = Connectome(((0.0, 3, 0), (3, 0, 4), (0, 4, 0)))
    assert (
        Union((tracts, tracts), across=90.0, offsets=((0, 0, 0), (0, 0, 50))).facts()["1: filled"].startswith("1 of 3")
    )


def test_the_references_of_a_union_include_those_of_its_areas() -> None:
    experiment = Experiment.from_preset("sernn_demo").override(
        "geometry={kind: union, areas: [{kind: sphere, n: 5}, {kind: ellipsoid, n: 5}], across: 9.0,"
        " offsets: [[0, 0, 0], [0, 1, 6]]}"
    )
    assert {"gonzalez2010", "mitchell1987"} <= set(keys_of(experiment))


def test_names_and_surfaces_are_those_of_the_areas() -> None:
    assert Union(TWO, across=9.0, offsets=OFFSETS).unit_names() is None
    surface = Union(TWO, across=9.0, offsets=OFFSETS).surface()
    assert surface is not None
    assert len(surface.vertices) == 16
    assert surface.faces.max() == 15
    mixed = Union((Grid((2, 2, 2)), Ellipsoid(n=5)), across=20.0)
    assert len(mixed.surface() or ()) == 2
    check_geometry(mixed)
    assert Union((Points(((0.0, 0.0), (1.0, 0.0))), Points(((5.0,), (6.0,)))), across=9.0).positions().shape == (4, 3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"areas": (Grid(),)}, "areas must be two or more geometries, not 1"),
        ({"areas": (Grid(), 3)}, "areas must be geometries, not 3"),
        ({"across": "far"}, "across must be refused, euclidean or a finite, positive length, not 'far'"),
        ({"across": 0.0}, "across must be refused, euclidean or a finite, positive length"),
        ({"across": float("nan")}, "across must be refused, euclidean or a finite, positive length"),
        ({"offsets": ((0, 0, 0),)}, "offsets must be three finite lengths for each of 2 areas"),
        ({"offsets": ((0, 0), (1, 1))}, "offsets must be three finite lengths"),
    ],
)
def test_invalid_fields_are_errors(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Union(**{"areas": TWO, **fields})


def test_distances_need_a_rule_and_different_positions() -> None:
    with pytest.raises(ValueError, match="write across: euclidean .* or across: a length .of every connection"):
        Union(TWO).distances()
    with pytest.raises(ValueError, match="units 0 and 12 of different areas have the same position: shift one"):
        Union(TWO, across="euclidean").distances()


def test_different_units_of_length_are_an_error() -> None:
    from spatialnets.geometries import Cortex

    with pytest.raises(ValueError, match="the same unit of length, not mm and step"):
        Union((Grid(), Cortex(source="fsaverage5_pial")))


def test_a_union_can_be_declared_in_yaml() -> None:
    experiment = Experiment.from_preset("sernn_demo").override(
        "geometry={kind: union, areas: [{kind: sheet, shape: [3, 4]}, {kind: sheet, shape: [2, 2]}], across: 9.0,"
        " offsets: [[0, 0, 0], [0, 1, 6]]}"
    )
    geometry = experiment.groups["sernn"].ensembles[0].geometry
    assert geometry == Union(TWO, across=9.0, offsets=OFFSETS)
    again = Experiment.from_declaration(__import__("yaml").safe_load(experiment.to_yaml()))
    assert again.digest == experiment.digest
