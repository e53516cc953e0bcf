"""Blocks of a declaration: from a mapping to a checked component, and back."""

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
from spatialnets.aliases import PerNetwork
from spatialnets.errors import UserError, nearest
from spatialnets.experiments.declaration import as_block, is_axis
from spatialnets.files.yaml_nodes import Node, from_plain, plain
from spatialnets.protocols import Analysis, Constraint, Geometry, RecurrentCore, Regularizer, Task
from spatialnets.training.settings import Training

__all__ = ["FAMILY_OF", "Builder", "block_of", "brief", "identity", "is_per_network", "select_networks"]

FAMILY_OF: Mapping[type[Any], str] = {
    Geometry: "geometry",
    Regularizer: "regularizer",
    RecurrentCore: "core",
    Task: "task",
    Constraint: "constraint",
    Analysis: "analysis",
}
FIELD_ALIASES = {"penalized_gates": "paying_gates"}
"""Other spellings of fields that are accepted in a declaration."""

UNTRUSTED = (
    "which is not imported because it comes with a run folder; if you trust its author, give --trust, or in Python "
    "Run.open(folder, trusted=True)"
)
Part = TypeVar("Part")


@cache
def _hints(part: Any) -> dict[str, Any]:
    hints = get_type_hints(part, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(part) if field.init}


def is_per_network(hint: Any) -> bool:
    """Tell whether a field may differ between the networks of one ensemble."""
    return hint == PerNetwork


def _family_of_hint(hint: Any) -> str | None:
    """Return the family if a field holds a component, an optional component or a tuple of components."""
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
    """Return the dataclass if a field holds a tuple of dataclasses that are not components."""
    inner = get_args(hint)[0] if get_origin(hint) is tuple and get_args(hint) else None
    return inner if isinstance(inner, type) and dataclasses.is_dataclass(inner) else None


class _Mistake(Exception):
    """A mistake in a block, with the node and the path within the block where it is."""

    def __init__(self, node: Node, path: str, message: str) -> None:
        super().__init__(message)
        self.node, self.path = node, path


