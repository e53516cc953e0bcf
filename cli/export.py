"""`spatialnets export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.errors import UserError, nearest


def export(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    group: Annotated[str, typer.Argument(help="Which of its groups.")],
    network: Annotated[int, typer.Argument(help="The network's number in the group, from 0 on.")],
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="At which epoch; by default 9, or the last one before.")
    ] = None,
    format: Annotated[
        str,
        typer.Option("--format", help="graphml; csv: the matrix of weights; edges: pre, post, weight, distance (CSV)."),
    ] = "graphml",
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The file; by default RUN/exports/GROUP-NETWORK-epochE."),
    ] = None,
) -> None:
    """Write one network to a file that other tools read."""
    from spatialnets.runs.export import FORMATS, write_graph
    from spatialnets.runs.run import Run

    if format not in FORMATS:
        raise UserError(f"there is no format '{format}': {nearest(format, FORMATS)}")
    graph = Run.open(folder).to_networkx(group, network, epoch)
    name = f"{group}-{network}-epoch{graph.graph['epoch']}{'-edges' if format == 'edges' else ''}{FORMATS[format]}"
    path = out or folder / "exports" / name
    write_graph(graph, path, format)
    print(f"network {network} of {group} at epoch {graph.graph['epoch']}: {len(graph)} units, {graph.size():,} edges")
    print(f"{format}: {path}")
