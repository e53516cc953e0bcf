"""`spatialnets geometry`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.arguments import argument, experiment_from

if TYPE_CHECKING:
    from spatialnets.protocols import Geometry


def geometry(
    words: Annotated[
        list[str],
        argument(
            "FILE.yaml|KEY=VALUE",
            "geometry=NAME and its fields, such as geometry=cortex geometry.n=400; or an experiment as for run, to "
            "check all of its geometries.",
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for figure and page; by default runs/geometry-<name>.")
    ] = None,
) -> None:
    """Check a geometry: print a table of its properties, draw it, and write a page with an interactive 3-D view."""
    geometries = _geometries_from(words)
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from spatialnets.errors import printable
    from spatialnets.networks.stored_geometry import StoredGeometry
    from spatialnets.report.geometry_page import table_of_facts, write_geometry_page

    for name, component in geometries.items():
        print(f"measuring {name}", file=sys.stderr, flush=True)
        stored = StoredGeometry.of(component)
        table = Table(title=name, show_header=False, title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column()
        for row in table_of_facts(component, stored):
            table.add_row(*(escape(printable(cell)) for cell in row))
        Console().print(table)
        folder = Path("runs") / f"geometry-{name}" if out is None else out / name if len(geometries) > 1 else out
        for what, path in write_geometry_page(component, stored, name, folder).items():
            print(f"{what}: {path}")


def _geometries_from(words: Sequence[str]) -> dict[str, Geometry]:
    """Return the geometry that overrides declare, or all geometries of an experiment, by name."""
    if not words or any(not word.startswith(("geometry=", "geometry.")) for word in words):
        return dict(experiment_from(words).geometries)
    from spatialnets.errors import DeclarationError
    from spatialnets.experiments.blocks import Builder
    from spatialnets.experiments.declaration import apply_override
    from spatialnets.experiments.resolver import geometry_name
    from spatialnets.files.yaml_nodes import Node

    root, problems = Node({}, "overrides"), list[str]()
    for word in words:
        root = apply_override(root, word)
    base = root.value["base"].value if isinstance(root.value, dict) else None
    assert isinstance(base, dict)
    component = Builder(problems, {}).build("geometry", base["geometry"], "geometry")
    if problems:
        raise DeclarationError(problems)
    return {geometry_name(component): component}
