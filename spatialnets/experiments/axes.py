"""Axes: values that differ between the networks of a group."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.yaml_nodes import Node, plain

__all__ = ["MAX_NETWORKS", "Axis", "Column", "columns_of", "read_axis"]

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
        match self.kind:
            case "along":
                return None
            case "linspace" | "logspace":
                return int(self.arguments[2]) if len(self.arguments) == 3 else None
            case "range":
                return len(range(*self.arguments))
        return len(self.arguments)

    def values(self, networks: int) -> tuple[Any, ...]:
        """Return the values; `networks` is their number if the axis does not specify it."""
        match self.kind:
            case "linspace" | "logspace":
                first, last = (float(value) for value in self.arguments[:2])
                count = int(self.arguments[2]) if len(self.arguments) == 3 else networks
                space = np.linspace if self.kind == "linspace" else np.geomspace
                with np.errstate(all="ignore"):  # values that are not finite are refused by the component
                    return tuple(space(first, last, count).tolist())
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


class Column(NamedTuple):
    """The values of one axis in all networks of a group: each `repeat` times in a row, and then from the first again.

    Parameters
    ----------
    values
        The values of the axis.
    repeat
        Number of successive networks with the same value.
    """

    values: tuple[Any, ...]
    repeat: int

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the positions among `values` of the values of some networks, ``(network,)``."""
        return numbers // self.repeat % len(self.values)

    def of(self, numbers: Sequence[int]) -> tuple[Any, ...]:
        """Return the values of some networks.

        Examples
        --------
        >>> Column((5, 10), repeat=2).of(range(6))
        (5, 5, 10, 10, 5, 5)
        """
        if self.repeat == 1 and numbers == range(len(self.values)):
            return self.values
        places = self.places(np.asarray(numbers, dtype=np.int64)).tolist()
        return itemgetter(*places)(self.values) if len(places) > 1 else (self.values[places[0]],)


def columns_of(
    axes: Mapping[str, Axis], zipped: Sequence[Sequence[str]], networks: int
) -> tuple[dict[str, Column], int]:
    """Return the values of every axis in all networks of a group, and the number of networks.

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
    >>> columns, count = columns_of(axes, [], networks=2)
    >>> list(zip(*(column.of(range(count)) for column in columns.values())))
    [(5, 0.0), (5, 1.0), (10, 0.0), (10, 1.0)]
    """
    along = {path: axis for path, axis in axes.items() if axis.length is None}
    for path, axis in along.items():
        if axis.kind == "along" and len(axis.arguments) != networks:
            raise ValueError(f"{path}: expected {networks} values, one for each network, got {len(axis.arguments)}")
    bundles: list[list[str]] = []
    for path in axes:
        if path in along or any(path in bundle for bundle in bundles):
            continue
        bundle = next((list(paths) for paths in zipped if path in paths), [path])
        lengths = {other: axes[other].length for other in bundle}
        if len(set(lengths.values())) > 1 or None in lengths.values():
            listed = ", ".join(f"{other} has {length or 'none'}" for other, length in lengths.items())
            raise ValueError(f"zip: zipped axes need the same explicit length: {listed}")
        bundles.append(bundle)
    repeats = [networks]  # of each bundle, from the last one
    for bundle in reversed(bundles):
        repeats.append(repeats[-1] * (axes[bundle[0]].length or 0))
    count = repeats.pop()
    if count > MAX_NETWORKS:
        raise ValueError(f"the axes of this group give more than {MAX_NETWORKS:,} networks")
    columns = {path: Column(axis.values(networks), 1) for path, axis in along.items()}
    for bundle, repeat in zip(bundles, reversed(repeats), strict=True):
        columns |= {path: Column(axes[path].values(networks), repeat) for path in bundle}
    return {path: columns[path] for path in axes}, count
