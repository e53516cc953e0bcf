"""Blocks of a declaration into parts, and back."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from spatialnets import registry
from spatialnets.errors import UserError, nearest
from spatialnets.experiments.declaration import Node, as_block, plain
from spatialnets.protocols import Analysis, Constraint, Geometry, PerNetwork, RecurrentCore, Regularizer, Task
from spatialnets.training.shard import Training

__all__ = ["FAMILY_OF", "Builder", "block_of", "brief", "is_per_network", "take"]

FAMILY_OF: Mapping[type[Any], str] = {
    Geometry: "geometry",
    Regularizer: "regularizer",
    RecurrentCore: "core",
    Task: "task",
    Constraint: "constraint",
    Analysis: "analysis",
}
UNTRUSTED = (
    "which is not imported because it comes with a run's folder; if you trust whoever made that, give --trust, or in "
    "Python Run.open(folder, trusted=True)"
)
Part = TypeVar("Part")


def _hints(part: Any) -> dict[str, Any]:
    hints = get_type_hints(part, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(part) if field.init}


def is_per_network(hint: Any) -> bool:
    """Tell whether a field may differ between the networks of one ensemble."""
    return hint == PerNetwork


def _family_of_hint(hint: Any) -> str | None:
    """Return the family if a field holds a part, a part or nothing, or a tuple of parts."""
    inner = get_args(hint)[0] if get_origin(hint) is tuple and get_args(hint) else hint
    if get_origin(inner) in (UnionType, Union) and type(None) in get_args(inner):
        others = [other for other in get_args(inner) if other is not type(None)]
        inner = others[0] if len(others) == 1 else inner
    if isinstance(inner, type):
        for base, family in FAMILY_OF.items():
            if issubclass(inner, base):
                return family
    return None


def _record_of_hint(hint: Any) -> type[Any] | None:
    """Return the dataclass if a field holds a tuple of such, which are no parts."""
    inner = get_args(hint)[0] if get_origin(hint) is tuple and get_args(hint) else None
    return inner if isinstance(inner, type) and dataclasses.is_dataclass(inner) else None


class Builder:
    """Builds parts and collects everything that is wrong with their blocks.

    Parameters
    ----------
    problems
        Where mistakes are noted, one line each.
    classes
        Classes that are known here and perhaps nowhere else, by kind.
    trusted
        Whether code that a block names, such as ``module:Class``, is imported; otherwise it is a mistake.
    families
        The families of parts, by the class that their members extend.
    """

    def __init__(
        self,
        problems: list[str],
        classes: Mapping[str, type[Any]],
        trusted: bool = True,
        families: Mapping[type[Any], str] = FAMILY_OF,
    ) -> None:
        self.families = families
        self.problems = problems
        self.noted = 0  # also those already known from another group
        self.classes = classes
        self.trusted = trusted

    def note(self, node: Node, path: str, what: str) -> None:
        """Note a mistake once, although several groups may inherit it."""
        self.noted += 1
        line = f"{node.mark}: {path}: {what}"
        if line not in self.problems:
            self.problems.append(line)

    def class_of(self, family: str, block: Node, path: str) -> type[Any] | None:
        """Return the class a block asks for, or None if there is none."""
        if family == "training":
            return Training
        if not isinstance(block.value, dict):
            self.note(
                block,
                path,
                f"expected the name of {_a(family)} or a mapping with its kind, got {plain(block)!r}",
            )
            return None
        if "kind" not in block.value:
            valid = ", ".join(registry.names(family))
            self.note(block, path, f"which {family}? add kind: one of {valid}")
            return None
        kind = block.value["kind"]
        if not isinstance(kind.value, str):
            self.note(kind, f"{path}.kind", f"expected the name of {_a(family)}, got {plain(kind)!r}")
            return None
        if kind.value not in self.classes and not self._may_import(kind, f"{path}.kind", registry.names(family)):
            return None
        try:
            found = self.classes[kind.value] if kind.value in self.classes else registry.load(family, kind.value)
        except UserError as error:
            self.note(kind, f"{path}.kind", str(error))
            return None
        base = next(base for base, name in self.families.items() if name == family)
        if not (issubclass(found, base) and dataclasses.is_dataclass(found)):
            self.note(
                kind,
                f"{path}.kind",
                f"{found.__name__} is no {family}: expected a dataclass that extends {base.__name__}",
            )
            return None
        return found

    def _may_import(self, node: Node, path: str, safe: Collection[str]) -> bool:
        """Tell whether a name of code may be imported, after noting that it may not."""
        named = isinstance(node.value, str) and ":" in node.value
        if self.trusted or not named or node.value in safe:
            return True
        self.note(node, path, f"this names code, {node.value}, {UNTRUSTED}")
        return False

    def hint(self, family: str, block: Node, path: list[str]) -> Any:
        """Return the type of the field at a path such as ``terms.0.strength`` within a block, or None."""
        found = Builder([], self.classes, self.trusted).class_of(family, as_block(block), "")
        if found is None or not path or path[0] not in _hints(found):
            return None
        hint, rest = _hints(found)[path[0]], path[1:]
        inner = _family_of_hint(hint)
        if not rest or inner is None or not isinstance(block.value, dict):
            return hint if not rest else None
        child = block.value[path[0]]
        if rest[0].isdigit() and isinstance(child.value, list):
            child, rest = child.value[int(rest[0])], rest[1:]
        return self.hint(inner, child, rest)

    def build(self, family: str, block: Node, path: str) -> Any:
        """Return the part of a block, or None after noting what is wrong with it."""
        block = as_block(block)
        found = self.class_of(family, block, path)
        if found is None:
            return None
        return self._made(found, block, path, _kind(block, family), has_kind=family != "training")

    def _made(self, found: type[Any], block: Node, path: str, called: str, has_kind: bool) -> Any:
        """Return a dataclass filled from a block, or None after noting what is wrong with it."""
        if not isinstance(block.value, dict):
            self.note(block, path, f"expected a mapping of {', '.join(_hints(found))}, got {plain(block)!r}")
            return None
        before = self.noted
        values: dict[str, Any] = {}
        hints = _hints(found)
        codes = {
            field.name: field.metadata["imports"] for field in dataclasses.fields(found) if "imports" in field.metadata
        }
        for key, node in block.value.items():
            if key == "kind" and has_kind:
                continue
            if key not in hints:
                self.note(node, f"{path}.{key}", f"unknown key, {nearest(key, hints)} (got {plain(node)!r})")
                continue
            safe = codes.get(key)
            if safe is None or self._may_import(node, f"{path}.{key}", safe):
                values[key] = self._field(hints[key], node, f"{path}.{key}")
        for field in dataclasses.fields(found):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if field.init and required and field.name not in block.value:
                self.note(block, f"{path}.{field.name}", f"is required by {called}")
        if self.noted > before:
            return None
        try:
            return found(**values)
        except (ValueError, TypeError, OSError, UserError) as error:
            self.note(block, path, str(error))
            return None

    def _field(self, hint: Any, node: Node, path: str) -> Any:
        family = _family_of_hint(hint)
        if family is not None and get_origin(hint) is tuple:
            if not isinstance(node.value, list):
                self.note(node, path, f"expected a list of {family} blocks, got {plain(node)!r}")
                return None
            return tuple(self.build(family, item, f"{path}.{place}") for place, item in enumerate(node.value))
        if family is not None:
            optional = type(None) in get_args(hint)
            return None if node.value is None and optional else self.build(family, node, path)
        record = _record_of_hint(hint)
        if record is not None:
            if not isinstance(node.value, list):
                self.note(
                    node, path, f"expected a list of mappings of {', '.join(_hints(record))}, got {plain(node)!r}"
                )
                return None
            called = record.__name__.lower()
            return tuple(
                self._made(record, item, f"{path}.{place}", called, has_kind=False)
                for place, item in enumerate(node.value)
            )
        value = plain(node)
        try:
            return _adapter(hint).validate_json(json.dumps(value), strict=True)
        except ValidationError as error:
            self.note(node, path, f"expected {_expected(error, value)}, got {value!r}")
            return None


def _a(word: str) -> str:
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint)


_WORDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a word",
    "tuple_type": "a list",
    "list_type": "a list",
    "none_required": "null",
    "callable_type": "a function (in Python)",
}


def _expected(error: ValidationError, value: Any) -> str:
    said = []
    for detail in error.errors():
        if detail["type"] == "literal_error":
            valid = [
                word.strip().strip("'") for word in str(detail["ctx"]["expected"]).replace(" or ", ", ").split(",")
            ]
            words = "one of " + ", ".join(valid)
            if isinstance(value, str) and "did you mean" in (hint := nearest(value, valid)):
                words += f" ({hint.partition(' (')[0]})"
        elif detail["type"] in _WORDS:
            place = [str(item) for item in detail["loc"] if isinstance(item, int)]
            words = _WORDS[detail["type"]] + (f" at place {'.'.join(place)}" if place else "")
        else:
            words = detail["msg"][:1].lower() + detail["msg"][1:]
        if words not in said:
            said.append(words)
    if isinstance(value, list) and any(" at place " in words for words in said):
        said = [words for words in said if " at place " in words]
    return " or ".join(said)


def _kind(block: Node, family: str) -> str:
    if isinstance(block.value, dict) and "kind" in block.value:
        return f"{family} {plain(block.value['kind'])}"
    return family


def block_of(part: Any, family: str, kind_of: Callable[[str, type[Any]], str] = registry.name_of) -> dict[str, Any]:
    """Return the block that declares a part, every field written out.

    Raises
    ------
    UserError
        If a field holds what YAML cannot.
    """
    block: dict[str, Any] = {} if family == "training" else {"kind": kind_of(family, type(part))}
    for name, hint in _hints(type(part)).items():
        value, inner = getattr(part, name), _family_of_hint(hint)
        if inner is not None and isinstance(value, tuple):
            block[name] = [block_of(item, inner, kind_of) for item in value]
        elif inner is not None and value is not None:
            block[name] = block_of(value, inner, kind_of)
        else:
            block[name] = _data(value, f"{type(part).__name__}.{name}")
    return block


ALWAYS_SAID = ("source", "shape", "n", "coordinates")


def brief(family: str, block: Mapping[str, Any]) -> str:
    """Say what part a block declares, in words: its kind, and the fields that are not at their default.

    Examples
    --------
    >>> brief("geometry", {"kind": "grid", "shape": [5, 5, 4], "spacing": 1.0, "rescale": "mean"})
    'grid, shape 5 x 5 x 4'
    """
    kind = str(block["kind"])
    defaults: dict[str, Any] = {}
    if kind in registry.names(family):  # to say what a run holds, nothing else is imported
        with contextlib.suppress(UserError):  # of a package that is no longer whole
            defaults = {field.name: field.default for field in dataclasses.fields(registry.load(family, kind))}
    words = [kind.rpartition(":")[2]]
    for key, value in block.items():
        plain_value = tuple(value) if isinstance(value, list) else value
        if key == "kind" or value is None or (plain_value == defaults.get(key) and key not in ALWAYS_SAID):
            continue
        if isinstance(value, list) and len(value) > 4:
            said = f"of {len(value)}"
        elif isinstance(value, list):
            said = " x ".join(map(str, value)) if key == "shape" else ", ".join(map(str, value))
        else:
            said = str(value)
        words.append(f"{key} {said}")
    return ", ".join(words)


def _data(value: Any, path: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [_data(item, path) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _data(item, path) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value):  # a record of such values, which is no part
        return {field.name: _data(getattr(value, field.name), path) for field in dataclasses.fields(value)}
    raise UserError(
        f"{path} holds {type(value).__name__}, which cannot be written to experiment.yaml; "
        "use numbers, words, lists and other parts"
    )


def take(part: Part, networks: slice) -> Part:
    """Return a part for some of its networks: every per-network tuple is cut, in nested parts too."""
    changes: dict[str, Any] = {}
    for name, hint in _hints(type(part)).items():
        value = getattr(part, name)
        if is_per_network(hint) and isinstance(value, tuple):
            changes[name] = value[networks]
        elif _family_of_hint(hint) is not None and value is not None:
            changes[name] = (
                tuple(take(item, networks) for item in value) if isinstance(value, tuple) else take(value, networks)
            )
    return dataclasses.replace(part, **changes) if changes else part  # type: ignore[type-var]
