"""`spatialnets geometry`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.words import experiment_of

if TYPE_CHECKING:
    from spatialnets.protocols import Geometry


def geometry(
    words: Annotated[
        list[str],
        typer.Argument(
            help="geometry=NAME and its fields, such as geometry=cortex geometry.n=400; or an experiment as for run: "
            "all of its geometries.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder for picture and page; by default runs/geometry-<name>."),
    ] = None,
) -> None:
    """Measure a geometry; draw it, and write a page to turn it around."""
    found = _geometries_of(words)
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from spatialnets.errors import printable
    from spatialnets.report.geometry_page import table_of_facts, write_geometry_page
    from spatialnets.runs.folder import stored

    for name, part in found.items():
        print(f"{name}: measuring", file=sys.stderr, flush=True)
        known = stored(part)
        table = Table(title=name, show_header=False, title_justify="left")
        table.add_column(no_wrap=True)
        table.add_column()
        for row in table_of_facts(part, known):
            table.add_row(*(escape(printable(cell)) for cell in row))
        Console().print(table)
        folder = Path("runs") / f"geometry-{name}" if out is None else out / name if len(found) > 1 else out
        for what, path in write_geometry_page(part, known, name, folder).items():
            print(f"{what}: {path}")


def _geometries_of(words: Sequence[str]) -> dict[str, Geometry]:
    """Return the geometry that the words declare, or those of the experiment that they declare."""
    if not words or any(not word.startswith(("geometry=", "geometry.")) for word in words):
        return dict(experiment_of(words).geometries)
    from spatialnets.errors import DeclarationError
    from spatialnets.experiments.blocks import Builder
    from spatialnets.experiments.declaration import Node, apply_word
    from spatialnets.experiments.resolver import geometry_name

    root, problems = Node({}, "words"), list[str]()
    for word in words:
        root = apply_word(root, word)
    base = root.value["base"].value if isinstance(root.value, dict) else None
    assert isinstance(base, dict)
    part = Builder(problems, {}).build("geometry", base["geometry"], "geometry")
    if problems:
        raise DeclarationError(problems)
    return {geometry_name(part): part}
