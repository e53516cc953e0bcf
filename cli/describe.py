"""`spatialnets describe`."""

from __future__ import annotations

from typing import Annotated

import typer

from spatialnets.errors import UserError, nearest


def describe(
    name: Annotated[str, typer.Argument(help="A part or preset, such as grid or sernn_paper; or family:name.")],
) -> None:
    """Print what a part does and which fields it has, or what a preset declares."""
    import dataclasses
    import inspect

    from spatialnets import registry
    from spatialnets.experiments.declaration import preset_names

    family, _, word = name.rpartition(":")
    if family in ("", "preset") and word in preset_names():
        _describe_preset(word)
        return
    found = [known for known in registry.FAMILIES if word in registry.names(known) and family in ("", known)]
    if not found:
        every = [part for known in registry.FAMILIES for part in registry.names(known)]
        raise UserError(f"nothing is called '{name}': {nearest(word, [*every, *preset_names()])}")
    if len(found) > 1:
        raise UserError(f"'{name}' is in several families: write {' or '.join(f'{known}:{word}' for known in found)}")
    part = registry.load(found[0], word)
    print(f"{word} ({found[0]}, {part.__module__}.{part.__qualname__})\n")
    print(inspect.getdoc(part) or "")
    print("\nFields")
    for field in dataclasses.fields(part):
        if field.init:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            kind = str(field.type).replace("PerNetwork", "number, or one per network")
            print(f"  {field.name}: {kind}" + (" (required)" if required else f" = {field.default!r}"))


def _describe_preset(name: str) -> None:
    from importlib.resources import files

    print(files("spatialnets.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
