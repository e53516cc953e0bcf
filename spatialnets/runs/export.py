"""A network for other people's tools: as a graph of networkx, GraphML, or tables of numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialnets.errors import printable
from spatialnets.files.table import harmless
from spatialnets.protocols import FloatArray
from spatialnets.files.atomic import write_bytes, write_text
from spatialnets.networks.stored_geometry import StoredGeometry

if TYPE_CHECKING:
    import networkx as nx

__all__ = ["FORMATS", "edge_table", "graph_of", "matrix_of", "write_graph"]

FORMATS = {"graphml": ".graphml", "edges": ".csv", "csv": ".csv"}
"""What a network can be written as, and how the file's name ends: ``csv`` is the matrix, ``edges`` a list."""

AXES = ("x", "y", "z")


def graph_of(weights: FloatArray, geometry: StoredGeometry, about: Mapping[str, str | int | float]) -> nx.DiGraph:
    """Return a network as a directed graph.

    Parameters
    ----------
    weights
        Signed, ``(pre, post)`` or ``(gate, pre, post)``.
    geometry
        Where its units live.
    about
        Attributes of the graph, such as its group.

    Returns
    -------
    networkx.DiGraph
        A node for each unit, by its number from 0 on, with its position ``x``, ``y``, ``z`` (those that there are),
        its ``name`` if units have names, and its ``part`` if there are several. An edge from pre to post for each
        weight that is not 0, with ``weight`` (signed), ``magnitude`` and ``distance``; of several gates both are sums.

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
        told: dict[str, Any] = dict(zip(AXES, position, strict=False))
        if len(geometry.names):
            told["name"] = printable(str(geometry.names[unit]))  # XML has no letters for the rest
        if len(geometry.parts):
            told["part"] = int(geometry.parts[unit])
        graph.add_node(unit, **told)
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
    """Return the signed weights as a table, a line for each pre and a column for each post, to the last bit."""
    weights = np.zeros((len(graph), len(graph)))
    for pre, post, weight in graph.edges(data="weight"):
        weights[pre, post] = weight
    return "".join(",".join(map(repr, row)) + "\n" for row in weights.tolist())


def edge_table(graph: nx.DiGraph) -> str:
    """Return a table of edges: pre, post, weight (signed) and distance; and what units are called, if they have names.

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
        names = [harmless(named[pre]), harmless(named[post])] if named else []
        table.writerow([pre, post, repr(edge["weight"]), repr(edge["distance"]), *names])
    return text.getvalue()


def write_graph(graph: nx.DiGraph, path: Path, format: str) -> None:
    """Write a network to a file, whole or not at all; `format` is one of `FORMATS`."""
    if format == "graphml":
        import networkx as nx

        content = io.BytesIO()
        nx.write_graphml_xml(graph, content)
        write_bytes(path, content.getvalue())
        return
    write_text(path, matrix_of(graph) if format == "csv" else edge_table(graph))
