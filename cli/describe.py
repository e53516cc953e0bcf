"""`spatialnets describe`."""

from __future__ import annotations

from typing import Annotated

from spatialnets.cli.arguments import argument
from spatialnets.errors import UserError, nearest


def describe(
    name: Annotated[str, argument("NAME", "A component or preset, such as grid or sernn_paper; or FAMILY:NAME.")],
) -> None:
    """Describe a component and its fields with their defaults, or print the YAML of a preset."""
    import dataclasses
    import inspect

    from spatialnets import registry
    from spatialnets.experiments.declaration import preset_names

    family, _, word = name.rpartition(":")
    if family in ("", "preset") and word in preset_names():
        _print_preset(word)
        return
    families = [each for each in registry.FAMILIES if word in registry.names(each) and family in ("", each)]
    if not families:
        valid = {*preset_names(), *(each for family in registry.FAMILIES for each in registry.names(family))}
        raise UserError(f"there is no component or preset '{name}': {nearest(word, valid)}")
    if len(families) > 1:
        raise UserError(f"'{name}' is in several families: write {' or '.join(f'{each}:{word}' for each in families)}")
    component = registry.load(families[0], word)
    print(f"{word} ({families[0]}, {component.__module__}.{component.__qualname__})\n")
    print(inspect.getdoc(component) or "")
    print("\nFields")
    for field in dataclasses.fields(component):
        if field.init:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            kind = str(field.type).replace("PerNetwork", "number, or one per network")
            print(f"  {field.name}: {kind}" + (" (required)" if required else f" = {field.default!r}"))


def _print_preset(name: str) -> None:
    from importlib.resources import files

    print(files("spatialnets.presets").joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
