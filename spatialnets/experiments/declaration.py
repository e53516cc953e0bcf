"""Declarations as written: YAML with the place of every value, laid over each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from spatialnets.errors import DeclarationError, UserError, nearest
from spatialnets.files.limits import plain_text
from spatialnets.files.reading import UnfitFile
from spatialnets.registry import FAMILIES

__all__ = [
    "BLOCKS",
    "ENGINE",
    "PART_FAMILIES",
    "TOP",
    "Node",
    "apply_word",
    "as_block",
    "from_plain",
    "is_axis",
    "load_file",
    "load_preset",
    "merge",
    "parse",
    "plain",
    "preset_names",
]

Value: TypeAlias = "dict[str, Node] | list[Node] | str | int | float | bool | None"

PART_FAMILIES = tuple(family for family in FAMILIES if family not in ("analysis", "constraint", "engine"))
BLOCKS = (*PART_FAMILIES, "training")
TOP = ("name", "description", "extends", "networks", "seed", "base", "groups", "analyses")
AXES = ("linspace", "logspace", "range", "list")
ENGINE = (
    "where networks are computed is no part of an experiment; it belongs on the command line, as in "
    "`spatialnets run my.yaml engine=processes`"
)

# Beyond these somebody is playing with the reader: YAML can say in ten lines what would take a year to write out.
MOST_TEXT = 4 * 2**20
MOST_VALUES = 500_000
MOST_DEPTH = 40
MOST_DIGITS = 400  # the largest float64 has 309
MOST_PROBLEMS = 20  # which are said at once


@dataclass(frozen=True)
class Node:
    """A value and where it was written, such as ``my.yaml:3``."""

    value: Value
    mark: str


class _Loader(yaml.SafeLoader):
    """YAML 1.2: ``1e-3`` is a number, ``no`` a word, ``010`` ten."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


YAML = "tag:yaml.org,2002:"
_PATTERNS = {
    "null": r"(?:null|Null|NULL|~|)$",
    "bool": r"(?:true|True|TRUE|false|False|FALSE)$",
    "int": r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$",
    "float": r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$|[-+]?\.(?:inf|Inf|INF)$|\.(?:nan|NaN|NAN)$",
}
for _tag, _pattern in _PATTERNS.items():
    _Loader.add_implicit_resolver(YAML + _tag, re.compile(_pattern), None)


def _scalar(node: yaml.ScalarNode) -> Value:
    """Return a value.

    Raises
    ------
    ValueError
        If it is none that an experiment can hold; the message says why.
    """
    text = str(node.value)
    kind = node.tag.removeprefix(YAML)
    pattern = _PATTERNS.get(kind)
    if kind == "str":
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError("half of a letter (a lone surrogate) is no text")
        return text
    if pattern is None or not re.match(pattern, text):
        mark = node.tag.replace(YAML, "!!")
        raise ValueError(f"{text[:40]!r} is marked as {mark}, which is not read; leave that out")
    if kind in ("int", "float") and len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits; expected at most {MOST_DIGITS}")
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Conversion:
    """Turns what YAML composed into nodes, and notes what cannot be."""

    def __init__(self, source: str, lines: bool) -> None:
        self.source, self.lines = source, lines
        self.problems: list[str] = []
        self.values = 0

    def mark(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}" if self.lines else self.source

    def node(self, node: yaml.Node, depth: int = 0) -> Node:
        """Return a node, what it refers to written out."""
        mark = self.mark(node)
        self.values += 1
        if self.values > MOST_VALUES:
            raise DeclarationError([f"{mark}: more than {MOST_VALUES:,} values, with references written out"])
        if depth > MOST_DEPTH:
            raise DeclarationError([f"{mark}: more than {MOST_DEPTH} lists or mappings within each other"])
        if isinstance(node, yaml.ScalarNode):
            try:
                return Node(_scalar(node), mark)
            except ValueError as error:
                self.problems.append(f"{mark}: {error}")
                return Node(None, mark)
        if node.tag != YAML + ("map" if isinstance(node, yaml.MappingNode) else "seq"):
            self.problems.append(f"{mark}: {node.tag.replace(YAML, '!!')} is not read; leave that out")
            return Node(None, mark)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(item, depth + 1) for item in node.value], mark)
        content: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{mark}: a key must be a word, not a list or mapping")
                continue
            key, where = str(key_node.value), self.mark(key_node)
            if key in content:
                self.problems.append(f"{where}: '{key}' is given twice (first at {content[key].mark})")
            else:
                content[key] = Node(self.node(value_node, depth + 1).value, where)
        return Node(content, mark)