class Builder:
    """Builds components from blocks and collects all mistakes.

    Parameters
    ----------
    problems
        List to which mistakes are added, one line each.
    classes
        Additional classes by kind, which need not be registered.
    trusted
        Whether code that a block names, such as ``module:Class``, is imported; otherwise naming it is a mistake.
    families
        The families of components, by their base class.
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
        self.noted = 0  # including repetitions of mistakes that another group inherits, too
        self.classes = classes
        self.trusted = trusted

    def note(self, node: Node, path: str, message: str) -> None:
        """Add a mistake, unless it is listed already because several groups inherit it."""
        self.noted += 1
        line = f"{node.mark}: {path}: {message}"
        if line not in self.problems:
            self.problems.append(line)

    def class_of(self, family: str, block: Node, path: str) -> type[Any] | None:
        """Return the class of a block, or None after noting why there is none."""
        try:
            return self._class(family, block)
        except _Mistake as mistake:
            self.note(mistake.node, path + mistake.path, str(mistake))
            return None

    def _class(self, family: str, block: Node) -> type[Any]:
        if family == "training":
            return Training
        if not isinstance(block.value, dict):
            raise _Mistake(
                block, "", f"expected {_a(family)} by name or as a mapping with its kind, got {plain(block)!r}"
            )
        if "kind" not in block.value:
            raise _Mistake(block, "", f"kind is missing; expected one of {', '.join(registry.names(family))}")
        kind = block.value["kind"]
        if not isinstance(kind.value, str):
            raise _Mistake(kind, ".kind", f"expected the name of {_a(family)}, got {plain(kind)!r}")
        if kind.value in self.classes:
            component = self.classes[kind.value]
        else:
            self._require_trust(kind, ".kind", registry.names(family))
            try:
                component = registry.load(family, kind.value)
            except UserError as error:
                raise _Mistake(kind, ".kind", str(error)) from error
        base = next(base for base, name in self.families.items() if name == family)
        if not (issubclass(component, base) and dataclasses.is_dataclass(component)):
            raise _Mistake(
                kind,
                ".kind",
                f"{component.__name__} is not {_a(family)}: expected a dataclass that extends {base.__name__}",
            )
        return component

    def _require_trust(self, node: Node, path: str, safe: Collection[str]) -> None:
        if not self.trusted and isinstance(node.value, str) and ":" in node.value and node.value not in safe:
            raise _Mistake(node, path, f"this names code, {node.value}, {UNTRUSTED}")

    def hint(self, family: str, block: Node, path: list[str]) -> Any:
        """Return the type of the field at a path such as ``terms.0.strength`` within a block, or None."""
        try:
            component = self._class(family, as_block(block))
        except _Mistake:
            return None
        if not path or path[0] not in _hints(component):
            return None
        hint, rest = _hints(component)[path[0]], path[1:]
        inner = _family_of_hint(hint)
        if not rest or inner is None or not isinstance(block.value, dict):
            return hint if not rest else None
        child = block.value[path[0]]
        if rest[0].isdigit() and isinstance(child.value, list):
            child, rest = child.value[int(rest[0])], rest[1:]
        return self.hint(inner, child, rest)

    def build(self, family: str, block: Node, path: str) -> Any:
        """Return the component that a block declares, or None after noting its mistakes."""
        block = as_block(block)
        component = self.class_of(family, block, path)
        if component is None:
            return None
        return self._instance(component, block, path, _kind(block, family), has_kind=family != "training")

    def _instance(self, component: type[Any], block: Node, path: str, name: str, has_kind: bool) -> Any:
        """Return an instance of a dataclass with the values of a block, or None after noting its mistakes."""
        if not isinstance(block.value, dict):
            self.note(block, path, f"expected a mapping with {', '.join(_hints(component))}, got {plain(block)!r}")
            return None
        before = self.noted
        values: dict[str, Any] = {}
        hints = _hints(component)
        imports = {
            field.name: field.metadata["imports"]
            for field in dataclasses.fields(component)
            if "imports" in field.metadata
        }
        for key, node in block.value.items():
            if key == "kind" and has_kind:
                continue
            if key not in hints:
                key = FIELD_ALIASES.get(key, key)
            if key in values:
                self.note(node, f"{path}.{key}", "is given twice, under two names")
            if key not in hints:
                self.note(node, f"{path}.{key}", f"unknown key: {nearest(key, hints)} (got {plain(node)!r})")
                continue
            try:
                if key in imports:
                    self._require_trust(node, "", imports[key])
                values[key] = self._field(hints[key], node, f"{path}.{key}")
            except _Mistake as mistake:
                self.note(node, f"{path}.{key}", str(mistake))
        for field in dataclasses.fields(component):
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if field.init and required and field.name not in {*block.value, *values}:
                self.note(block, f"{path}.{field.name}", f"is required by {name}")
        if self.noted > before:
            return None
        try:
            return component(**values)
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
                    node, path, f"expected a list of mappings with {', '.join(_hints(record))}, got {plain(node)!r}"
                )
                return None
            name = record.__name__.lower()
            return tuple(
                self._instance(record, item, f"{path}.{place}", name, has_kind=False)
                for place, item in enumerate(node.value)
            )
        value = plain(node)
        if isinstance(value, tuple) and is_per_network(hint):  # numbers, one for each network
            return value
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


_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a string",
    "tuple_type": "a list",
    "list_type": "a list",
    "none_required": "null",
    "callable_type": "a function (in Python)",
}


def _expected(error: ValidationError, value: Any) -> str:
    expectations: list[str] = []
    for detail in error.errors():
        if detail["type"] == "literal_error":
            valid = [
                word.strip().strip("'") for word in str(detail["ctx"]["expected"]).replace(" or ", ", ").split(",")
            ]
            text = "one of " + ", ".join(valid)
            if isinstance(value, str) and "did you mean" in (hint := nearest(value, valid)):
                text += f" ({hint.partition(' (')[0]})"
        elif detail["type"] in _TYPES:
            place = [str(item) for item in detail["loc"] if isinstance(item, int)]
            text = _TYPES[detail["type"]] + (f" at index {'.'.join(place)}" if place else "")
        else:
            text = detail["msg"][:1].lower() + detail["msg"][1:]
        if text not in expectations:
            expectations.append(text)
    if isinstance(value, list) and any(" at index " in text for text in expectations):
        expectations = [text for text in expectations if " at index " in text]
    return " or ".join(expectations)


def _kind(block: Node, family: str) -> str:
    if isinstance(block.value, dict) and "kind" in block.value:
        return f"{family} {plain(block.value['kind'])}"
    return family


def block_of(part: Any, family: str, kind_of: Callable[[str, type[Any]], str] = registry.name_of) -> dict[str, Any]:
    """Return the block that declares a component, with every field written out.

    Raises
    ------
    UserError
        If a field holds a value that YAML cannot represent.
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


