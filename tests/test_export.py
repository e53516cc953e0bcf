"""Exported networks can be read by other tools, and imported again unchanged."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
from conftest import Outcome

from spatialnets import Run, RunError
from spatialnets.geometries import Grid
from spatialnets.importing import Wanted, import_networks
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.runs.export import edge_table, graph_of, matrix_of, write_graph

GRID = Grid((3, 2, 1))
WEIGHTS = np.random.default_rng(5).normal(size=(2, 3, 6, 6)).astype(np.float32)
WEIGHTS[:, :, 0, 3] = 0  # a missing connection
WEIGHTS[1, 2, 4, 4] = np.nan
EPOCHS = (0, 9, 10)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two networks of six units; the second has a NaN weight at epoch 10."""
    folder = tmp_path_factory.mktemp("export")
    np.savez(folder / "nets.npz", theirs__weights=WEIGHTS, theirs__strength=[0.25, 0.5], theirs__seed=[7, 8])
    overrides = ("geometry=grid", "geometry.shape=[3, 2, 1]", "name=nets")
    return import_networks([folder / "nets.npz"], overrides, wanted=Wanted(epochs=EPOCHS), out=folder / "run")


def test_edges_are_the_nonzero_weights_from_pre_to_post(run: Run) -> None:
    graph = run.to_networkx("theirs", 1, 9)
    assert isinstance(graph, nx.DiGraph)
    weights = WEIGHTS[1, 1].astype(np.float64)
    assert np.array_equal(nx.to_numpy_array(graph, weight="weight"), weights)  # NetworkX also has sources as rows
    assert np.array_equal(nx.to_numpy_array(graph, weight="magnitude"), np.abs(weights))
    assert graph.size() == 35
    assert not graph.has_edge(0, 3)
    for pre, post, distance in graph.edges(data="distance"):
        assert distance == GRID.distances()[pre, post]


def test_nodes_are_units_with_their_positions(run: Run) -> None:
    graph = run.to_networkx("theirs", 0, 9)
    assert list(graph) == list(range(6))
    assert np.array_equal([[node[axis] for axis in "xyz"] for _, node in graph.nodes(data=True)], GRID.positions())
    about = {"run": "nets", "group": "theirs", "network": 0, "epoch": 9, "seed": 7, "strength": 0.25}
    assert graph.graph == {**about, "length_unit": "step"}


def test_the_default_epoch_is_the_ninth_or_the_last_before_it(run: Run, tmp_path: Path) -> None:
    assert run.to_networkx("theirs", 0).graph["epoch"] == 9
    np.savez(tmp_path / "late.npz", weights=WEIGHTS[0, :2])
    overrides = ("geometry=grid", "geometry.shape=[3, 2, 1]")
    for epoch in (4, 12):
        folder = tmp_path / str(epoch)
        late = import_networks([tmp_path / "late.npz"], overrides, wanted=Wanted(epochs=(epoch,)), out=folder)
        assert late.to_networkx("imported", 0).graph["epoch"] == epoch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("thiers", 0), "no group 'thiers': did you mean 'theirs'"),
        (("theirs", 2), "no network 2 of group 'theirs'"),
        (("theirs", 0, 5), r"no epoch 5 of group 'theirs'; it has \[0, 9, 10\]"),
        (("theirs", 1, 10), "network 1 of group 'theirs' has no finite weights at epoch 10: "),
    ],
)
def test_an_unknown_or_diverged_network_is_refused(run: Run, arguments: Any, message: str) -> None:
    with pytest.raises(RunError, match=message):
        run.to_networkx(*arguments)