def parse(text: str, source: str, lines: bool = True) -> Node:
    """Parse YAML 1.2, as data: a tag such as ``!!python/object`` is refused.

    Raises
    ------
    DeclarationError
        If it is no YAML, a key is given twice, or references make it larger or deeper than any declaration.
    """
    if len(text) > MOST_TEXT:
        raise DeclarationError([f"{source}: {len(text):,} letters; expected at most {MOST_TEXT:,}"])
    try:
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        where = f"{source}:{line}" if lines else source
        raise DeclarationError([f"{where}: this is no YAML: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise DeclarationError([f"{source}: this is no YAML: {' '.join(str(error).split())}"]) from error
    except RecursionError:
        raise DeclarationError([f"{source}: more than {MOST_DEPTH} lists or mappings within each other"]) from None
    if root is None:
        return Node(None, source)
    conversion = _Conversion(source, lines)
    node = conversion.node(root)
    if conversion.problems:
        raise DeclarationError(conversion.problems[:MOST_PROBLEMS])
    return node


def plain(node: Node) -> Any:
    """Return the values without their places."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [plain(value) for value in node.value]
    return node.value


def from_plain(data: Any, mark: str) -> Node:
    """Give all values the same place."""
    if isinstance(data, Mapping):
        return Node({str(key): from_plain(value, mark) for key, value in data.items()}, mark)
    if isinstance(data, (list, tuple)):
        return Node([from_plain(value, mark) for value in data], mark)
    return Node(data, mark)


# Files and presets


def load_file(path: Path, seen: tuple[Path, ...] = ()) -> Node:
    """Load a file with everything it extends laid under it.

    Raises
    ------
    DeclarationError
        If it cannot be read or parsed, or extends itself.
    """
    try:
        text = plain_text(path, MOST_TEXT)
    except UnfitFile as error:
        raise DeclarationError([str(error)]) from error
    return _extended(parse(text, str(path)), path, seen)


def load_preset(name: str, seen: tuple[Path, ...] = ()) -> Node:
    """Load a preset that comes with the toolkit."""
    if name not in preset_names():
        raise UserError(f"no preset is called '{name}': {nearest(name, preset_names())}")
    path = Path(str(files("spatialnets.presets").joinpath(f"{name}.yaml")))
    return _extended(parse(path.read_text(encoding="utf-8"), f"preset {name}"), path, seen)


def preset_names() -> tuple[str, ...]:
    """Return the names of all presets."""
    return tuple(
        sorted(entry.name[:-5] for entry in files("spatialnets.presets").iterdir() if entry.name.endswith(".yaml"))
    )


def _extended(node: Node, path: Path, seen: tuple[Path, ...]) -> Node:
    if not isinstance(node.value, dict):
        what = "it is empty" if node.value is None else "not a single value or list"
        raise DeclarationError([f"{node.mark}: an experiment is a mapping of keys such as base and groups; {what}"])
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
            raise UserError(f"no preset is called '{parent.value}': {nearest(parent.value, preset_names())}")
    except UserError as error:
        raise DeclarationError([f"{parent.mark}: extends: {line}" for line in str(error).splitlines()]) from error
    return merge(below, rest)


# Laying over


def is_axis(node: Node) -> bool:
    """Tell whether a value stands for several, such as ``{linspace: [0, 1]}``."""
    return isinstance(node.value, dict) and len(node.value) == 1 and next(iter(node.value)) in AXES


def merge(below: Node, above: Node, family: str = "") -> Node:
    """Lay one declaration over another.

    Mappings merge; lists and axes replace; a part of another kind replaces the whole part, because its fields mean
    nothing to the new kind.
    """
    if family in PART_FAMILIES:
        below, above = as_block(below), as_block(above)
    if not (isinstance(below.value, dict) and isinstance(above.value, dict)) or is_axis(below) or is_axis(above):
        return above
    kind = above.value.get("kind")
    if family and kind is not None and ("kind" not in below.value or below.value["kind"].value != kind.value):
        return above
    merged = dict(below.value)
    for key, value in above.value.items():
        inner = key if key in BLOCKS and not family else ""
        merged[key] = merge(merged[key], value, inner) if key in merged else value
    return Node(merged, above.mark)


def as_block(node: Node) -> Node:
    """Write a bare word as a part: ``sphere`` is ``{kind: sphere}``."""
    if isinstance(node.value, str):
        return Node({"kind": node}, node.mark)
    return node


# Words


def apply_word(root: Node, word: str) -> Node:
    """Lay a word such as ``training.epochs=3`` over a declaration.

    A family that stands alone (``geometry=sphere``, ``regularizer.strength=0.3``) is set in the base and in every group
    that sets it.

    Raises
    ------
    DeclarationError
        If it is no ``key=value``, or the key leads nowhere.
    """
    key, equals, text = word.partition("=")
    mark = f"word '{word}'"
    if not equals or not key:
        raise DeclarationError([f"{mark}: expected key=value, such as networks=16 or geometry=sphere"])
    path = key.strip().split(".")
    value = _word_value(text, mark)
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
            raise DeclarationError([f"{mark}: no group is called '{path[1]}': {nearest(path[1], named)}"])
        if len(path) == 2 and value.value is None:
            rest = {name: group for name, group in named.items() if name != path[1]}
            return Node({**content, "groups": Node(rest, mark)}, root.mark)
    return _set(root, path, value, mark)


def _word_value(text: str, mark: str) -> Node:
    call = re.fullmatch(rf"\s*({'|'.join(AXES)})\((.*)\)\s*", text)
    return parse(f"{{{call[1]}: [{call[2]}]}}" if call else text, mark, lines=False)


def _set(node: Node, path: list[str], value: Node, mark: str) -> Node:
    above = value
    for key in reversed(path):
        above = Node({key: above}, mark)
    return merge(node, above)
