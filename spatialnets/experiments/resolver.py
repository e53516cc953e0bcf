"""From a declaration to groups of checked components, with all mistakes collected."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from spatialnets import registry
from spatialnets.errors import DeclarationError, nearest
from spatialnets.experiments.axes import MAX_NETWORKS, Axis, Column, columns_of, read_axis
from spatialnets.experiments.blocks import Builder, block_of, identity, is_per_network
from spatialnets.experiments.declaration import (
    BLOCKS,
    ENGINE,
    GROUP,
    NAME,
    PART_FAMILIES,
    TOP,
    as_block,
    is_axis,
    merge,
)
from spatialnets.experiments.group import EnsembleSpec, Group, as_progression
from spatialnets.files.yaml_nodes import Node, from_plain, plain
from spatialnets.protocols import Analysis, Geometry

__all__ = ["Kinds", "Resolver", "geometry_name"]

MAX = {"networks": MAX_NETWORKS, "seed": 2**62}  # seeds are counted upwards from there


class Kinds:
    """Returns the kinds of classes, and collects those that are not registered."""

    def __init__(self, classes: dict[str, type[Any]]) -> None:
        self.classes = classes

    def __call__(self, family: str, part: type[Any]) -> str:
        kind = registry.name_of(family, part)
        if ":" in kind:
            self.classes[kind] = part
        return kind


def _is_whole(value: Any, minimum: int) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= minimum


def geometry_name(geometry: Geometry) -> str:
    """Return the name of a geometry in a run: its kind and a hash of its fields."""
    classes: dict[str, type[Any]] = {}
    block = block_of(geometry, "geometry", Kinds(classes))
    fields = json.dumps(identity("geometry", block, classes), sort_keys=True)
    digest = hashlib.sha256(fields.encode()).hexdigest()[:8]
    return f"{block['kind'].rpartition(':')[2].rpartition('.')[2]}-{digest}"


class Resolver:
    """Resolves a declaration into groups of components.

    Parameters
    ----------
    root
        The merged declaration.
    classes
        Classes that are not registered, by kind.
    trusted
        Whether code that the declaration names (``module:Class``) is imported.

    Raises
    ------
    DeclarationError
        With every mistake, one line each.
    """

    def __init__(self, root: Node, classes: Mapping[str, type[Any]], trusted: bool = True) -> None:
        self.problems: list[str] = []
        self.builder = Builder(self.problems, classes, trusted)
        self.content = root.value if isinstance(root.value, dict) else {}
        self.root = root
        for key, node in self.content.items():
            if key not in TOP:
                self.builder.note(node, key, ENGINE if key == "engine" else f"unknown key: {nearest(key, TOP)}")
        self.name = self._word("name", NAME, "experiment")
        self.description = self._text("description")
        self.networks = self._whole("networks", 1, minimum=1)
        seed = self.content.get("seed", Node(0, root.mark))
        self.seed_axis = self._axis(seed, "seed") if is_axis(seed) else None
        if self.seed_axis and not all(
            _is_whole(value, 0) and value <= MAX["seed"] for value in self.seed_axis.values(1)
        ):
            self.builder.note(seed, "seed", f"expected whole numbers, 0 or more and at most 2^62, got {plain(seed)!r}")
            self.seed_axis = None
        self.seed = 0 if is_axis(seed) else self._whole("seed", 0, minimum=0)
        self.analyses = self._analyses()
        self.groups: dict[str, Group] = {}
        self.resolved: dict[str, Any] = {
            "name": self.name,
            **({"description": self.description} if self.description else {}),
            "networks": self.networks,
            "seed": plain(seed),
            "groups": {},
            "analyses": [block_of(part, "analysis") for part in self.analyses.values()],
        }
        for name, node in self._group_nodes().items():
            self._group(name, node)
        if self.problems:
            raise DeclarationError(self.problems)

    def _word(self, key: str, pattern: str, default: str) -> str:
        node = self.content.get(key, Node(default, self.root.mark))
        if not isinstance(node.value, str) or not re.fullmatch(pattern, node.value):
            self.builder.note(
                node, key, f"expected a name of letters, digits, dots and hyphens, at most 100, got {plain(node)!r}"
            )
            return default
        return node.value

    def _text(self, key: str) -> str:
        node = self.content.get(key, Node("", self.root.mark))
        if not isinstance(node.value, str):
            self.builder.note(node, key, f"expected a string, got {plain(node)!r}")
            return ""
        return node.value

    def _whole(self, key: str, default: int, minimum: int, content: Mapping[str, Node] | None = None) -> int:
        node = (self.content if content is None else content).get(key, Node(default, self.root.mark))
        if not _is_whole(node.value, minimum) or node.value > MAX[key]:
            limit = "" if not _is_whole(node.value, minimum) else f" and at most {MAX[key]:,}"
            self.builder.note(node, key, f"expected a whole number, {minimum} or more{limit}, got {plain(node)!r}")
            return default
        return node.value

    def _analyses(self) -> dict[str, Analysis]:
        node = self.content.get("analyses", Node([], self.root.mark))
        if not isinstance(node.value, list):
            self.builder.note(node, "analyses", f"expected a list such as [wiring, modularity], got {plain(node)!r}")
            return {}
        analyses = {}
        for place, item in enumerate(node.value):
            part = self.builder.build("analysis", item, f"analyses.{place}")
            if part is not None:
                analyses[registry.name_of("analysis", type(part)).rpartition(":")[2]] = part
        return analyses

    def _group_nodes(self) -> dict[str, Node]:
        base = self._mapping(self.content.get("base", Node({}, self.root.mark)), "base", BLOCKS)
        groups = self.content.get("groups")
        if groups is None:  # an experiment without groups has one group, with its own name
            return {self.name: base}
        if not isinstance(groups.value, dict) or not groups.value:
            self.builder.note(groups, "groups", f"expected a mapping with one or more groups, got {plain(groups)!r}")
            return {}
        nodes = {}
        for name, node in groups.value.items():
            if not re.fullmatch(GROUP, name) or name in BLOCKS:
                self.builder.note(
                    node,
                    f"groups.{name}",
                    "a group's name has letters, digits, _ and -, at most 100, and is not that of a family",
                )
                continue
            above = Node({}, node.mark) if node.value is None else node
            nodes[name] = merge(base, self._mapping(above, f"groups.{name}", (*BLOCKS, "networks", "zip")))
        return nodes

    def _mapping(self, node: Node, path: str, valid: Sequence[str]) -> Node:
        if not isinstance(node.value, dict):
            self.builder.note(node, path, f"expected a mapping with {', '.join(valid)}, got {plain(node)!r}")
            return Node({}, node.mark)
        for key, value in node.value.items():
            if key not in valid:
                self.builder.note(value, f"{path}.{key}", f"unknown key: {nearest(key, valid)}")
        return Node({key: value for key, value in node.value.items() if key in valid}, node.mark)

    # Groups

    def _axis(self, node: Node, path: str) -> Axis | None:
        try:
            return read_axis(node)
        except ValueError as error:
            self.builder.note(node, path, str(error))
            return None

    def _axes(self, node: Node, path: str, family: str, block: Node, within: list[str]) -> dict[str, Axis]:
        """Return every axis in a block, by key path."""
        if is_axis(node):
            axis = self._axis(node, path)
            return {path: axis} if axis else {}
        if isinstance(node.value, list) and is_per_network(self.builder.hint(family, block, within)):
            return {path: Axis("along", tuple(plain(node)))}
        axes: dict[str, Axis] = {}
        value = node.value
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            if "." in str(key):  # no field has such a name, which the builder reports
                continue
            axes |= self._axes(inner, f"{path}.{key}", family, block, [*within, str(key)])
        return axes

    def _group(self, name: str, node: Node) -> None:
        assert isinstance(node.value, dict)
        blocks = {family: as_block(node.value[family]) for family in BLOCKS if family in node.value}
        blocks.setdefault("training", Node({}, node.mark))
        for family in PART_FAMILIES:
            if family not in blocks:
                self.builder.note(node, f"groups.{name}.{family}", f"is required: {', '.join(registry.names(family))}")
        networks = self._whole("networks", self.networks, 1, node.value)
        axes: dict[str, Axis] = {"seed": self.seed_axis} if self.seed_axis else {}
        before = self.builder.noted
        for family, block in blocks.items():
            axes |= self._axes(block, family, family, block, [])
        zipped = self._zipped(node.value.get("zip"), axes)
        try:
            columns, count = columns_of(axes, zipped, networks)
        except ValueError as error:
            self.builder.note(node, f"groups.{name}", str(error))
            return
        if self.builder.noted > before:
            return
        if any(family not in blocks for family in PART_FAMILIES):
            for family, block in blocks.items():
                if not any(path.split(".")[0] == family for path in axes):
                    self.builder.build(family, block, family)
            return
        ensembles = self._ensembles(blocks, columns, count, networks)
        if ensembles is None:
            return
        self.groups[name] = Group(name, tuple(ensembles))
        first = ensembles[0]
        resolved = {}
        for family in BLOCKS:
            kinds = Kinds(dict(self.builder.classes))
            resolved[family] = _keep_axes(block_of(getattr(first, family), family, kinds), blocks[family])
        if networks != self.networks:
            resolved["networks"] = networks
        if zipped:
            resolved["zip"] = [list(paths) for paths in zipped]
        self.resolved["groups"][name] = resolved

    def _zipped(self, node: Node | None, axes: Mapping[str, Axis]) -> list[list[str]]:
        if node is None:
            return []
        given = plain(node)
        bundles = given if isinstance(given, list) and given and isinstance(given[0], list) else [given]
        for bundle in bundles:
            if not isinstance(bundle, list) or not all(isinstance(path, str) for path in bundle):
                expected = "a list of key paths such as [task.delay_steps, seed]"
                self.builder.note(node, "zip", f"expected {expected}, got {given!r}")
                return []
            for path in bundle:
                if path not in axes:
                    self.builder.note(node, "zip", f"'{path}' is not an axis of this group: {nearest(path, axes)}")
        return [[path for path in bundle if path in axes] for bundle in bundles]

    def _ensembles(
        self, blocks: Mapping[str, Node], columns: Mapping[str, Column], count: int, repeats: int
    ) -> list[EnsembleSpec] | None:
        batching = {path for path in columns if path == "seed" or is_per_network(self._hint(blocks, path))}
        divided = _divided([column for path, column in columns.items() if path not in batching], count)
        specs = [self._ensemble(blocks, columns, numbers, repeats, batching) for numbers in divided]
        return None if None in specs else [spec for spec in specs if spec is not None]

    def _hint(self, blocks: Mapping[str, Node], path: str) -> Any:
        family, *within = path.split(".")
        return self.builder.hint(family, blocks[family], within)

    def _ensemble(
        self,
        blocks: Mapping[str, Node],
        columns: Mapping[str, Column],
        numbers: Sequence[int],
        repeats: int,
        batching: Collection[str],
    ) -> EnsembleSpec | None:
        values = {path: column.of(numbers) for path, column in columns.items()}
        parts: dict[str, Any] = {}
        for family, block in blocks.items():
            for path, along in values.items():
                if path.split(".")[0] == family:
                    block = _set_path(block, path.split(".")[1:], along if path in batching else along[0])
            parts[family] = self.builder.build(family, block, family)
        if None in parts.values():
            return None
        core, geometry = parts["core"], parts["geometry"]
        if core.n_units is not None and core.n_units != geometry.n_units:
            self.builder.note(
                blocks["core"],
                "core.n_units",
                f"{core.n_units} units, but the geometry {plain(blocks['geometry'])['kind']} has {geometry.n_units}: "
                "omit n_units, or choose a geometry of that size",
            )
            return None
        first = np.asarray(values["seed"], dtype=np.int64) if self.seed_axis else self.seed
        return EnsembleSpec(
            numbers=numbers,
            seeds=as_progression(first + np.asarray(numbers, dtype=np.int64) % repeats),
            geometry_name=geometry_name(geometry),
            axes=values,
            **parts,
        )


def _divided(columns: Sequence[Column], count: int) -> list[Sequence[int]]:
    """Divide the numbers of all networks into those with equal values in some columns, in the order of the first."""
    kinds = np.zeros(count, dtype=np.int64)  # equal where all values are
    for column in columns:
        texts = [json.dumps(value, sort_keys=True, default=str) for value in column.values]
        _, codes = np.unique(np.array(texts, dtype=object), return_inverse=True)
        kinds = np.unique(kinds * len(texts) + codes[column.places(np.arange(count))], return_inverse=True)[1]
    if not kinds.any():
        return [range(count)]
    _, first, kinds = np.unique(kinds, return_index=True, return_inverse=True)
    order = np.argsort(first[kinds], kind="stable")
    ends = np.flatnonzero(np.diff(first[kinds][order])) + 1
    return [as_progression(numbers) for numbers in np.split(order, ends)]


def _set_path(node: Node, path: Sequence[str], value: Any) -> Node:
    """Return a node with a value at a path within it; a tuple is the value of a `PerNetwork` field."""
    if not path:
        return as_block(_node_of(value, node.mark))
    key, rest = path[0], path[1:]
    if isinstance(node.value, list):
        items = list(node.value)
        items[int(key)] = _set_path(items[int(key)], rest, value)
        return Node(items, node.mark)
    assert isinstance(node.value, dict)
    return Node(
        {
            **node.value,
            key: _set_path(node.value[key], rest, value) if rest else _node_of(value, node.value[key].mark),
        },
        node.mark,
    )


def _node_of(value: Any, mark: str) -> Node:
    """Return plain data as a node; numbers of a million networks stay one value, because none has a place of its own."""
    if isinstance(value, tuple) and set(map(type, value)) <= {int, float}:
        with contextlib.suppress(OverflowError):  # a whole number of hundreds of digits, which the component refuses
            return Node(tuple(map(float, value)), mark)
    return from_plain(value, mark)


def _keep_axes(block: Any, declared: Node) -> Any:
    """Put the axes of a declaration back into the block of a built component."""
    if is_axis(declared):
        return plain(declared)
    if isinstance(block, dict) and isinstance(declared.value, dict):
        return {
            key: _keep_axes(value, declared.value[key]) if key in declared.value else value
            for key, value in block.items()
        }
    if isinstance(block, list) and isinstance(declared.value, list) and len(block) == len(declared.value):
        return [_keep_axes(value, item) for value, item in zip(block, declared.value, strict=True)]
    return block
