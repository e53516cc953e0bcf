"""`spatialnets new`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def new(
    family: Annotated[
        str, typer.Argument(help="geometry, regularizer, core, constraint, task or analysis.", show_default=False)
    ],
    name: Annotated[str, typer.Argument(help="Of the part, such as my-helix.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the package; by default NAME-package here.")
    ] = None,
) -> None:
    """Begin a package with a part of your own: one that works, its metadata and its test."""
    from spatialnets.templates import part_name, write_package

    folder = Path(f"{part_name(family, name).replace('_', '-')}-package") if out is None else out
    for path in write_package(family, name, folder):
        print(path)
    print(f"next: cd {folder} && pip install -e '.[test]' && pytest")
