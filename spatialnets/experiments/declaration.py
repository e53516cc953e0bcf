"""Declarations of experiments: files, presets and overrides, merged into one."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

from spatialnets.errors import DeclarationError, UserError, nearest
from spatialnets.files.limits import plain_text
from spatialnets.files.reading import InvalidFile
from spatialnets.files.yaml_nodes import MAX_CHARACTERS, Node, Value, parse, plain
from spatialnets.registry import FAMILIES, canonical

__all__ = [
    "AXES",
    "BLOCKS",
    "ENGINE",
    "GROUP",
    "NAME",
    "PART_FAMILIES",
    "TOP",
    "apply_override",
    "as_block",
    "is_axis",
    "load_file",
    "load_preset",
    "merge",
    "preset_names",
]

PART_FAMILIES = tuple(family for family in FAMILIES if family not in ("analysis", "constraint", "engine"))
BLOCKS = (*PART_FAMILIES, "training")
TOP = ("name", "description", "extends", "networks", "seed", "base", "groups", "analyses")
AXES = ("linspace", "logspace", "range", "list")
ENGINE = (
    "the engine is not part of an experiment; give it on the command line, as in "
    "`spatialnets run my.yaml engine=processes`"
)

NAME = r"[A-Za-z0-9][\w.-]{0,99}"
"""Pattern of the names of experiments and geometries, which are valid names of files on every system."""

GROUP = r"[A-Za-z][\w-]{0,99}"
"""Pattern of the names of groups."""


def load_file(path: Path, seen: tuple[Path, ...] = ()) -> Node:
    """Load a declaration from a file, merged over the declarations that it extends.

    Raises
    ------
    DeclarationError
        If the file cannot be read or parsed, or extends itself.
    """
    try:
        text = plain_text(path, MAX_CHARACTERS)
    except InvalidFile as error:
        raise DeclarationError([str(error)]) from error
    return _extended(parse(text, str(path)), path, seen)


def load_preset(name: str, seen: tuple[Path, ...] = ()) -> Node:
    """Load a preset of the toolkit."""
    if name not in preset_names():
        raise UserError(f"there is no preset '{name}': {nearest(name, preset_names())}")
    path = Path(str(files("spatialnets.presets").joinpath(f"{name}.yaml")))
    return _extended(parse(path.read_text(encoding="utf-8"), f"preset {name}"), path, seen)


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(
        sorted(entry.name[:-5] for entry in files("spatialnets.presets").iterdir() if entry.name.endswith(".yaml"))
    )


def _extended(node: Node, path: Path, seen: tuple[Path, ...]) -> Node:
    if not isinstance(node.value, dict):
        what = "this file is empty" if node.value is None else "this is a single value or a list"
        raise DeclarationError([f"{node.mark}: {what}; expected a mapping with keys such as base and groups"])
    if "extends" not in node.value:
        return node
    parent, here = node.value["extends"], (*seen, path.resolve())
    rest = Node({key: value for key, value in node.value.items() if key != "extends"}, node.mark)
    if not isinstance(parent.value, str):
        raise DeclarationError([f"{parent.mark}: extends: expected a preset or a file, not {plain(parent)!r}"])
    beside = path.parent / parent.value
    try:
        if parent.value in preset_names():
            below = load_preset(parent.value, here)
        elif beside.resolve() in here:
            raise DeclarationError(["it extends itself"])
        elif beside.suffix in (".yaml", ".yml"):
            below = load_file(beside, here)
        else:
            raise UserError(f"there is no preset '{parent.value}': {nearest(parent.value, preset_names())}")
    except UserError as error:
        raise DeclarationError([f"{parent.mark}: extends: {line}" for line in str(error).splitlines()]) from error
    return merge(below, rest)


def is_axis(node: Node) -> bool:
    """Tell whether a value is an axis, such as ``{linspace: [0, 1]}``."""
    return isinstance(node.value, dict) and len(node.value) == 1 and next(iter(node.value)) in AXES


def merge(below: Node, above: Node, family: str = "") -> Node:
    """Merge a declaration over another.

    Mappings are merged; lists and axes replace. A component of another kind replaces the whole component, because its
    fields have other meanings.
    """
    if family in PART_FAMILIES:
        below, above = as_block(below), as_block(above)
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)) or is_axis(below) or is_axis(above):
        return above
    if family and "kind" in above.value and _kind(above, family) != _kind(below, family):
        return above
    merged = dict(below.value)
    for key, value in above.value.items():
        inner = key if key in BLOCKS and not family else ""
        merged[key] = merge(merged[key], value, inner) if key in merged else value
    return Node(merged, above.mark)


def _kind(block: Node, family: str) -> Value:
    """Return the kind of a block, with aliases resolved; None if it has none."""
    assert isinstance(block.value, dict)
    kind = block.value["kind"].value if "kind" in block.value else None
    return canonical(family, kind) if isinstance(kind, str) else kind


def as_block(node: Node) -> Node:
    """Write a bare name as a component: ``sphere`` means ``{kind: sphere}``."""
    if isinstance(node.value, str):
        return Node({"kind": node}, node.mark)
    return node


def apply_override(root: Node, override: str) -> Node:
    """Apply an override such as ``training.epochs=3`` to a declaration.

    A family without a group (``geometry=sphere``, ``regularizer.strength=0.3``) is set in the base and in every group
    that sets it.

    Raises
    ------
    DeclarationError
        If the override is not ``key=value``, or its key does not exist.
    """
    key, equals, text = override.partition("=")
    mark = f"override '{override}'"
    if not equals or not key:
        raise DeclarationError([f"{mark}: expected key=value, such as networks=16 or geometry=sphere"])
    path = key.strip().split(".")
    value = _override_value(text, mark)
    assert isinstance(root.value, dict)
    content = dict(root.value)
    first = path[0]
    groups = content.get("groups")
    named = groups.value if groups is not None and isinstance(groups.value, dict) else {}
    if first in BLOCKS:
        holders = [name for name, group in named.items() if isinstance(group.value, dict) and first in group.value]
        base = content.get("base", Node({}, mark))
        if not holders or (isinstance(base.value, dict) and first in base.value):
            content["base"] = _set(base, path, value, mark)
        if holders:
            content["groups"] = Node(
                {name: _set(group, path, value, mark) if name in holders else group for name, group in named.items()},
                mark,
            )
        return Node(content, root.mark)
    if first == "engine":
        raise DeclarationError([f"{mark}: {ENGINE}"])
    if first not in TOP or first == "extends":
        valid = [*BLOCKS, *(name for name in TOP if name != "extends")]
        raise DeclarationError([f"{mark}: unknown key '{first}': {nearest(first, valid)}"])
    if first == "groups" and len(path) > 1:
        if path[1] not in named:
            raise DeclarationError([f"{mark}: there is no group '{path[1]}': {nearest(path[1], named)}"])
        if len(path) == 2 and value.value is None:
            rest = {name: group for name, group in named.items() if name != path[1]}
            return Node({**content, "groups": Node(rest, mark)}, root.mark)
    return _set(root, path, value, mark)


def _override_value(text: str, mark: str) -> Node:
    call = re.fullmatch(rf"\s*({'|'.join(AXES)})\((.*)\)\s*", text)
    return parse(f"{{{call[1]}: [{call[2]}]}}" if call else text, mark, lines=False)


def _set(node: Node, path: list[str], value: Node, mark: str) -> Node:
    above = value
    for key in reversed(path):
        above = Node({key: above}, mark)
    return merge(node, above)