def test_names_and_areas_are_exported_and_gates_are_summed() -> None:
    geometry = StoredGeometry(
        np.array([[0.0, 0], [3, 4]]),
        np.array([[0.0, 5], [5, 0]]),
        "mm",
        names=np.array(["V1", "M1"]),
        parts=np.array([0, 1]),
    )
    gates = np.array([[[0.0, 1.0], [0.0, 0.5]], [[0.0, -1.0], [0.0, 0.25]]])
    graph = graph_of(gates, geometry, {})
    assert graph.nodes[1] == {"x": 3.0, "y": 4.0, "name": "M1", "part": 1}
    assert graph.edges[0, 1] == {"weight": 0.0, "magnitude": 2.0, "distance": 5.0}
    assert graph.edges[1, 1]["weight"] == 0.75
    assert edge_table(graph).splitlines()[:2] == [
        "pre,post,weight,distance,pre_name,post_name",
        "0,1,0.0,5.0,V1,M1",
    ]


def test_graphml_is_read_back_unchanged(run: Run, tmp_path: Path) -> None:
    graph = run.to_networkx("theirs", 1, 9)
    write_graph(graph, tmp_path / "one.graphml", "graphml")
    back = nx.read_graphml(tmp_path / "one.graphml", node_type=int)
    assert back.is_directed()
    assert dict(back.nodes(data=True)) == dict(graph.nodes(data=True))
    assert {(pre, post): edge for pre, post, edge in back.edges(data=True)} == {
        (pre, post): edge for pre, post, edge in graph.edges(data=True)
    }
    assert {key: value for key, value in back.graph.items() if key in graph.graph} == graph.graph


def test_a_matrix_is_imported_again_in_full_precision(run: Run, tmp_path: Path) -> None:
    (tmp_path / "one.csv").write_text(matrix_of(run.to_networkx("theirs", 1, 9)))
    overrides = ("geometry=grid", "geometry.shape=[3, 2, 1]")
    back = import_networks([tmp_path / "one.csv"], overrides, out=tmp_path / "back")
    weights = back["imported"]["weights"].to_numpy()[0, 0]
    assert weights.dtype == np.float32
    assert np.array_equal(weights, WEIGHTS[1, 1])


def test_an_edge_list_contains_every_weight_and_distance(run: Run) -> None:
    rows = list(csv.DictReader(edge_table(run.to_networkx("theirs", 0, 0)).splitlines()))
    weights, distances = np.zeros((6, 6)), np.zeros((6, 6))
    for row in rows:
        index = int(row["pre"]), int(row["post"])
        weights[index], distances[index] = float(row["weight"]), float(row["distance"])
    assert len(rows) == 35
    assert np.array_equal(weights, WEIGHTS[0, 0])
    assert np.array_equal(distances[weights != 0], GRID.distances()[weights != 0])


# The command


def test_the_command_writes_into_the_run_folder_or_to_a_given_file(run: Run, command: Callable[..., Outcome]) -> None:
    outcome = command("export", str(run.folder), "theirs", "1")
    assert outcome.code == 0, outcome.err
    assert "6 units, 35 edges" in outcome.out
    assert nx.read_graphml(run.folder / "exports" / "theirs-1-epoch9.graphml").size() == 35
    outcome = command("export", str(run.folder), "theirs", "0", "--epoch", "10", "--format", "csv", "--out", "m.csv")
    assert outcome.code == 0, outcome.err
    assert np.array_equal(np.loadtxt("m.csv", delimiter=","), WEIGHTS[0, 2])
    outcome = command("export", str(run.folder), "theirs", "0", "--format", "edges")
    assert outcome.code == 0, outcome.err
    assert (run.folder / "exports" / "theirs-0-epoch9-edges.csv").read_text().startswith("pre,post,weight,distance\n")


def test_the_command_reports_errors_in_one_line(run: Run, command: Callable[..., Outcome]) -> None:
    for arguments, message in (
        (("absent", "theirs", "0"), "no run folder"),
        ((str(run.folder), "theirs", "9"), "no network 9"),
        ((str(run.folder), "theirs", "0", "--format", "gml"), "did you mean 'graphml'"),
    ):
        outcome = command("export", *arguments)
        assert outcome.code == 2
        assert message in outcome.err
        assert len(outcome.err.splitlines()) == 1
    assert not any(Path().iterdir())
