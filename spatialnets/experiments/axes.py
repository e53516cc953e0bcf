"""Axes: values that differ between the networks of a group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from spatialnets.experiments.declaration import Node, plain

__all__ = ["MOST_NETWORKS", "Axis", "network_values", "read_axis"]

MOST_NETWORKS = 10**6  # of a group; more are a slip of the pen

_FORMS = {
    "linspace": "{linspace: [first, last]} or [first, last, count]",
    "logspace": "{logspace: [first, last]} or [first, last, count], both positive values, not exponents",
    "range": "{range: [stop]}, [start, stop] or [start, stop, step], whole numbers",
    "list": "{list: [value, …]}",
}


@dataclass(frozen=True)
class Axis:
    """Values along networks.

    Parameters
    ----------
    kind
        ``linspace``, ``logspace``, ``range``, ``list`` or ``along`` (a plain list, one value per network).
    arguments
        What was given.
    """

    kind: str
    arguments: tuple[Any, ...]

    @property
    def length(self) -> int | None:
        """How many values, or None where the axis runs along the networks of its group."""
        if self.kind == "along" or (self.kind in ("linspace", "logspace") and len(self.arguments) == 2):
            return None
        return len(self.values(0))

    def values(self, networks: int) -> tuple[Any, ...]:
        """Return the values; `networks` is the length of an axis without one of its own."""
        match self.kind:
            case "linspace" | "logspace":
                first, last = (float(value) for value in self.arguments[:2])
                count = int(self.arguments[2]) if len(self.arguments) == 3 else networks
                space = np.linspace if self.kind == "linspace" else np.geomspace
                with np.errstate(all="ignore"):  # what is not finite is refused by the part whose field it is
                    return tuple(float(value) for value in space(first, last, count))
            case "range":
                return tuple(range(*self.arguments))
        return self.arguments


def read_axis(node: Node) -> Axis:
    """Read ``{linspace: [0, 1]}`` and its like.

    Raises
    ------
    ValueError
        If the arguments do not fit; the message gives the form.
    """
    assert isinstance(node.value, dict)
    kind, given = next((key, plain(value)) for key, value in node.value.items())
    numbers = isinstance(given, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) for value in given
    )
    match kind:
        case "linspace":
            fits = numbers and len(given) in (2, 3) and _count(given)
        case "logspace":
            fits = numbers and len(given) in (2, 3) and _count(given) and min(given[:2]) > 0
        case "range":
            fits = (
                numbers
                and 1 <= len(given) <= 3
                and all(isinstance(value, int) for value in given)
                and (len(given) < 3 or given[2] != 0)
                and 0 < _length(range(*given)) <= MOST_NETWORKS
            )
        case _:
            fits = isinstance(given, list) and 0 < len(given) <= MOST_NETWORKS
    if not fits:
        raise ValueError(f"got {{{kind}: {given}}}, expected {_FORMS[kind]}")
    return Axis(kind, tuple(given))


def _length(numbers: range) -> int:
    """Return how many there are; `len` knows no number beyond what a machine counts to."""
    return max(0, -((numbers.start - numbers.stop) // numbers.step))


def _count(given: Sequence[Any]) -> bool:
    return len(given) == 2 or (isinstance(given[2], int) and 1 <= given[2] <= MOST_NETWORKS)


def network_values(axes: Mapping[str, Axis], zipped: Sequence[Sequence[str]], networks: int) -> list[dict[str, Any]]:
    """Return the value of every axis for each network of a group.

    Axes with a length of their own are crossed, the last one fastest; those that are zipped move together. Within
    each combination, `networks` networks are laid along the other axes.

    Parameters
    ----------
    axes
        By key path.
    zipped
        Groups of key paths that move together.
    networks
        Networks per combination.

    Raises
    ------
    ValueError
        If zipped axes differ in length or have none, or a plain list is not as long as the networks.

    Examples
    --------
    >>> axes = {"task.delay_steps": Axis("list", (5, 10)), "regularizer.strength": Axis("linspace", (0, 1))}
    >>> [tuple(values.values()) for values in network_values(axes, [], networks=2)]
    [(5, 0.0), (5, 1.0), (10, 0.0), (10, 1.0)]
    """
    along = {path: axis for path, axis in axes.items() if axis.length is None}
    for path, axis in along.items():
        if axis.kind == "along" and len(axis.arguments) != networks:
            raise ValueError(f"{path}: {len(axis.arguments)} values for {networks} networks")
    bundles: list[list[dict[str, Any]]] = []
    taken: set[str] = set()
    for path, axis in axes.items():
        if path in along or path in taken:
            continue
        together = next((list(paths) for paths in zipped if path in paths), [path])
        lengths = {other: axes[other].length for other in together}
        if len(set(lengths.values())) > 1 or None in lengths.values():
            said = ", ".join(f"{other} has {length or 'none'}" for other, length in lengths.items())
            raise ValueError(f"zip: axes that move together need the same explicit length: {said}")
        taken.update(together)
        values = {other: axes[other].values(networks) for other in together}
        bundles.append([{other: values[other][place] for other in together} for place in range(axis.length or 0)])
    if networks * math.prod(map(len, bundles)) > MOST_NETWORKS:
        raise ValueError(f"the axes make more than {MOST_NETWORKS:,} networks of this group")
    spread = {path: axis.values(networks) for path, axis in along.items()}
    result = []
    for combination in product(*bundles):
        fixed = {path: value for bundle in combination for path, value in bundle.items()}
        for place in range(networks):
            result.append({path: fixed[path] if path in fixed else spread[path][place] for path in axes})
    return result
