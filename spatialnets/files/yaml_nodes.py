"""YAML parsed into plain data in which every value knows its file and line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from spatialnets.errors import DeclarationError

__all__ = ["MAX_CHARACTERS", "Node", "Value", "from_plain", "parse", "plain"]

Value: TypeAlias = "dict[str, Node] | list[Node] | tuple[float, ...] | str | int | float | bool | None"
"""A tuple holds one number for each network; no file contains one."""

# Limits against malicious files: ten lines of YAML can expand to more than any memory holds.
MAX_CHARACTERS = 4 * 2**20
MAX_VALUES = 500_000
MAX_DEPTH = 40
MAX_DIGITS = 400  # the largest float64 has 309
MAX_PROBLEMS = 20  # reported at once


@dataclass(frozen=True)
class Node:
    """A value and the place where it was written, such as ``my.yaml:3``."""

    value: Value
    mark: str


class _Loader(yaml.SafeLoader):
    """YAML 1.2: ``1e-3`` is a number, ``no`` is a string, and ``010`` is ten."""

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
    """Return the value of a scalar.

    Raises
    ------
    ValueError
        If an experiment cannot hold it.
    """
    text = str(node.value)
    kind = node.tag.removeprefix(YAML)
    pattern = _PATTERNS.get(kind)
    if kind == "str":
        if any("\ud800" <= letter <= "\udfff" for letter in text):
            raise ValueError("the text contains an incomplete character (a lone surrogate)")
        return text
    if pattern is None or not re.match(pattern, text):
        mark = node.tag.replace(YAML, "!!")
        raise ValueError(f"{text[:40]!r} has the tag {mark}, which is not supported; remove the tag")
    if kind in ("int", "float") and len(text) > MAX_DIGITS:
        raise ValueError(f"a number of {len(text):,} digits; expected at most {MAX_DIGITS}")
    match kind:
        case "null":
            return None
        case "bool":
            return text.lower() == "true"
        case "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Conversion:
    """Converts composed YAML into nodes and collects mistakes."""

    def __init__(self, source: str, lines: bool) -> None:
        self.source, self.lines = source, lines
        self.problems: list[str] = []
        self.values = 0

    def mark(self, node: yaml.Node) -> str:
        return f"{self.source}:{node.start_mark.line + 1}" if self.lines else self.source

    def node(self, node: yaml.Node, depth: int = 0) -> Node:
        """Return a node, with references expanded."""
        mark = self.mark(node)
        self.values += 1
        if self.values > MAX_VALUES:
            raise DeclarationError([f"{mark}: more than {MAX_VALUES:,} values after expanding references"])
        if depth > MAX_DEPTH:
            raise DeclarationError([f"{mark}: lists or mappings are nested more than {MAX_DEPTH} deep"])
        if isinstance(node, yaml.ScalarNode):
            try:
                return Node(_scalar(node), mark)
            except ValueError as error:
                self.problems.append(f"{mark}: {error}")
                return Node(None, mark)
        if node.tag != YAML + ("map" if isinstance(node, yaml.MappingNode) else "seq"):
            self.problems.append(f"{mark}: the tag {node.tag.replace(YAML, '!!')} is not supported; remove it")
            return Node(None, mark)
        if isinstance(node, yaml.SequenceNode):
            return Node([self.node(item, depth + 1) for item in node.value], mark)
        content: dict[str, Node] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(f"{mark}: a key must be a string, not a list or mapping")
                continue
            key, where = str(key_node.value), self.mark(key_node)
            if key in content:
                self.problems.append(f"{where}: '{key}' is given twice (first at {content[key].mark})")
            else:
                content[key] = Node(self.node(value_node, depth + 1).value, where)
        return Node(content, mark)


def parse(text: str, source: str, lines: bool = True) -> Node:
    """Parse YAML 1.2 as plain data; tags such as ``!!python/object`` are refused.

    Raises
    ------
    DeclarationError
        If the text is not valid YAML, gives a key twice, or is too large or too deeply nested.
    """
    if len(text) > MAX_CHARACTERS:
        raise DeclarationError([f"{source}: {len(text):,} characters; expected at most {MAX_CHARACTERS:,}"])
    try:
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        where = f"{source}:{line}" if lines else source
        raise DeclarationError([f"{where}: not valid YAML: {error.problem or error.context}"]) from error
    except yaml.YAMLError as error:
        raise DeclarationError([f"{source}: not valid YAML: {' '.join(str(error).split())}"]) from error
    except RecursionError:
        raise DeclarationError([f"{source}: lists or mappings are nested more than {MAX_DEPTH} deep"]) from None
    if root is None:
        return Node(None, source)
    conversion = _Conversion(source, lines)
    node = conversion.node(root)
    if conversion.problems:
        raise DeclarationError(conversion.problems[:MAX_PROBLEMS])
    return node


def plain(node: Node) -> Any:
    """Return the values of a node without their places."""
    if isinstance(node.value, dict):
        return {key: plain(value) for key, value in node.value.items()}
    if isinstance(node.value, list):
        return [plain(value) for value in node.value]
    return node.value


def from_plain(data: Any, mark: str) -> Node:
    """Return plain data as a node whose values all have the same place."""
    if isinstance(data, Mapping):
        return Node({str(key): from_plain(value, mark) for key, value in data.items()}, mark)
    if isinstance(data, (list, tuple)):
        return Node([from_plain(value, mark) for value in data], mark)
    return Node(data, mark)
