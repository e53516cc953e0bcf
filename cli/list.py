"""`spatialnets list`."""

from __future__ import annotations

from typing import Annotated

from spatialnets.cli.arguments import argument
from spatialnets.errors import UserError, nearest


def list_components(
    family: Annotated[str | None, argument("FAMILY", "presets, or a family such as geometry; by default all.")] = None,
) -> None:
    """List the installed presets and components, and the package of each."""
    from rich.console import Console
    from rich.table import Table

    from spatialnets import registry
    from spatialnets.experiments.declaration import load_preset, preset_names

    singular = {"geometries": "geometry", "analyses": "analysis", "preset": "presets", "presets": "presets"}
    wanted = family and singular.get(family, family.removesuffix("s"))
    if wanted not in (None, "presets", *registry.FAMILIES):
        raise UserError(f"there is no family '{family}': {nearest(str(family), ['presets', *registry.FAMILIES])}")
    console = Console()
    if wanted in (None, "presets"):
        table = Table("preset", "description", title="presets", title_justify="left", expand=False)
        for name in preset_names():
            content = load_preset(name).value
            assert isinstance(content, dict)
            table.add_row(name, str(content["description"].value) if "description" in content else "")
        console.print(table)
    for each in registry.FAMILIES:
        if wanted in (None, each):
            table = Table("name", "description", "package", title=each, title_justify="left")
            for name in registry.names(each):
                summary, _, _ = (registry.load(each, name).__doc__ or "").partition("\n")
                table.add_row(name, summary.split(": :math:")[0].rstrip("."), registry.distribution(each, name))
            console.print(table)
