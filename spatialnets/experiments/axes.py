"""Axes: values that differ between the networks of a group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from spatialnets.files.yaml_nodes import Node, plain

__all__ = ["MAX_NETWORKS", "Axis", "network_values", "read_axis"]

MAX_NETWORKS = 10**6  # of a group; more are surely a typing error

_FORMS = {
    "linspace": "{linspace: [first, last]} or [first, last, count]",
    "logspace": "{logspace: [first, last]} or [first, last, count], both positive values, not exponents",
    "range": "{range: [stop]}, [start, stop] or [start, stop, step], whole numbers",
    "list": "{list: [value, …]}",
}


@dataclass(frozen=True)
class Axis:
    """The values of one field for the networks of a group.

    Parameters
    ----------
    kind
        ``linspace``, ``logspace``, ``range``, ``list`` or ``along`` (a plain list, one value for each network).
    arguments
        The arguments in the declaration.
    """

    kind: str
    arguments: tuple[Any, ...]

    @property
    def length(self) -> int | None:
        """The number of values, or None if there is one for each network of the group."""
        if self.kind == "along" or (self.kind in ("linspace", "logspace") and len(self.arguments) == 2):
            return None
        return len(self.values(0))

    def values(self, networks: int) -> tuple[Any, ...]:
        """Return the values; `networks` is their number if the axis does not specify it."""
        match self.kind:
            case "linspace" | "logspace":
                first, last = (float(value) for value in self.arguments[:2])
                count = int(self.arguments[2]) if len(self.arguments) == 3 else networks
                space = np.linspace if self.kind == "linspace" else np.geomspace
                with np.errstate(all="ignore"):  # values that are not finite are refused by the component
                    return tuple(float(value) for value in space(first, last, count))
            case "range":
                return tuple(range(*self.arguments))
        return self.arguments


def read_axis(node: Node) -> Axis:
    """Read an axis such as ``{linspace: [0, 1]}``.

    Raises
    ------
    ValueError
        If the arguments do not fit; the message shows the expected form.
    """
    assert isinstance(node.value, dict)
    kind, given = next((key, plain(value)) for key, value in node.value.items())
    numeric = isinstance(given, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in given
    )
    match kind:
        case "linspace":
            fits = numeric and len(given) in (2, 3) and _count(given)
        case "logspace":
            fits = numeric and len(given) in (2, 3) and _count(given) and min(given[:2]) > 0
        case "range":
            fits = (
                numeric
                and 1 <= len(given) <= 3
                and all(isinstance(value, int) for value in given)
                and (len(given) < 3 or given[2] != 0)
                and 0 < _length(range(*given)) <= MAX_NETWORKS
            )
        case _:
            fits = isinstance(given, list) and 0 < len(given) <= MAX_NETWORKS
    if not fits:
        raise ValueError(f"got {{{kind}: {given}}}, expected {_FORMS[kind]}")
    return Axis(kind, tuple(given))


def _length(numbers: range) -> int:
    """Return the length of a range, which may exceed what `len` can return."""
    return max(0, -((numbers.start - numbers.stop) // numbers.step))


def _count(given: Sequence[Any]) -> bool:
    return len(given) == 2 or (isinstance(given[2], int) and 1 <= given[2] <= MAX_NETWORKS)


def network_values(axes: Mapping[str, Axis], zipped: Sequence[Sequence[str]], networks: int) -> list[dict[str, Any]]:
    """Return the value of every axis for each network of a group.

    Axes with an explicit length are crossed, the last one fastest, except that zipped axes advance together. Each
    combination has `networks` networks, along which all other axes run.

    Parameters
    ----------
    axes
        Axes by key path.
    zipped
        Sets of key paths whose axes advance together.
    networks
        Number of networks in each combination.

    Raises
    ------
    ValueError
        If zipped axes differ in length or have none, or a plain list does not have one value for each network.

    Examples
    --------
    >>> axes = {"task.delay_steps": Axis("list", (5, 10)), "regularizer.strength": Axis("linspace", (0, 1))}
    >>> [tuple(values.values()) for values in network_values(axes, [], networks=2)]
    [(5, 0.0), (5, 1.0), (10, 0.0), (10, 1.0)]
    """
    along = {path: axis for path, axis in axes.items() if axis.length is None}
    for path, axis in along.items():
        if axis.kind == "along" and len(axis.arguments) != networks:
            raise ValueError(f"{path}: expected {networks} values, one for each network, got {len(axis.arguments)}")
    bundles: list[list[dict[str, Any]]] = []
    bundled: set[str] = set()
    for path, axis in axes.items():
        if path in along or path in bundled:
            continue
        together = next((list(paths) for paths in zipped if path in paths), [path])
        lengths = {other: axes[other].length for other in together}
        if len(set(lengths.values())) > 1 or None in lengths.values():
            listed = ", ".join(f"{other} has {length or 'none'}" for other, length in lengths.items())
            raise ValueError(f"zip: zipped axes need the same explicit length: {listed}")
        bundled.update(together)
        values = {other: axes[other].values(networks) for other in together}
        bundles.append([{other: values[other][index] for other in together} for index in range(axis.length or 0)])
    if networks * math.prod(map(len, bundles)) > MAX_NETWORKS:
        raise ValueError(f"the axes of this group give more than {MAX_NETWORKS:,} networks")
    running = {path: axis.values(networks) for path, axis in along.items()}
    result = []
    for combination in product(*bundles):
        fixed = {path: value for bundle in combination for path, value in bundle.items()}
        for index in range(networks):
            result.append({path: fixed[path] if path in fixed else running[path][index] for path in axes})
    return result
