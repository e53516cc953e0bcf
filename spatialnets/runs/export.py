"""Export a network as a NetworkX graph, GraphML, an edge list or a weight matrix."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.errors import printable
from spatialnets.files.atomic import write_bytes, write_text
from spatialnets.files.table import spreadsheet_safe
from spatialnets.networks.stored_geometry import StoredGeometry

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FORMATS", "edge_table", "graph_of", "matrix_of", "write_graph"]

FORMATS = {"graphml": ".graphml", "edges": ".csv", "csv": ".csv"}
"""Formats of exported networks and the endings of their files: ``csv`` is a matrix, ``edges`` an edge list."""


def graph_of(weights: FloatArray, geometry: StoredGeometry, about: Mapping[str, str | int | float]) -> nx.DiGraph:
    """Return a network as a directed graph.

    Parameters
    ----------
    weights
        Signed, ``(pre, post)`` or ``(gate, pre, post)``.
    geometry
        Positions and distances of its units.
    about
        Attributes of the graph, such as its group.

    Returns
    -------
    networkx.DiGraph
        A node for each unit, numbered from 0, with its coordinates (``x``, ``y``, ``z``), its ``name`` if units have
        names, and its area ``part`` if there are several. An edge from pre to post for each nonzero weight, with
        ``weight`` (signed), ``magnitude`` and ``distance``; weight and magnitude are summed over gates.

    Examples
    --------
    >>> line = StoredGeometry(np.array([[0.0], [2.0]]), np.array([[0.0, 2.0], [2.0, 0.0]]), "step")
    >>> graph_of(np.array([[0.0, -0.5], [0.0, 0.0]]), line, {}).edges(data=True)
    OutEdgeDataView([(0, 1, {'weight': -0.5, 'magnitude': 0.5, 'distance': 2.0})])
    """
    import networkx as nx

    gates = np.asarray(weights, dtype=np.float64).reshape(-1, *np.shape(weights)[-2:])
    signed, magnitudes = gates.sum(axis=0), np.abs(gates).sum(axis=0)
    graph = nx.DiGraph(**about, length_unit=geometry.length_unit)
    for unit, position in enumerate(geometry.positions.tolist()):
        attributes: dict[str, Any] = dict(zip("xyz", position, strict=False))
        if len(geometry.names):
            attributes["name"] = printable(str(geometry.names[unit]))  # XML cannot represent control characters
        if len(geometry.parts):
            attributes["part"] = int(geometry.parts[unit])
        graph.add_node(unit, **attributes)
    for pre, post in np.argwhere(magnitudes != 0).tolist():
        graph.add_edge(
            pre,
            post,
            weight=float(signed[pre, post]),
            magnitude=float(magnitudes[pre, post]),
            distance=float(geometry.distances[pre, post]),
        )
    return graph


def matrix_of(graph: nx.DiGraph) -> str:
    """Return the signed weights as CSV, with pre as rows and post as columns, in full precision."""
    weights = np.zeros((len(graph), len(graph)))
    for pre, post, weight in graph.edges(data="weight"):
        weights[pre, post] = weight
    return "".join(",".join(map(repr, row)) + "\n" for row in weights.tolist())


def edge_table(graph: nx.DiGraph) -> str:
    """Return the edges as CSV: pre, post, signed weight, distance, and the names of units if they have any.

    Examples
    --------
    >>> line = StoredGeometry(np.array([[0.0], [2.0]]), np.array([[0.0, 2.0], [2.0, 0.0]]), "step")
    >>> print(edge_table(graph_of(np.array([[0.0, -0.5], [0.0, 0.0]]), line, {})), end="")
    pre,post,weight,distance
    0,1,-0.5,2.0
    """
    named = [name for _, name in graph.nodes(data="name") if name is not None]
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["pre", "post", "weight", "distance", *(["pre_name", "post_name"] if named else [])])
    for pre, post, edge in graph.edges(data=True):
        names = [spreadsheet_safe(named[pre]), spreadsheet_safe(named[post])] if named else []
        table.writerow([pre, post, repr(edge["weight"]), repr(edge["distance"]), *names])
    return text.getvalue()


def write_graph(graph: nx.DiGraph, path: Path, format: str) -> None:
    """Write a network to a file, atomically; `format` is one of `FORMATS`."""
    if format == "graphml":
        import networkx as nx

        content = io.BytesIO()
        nx.write_graphml_xml(graph, content)
        write_bytes(path, content.getvalue())
        return
    write_text(path, matrix_of(graph) if format == "csv" else edge_table(graph))
