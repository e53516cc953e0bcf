"""`spatialnets export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.arguments import RunFolder, argument
from spatialnets.errors import UserError, nearest


def export(
    folder: RunFolder,
    group: Annotated[str, argument("GROUP", "A group of the run.")],
    network: Annotated[int, argument("NETWORK", "The number of the network in its group, from 0.")],
    epoch: Annotated[
        int | None, typer.Option("--epoch", help="Epoch; by default 9, or the last stored epoch before it.")
    ] = None,
    format: Annotated[
        str,
        typer.Option(
            "--format", help="graphml; csv (the weight matrix); edges (CSV of pre, post, weight and distance)."
        ),
    ] = "graphml",
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; by default RUN/exports/GROUP-NETWORK-epochE.")
    ] = None,
) -> None:
    """Write one network to a file for other tools."""
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
