"""`spatialnets new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.arguments import argument


def new(
    family: Annotated[str, argument("FAMILY", "geometry, regularizer, core, constraint, task, analysis or engine.")],
    name: Annotated[str, argument("NAME", "Name of the component, such as my-helix.")],
    out: Annotated[Path | None, typer.Option("--out", help="Folder to create; by default NAME-package.")] = None,
) -> None:
    """Write a package with a component of your own to start from: working code, metadata and a test."""
    from spatialnets.templates import component_name, write_package

    folder = Path(f"{component_name(family, name).replace('_', '-')}-package") if out is None else out
    for path in write_package(family, name, folder):
        print(path)
    print(f"next: cd {folder} && pip install -e '.[test]' && pytest")