def identity(family: str, block: Any, classes: Mapping[str, type[Any]]) -> Any:
    """Return the part of a block that identifies an experiment.

    A field that was added to a component later, ``field(default=…, metadata={"added": "0.2"})``, is left out while it
    stands at its default, so that experiments keep their hash.

    Parameters
    ----------
    family
        The family of the component, or ``"training"``.
    block
        A block as `block_of` returns it; values may be axes.
    classes
        Classes that are not registered, by kind.
    """
    if isinstance(block, dict) and is_axis(from_plain(block, "")):
        return {
            key: [identity(family, item, classes) for item in items] if isinstance(items, list) else items
            for key, items in block.items()
        }
    if not isinstance(block, dict) or not (family == "training" or "kind" in block):
        return block
    kind = "" if family == "training" else block["kind"]
    component = Training if family == "training" else classes.get(kind) or registry.load(family, kind)
    hints = _hints(component)
    added = {
        field.name: _data(field.default, field.name)
        for field in dataclasses.fields(component)
        if "added" in field.metadata
    }
    kept = {key: value for key, value in block.items() if key not in added or value != added[key]}
    for key, value in kept.items():
        inner = _family_of_hint(hints.get(key))
        if inner is not None and isinstance(value, list):
            kept[key] = [identity(inner, item, classes) for item in value]
        elif inner is not None:
            kept[key] = identity(inner, value, classes)
    return kept


ALWAYS_SHOWN = ("source", "shape", "n", "coordinates")


def brief(family: str, block: Mapping[str, Any]) -> str:
    """Summarize the component that a block declares: its kind, and the fields that are not at their default.

    Examples
    --------
    >>> brief("geometry", {"kind": "grid", "shape": [5, 5, 4], "spacing": 1.0, "rescale": "mean"})
    'grid, shape 5 x 5 x 4'
    """
    kind = str(block["kind"])
    defaults: dict[str, Any] = {}
    if kind in registry.names(family):  # nothing else is imported merely to describe a run
        with contextlib.suppress(UserError):  # a package that is no longer complete
            defaults = {field.name: field.default for field in dataclasses.fields(registry.load(family, kind))}
    words = [kind.rpartition(":")[2]]
    for key, value in block.items():
        plain_value = tuple(value) if isinstance(value, list) else value
        if key == "kind" or value is None or (plain_value == defaults.get(key) and key not in ALWAYS_SHOWN):
            continue
        if isinstance(value, list) and len(value) > 4:
            text = f"of {len(value)}"
        elif isinstance(value, list):
            text = " x ".join(map(str, value)) if key == "shape" else ", ".join(map(str, value))
        else:
            text = str(value)
        words.append(f"{key} {text}")
    return ", ".join(words)


def _data(value: Any, path: str) -> Any:
    if isinstance(value, (list, tuple)):
        return [item if type(item) is float else _data(item, path) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _data(item, path) for key, item in value.items()}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if dataclasses.is_dataclass(value):  # a record, which is not a component
        return {field.name: _data(getattr(value, field.name), path) for field in dataclasses.fields(value)}
    raise UserError(
        f"{path} holds {type(value).__name__}, which cannot be written to experiment.yaml; "
        "use numbers, strings, lists and components"
    )


def select_networks(part: Part, networks: slice) -> Part:
    """Return a component for some of its networks: every per-network tuple is sliced, in nested components too."""
    changes: dict[str, Any] = {}
    for name, hint in _hints(type(part)).items():
        value = getattr(part, name)
        if is_per_network(hint) and isinstance(value, tuple):
            changes[name] = value[networks]
        elif _family_of_hint(hint) is not None and value is not None:
            changes[name] = (
                tuple(select_networks(item, networks) for item in value)
                if isinstance(value, tuple)
                else select_networks(value, networks)
            )
    return dataclasses.replace(part, **changes) if changes else part  # type: ignore[type-var]
