"""`spatialnets list`."""

from __future__ import annotations

from typing import Annotated

import typer

from spatialnets.errors import UserError, nearest


def list_parts(
    family: Annotated[
        str | None,
        typer.Argument(help="presets, geometry, regularizer, core, constraint, task or analysis; by default all."),
    ] = None,
) -> None:
    """List the presets and parts that are installed."""
    from rich.console import Console
    from rich.table import Table

    from spatialnets import registry
    from spatialnets.experiments.declaration import load_preset, preset_names

    singular = {"geometries": "geometry", "analyses": "analysis", "preset": "presets"}
    wanted = family and singular.get(family, family.removesuffix("s") if family != "presets" else family)
    if wanted not in (None, "presets", *registry.FAMILIES):
        raise UserError(f"no family is called '{family}': {nearest(str(family), ['presets', *registry.FAMILIES])}")
    console = Console()
    if wanted in (None, "presets"):
        table = Table("preset", "what it is", title="presets", title_justify="left", expand=False)
        for name in preset_names():
            content = load_preset(name).value
            assert isinstance(content, dict)
            table.add_row(name, str(content["description"].value) if "description" in content else "")
        console.print(table)
    for known in registry.FAMILIES:
        if wanted in (None, known):
            table = Table("name", "what it is", "from", title=known, title_justify="left")
            for name in registry.names(known):
                summary, _, _ = (registry.load(known, name).__doc__ or "").partition("\n")
                table.add_row(name, summary.split(": :math:")[0].rstrip("."), registry.distribution(known, name))
            console.print(table)
