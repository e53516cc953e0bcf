"""Parts by family and name, through entry points; the built-ins come in by the same door as a stranger's."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from spatialnets.errors import UserError, nearest

__all__ = ["FAMILIES", "distribution", "load", "name_of", "names"]

FAMILIES = {
    "geometry": "spatialnets.geometries",
    "regularizer": "spatialnets.regularizers",
    "core": "spatialnets.cores",
    "constraint": "spatialnets.constraints",
    "task": "spatialnets.tasks",
    "analysis": "spatialnets.analyses",
    "engine": "spatialnets.engines",
}
"""Each family of parts and the entry-point group in which its members are declared."""


@cache
def _claims(family: str) -> dict[str, list[EntryPoint]]:
    """Return every entry of every name: more than one where packages disagree on what it means."""
    claims: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=FAMILIES[family]):
        same = claims.setdefault(entry.name, [])
        if entry.value not in [other.value for other in same]:
            same.append(entry)
    return claims


def _entries(family: str) -> dict[str, EntryPoint]:
    return {name: entries[0] for name, entries in _claims(family).items()}


def names(family: str) -> tuple[str, ...]:
    """Return the names of all installed parts of a family, sorted.

    Examples
    --------
    >>> "grid" in names("geometry")
    True
    """
    return tuple(sorted(_entries(family)))


def distribution(family: str, name: str) -> str:
    """Return the installed package that a registered part comes from.

    Examples
    --------
    >>> distribution("geometry", "grid")
    'spatialnets'
    """
    found = _entries(family)[name].dist
    return found.name if found is not None else "?"


def load(family: str, name: str) -> type[Any]:
    """Return the class of a part, by registered name or as ``"module:Class"``.

    Raises
    ------
    UserError
        If no such part is installed (the nearest name is given), if several packages claim the name (an experiment
        must not depend on which was installed last), or if it cannot be imported.

    Examples
    --------
    >>> load("geometry", "grid").__name__
    'Grid'
    """
    claims = _claims(family).get(name, [])
    if not claims and ":" not in name:
        raise UserError(f"no {family} is called '{name}': {nearest(name, names(family))}")
    if len(claims) > 1:
        said = " and ".join(f"{claim.value} (of {claim.dist.name if claim.dist else '?'})" for claim in claims)
        raise UserError(
            f"the {family} '{name}' is claimed by {said}; uninstall one of the packages, or write module:Class "
            "in place of the name"
        )
    try:
        if claims:
            found = claims[0].load()
        else:
            module, _, attribute = name.partition(":")
            found = getattr(import_module(module), attribute)
    except Exception as error:  # importing runs somebody's code
        raise UserError(f"the {family} '{name}' cannot be imported: {error or type(error).__name__}") from error
    if not isinstance(found, type):
        raise UserError(f"the {family} '{name}' is no class but {type(found).__name__}")
    return found


def name_of(family: str, part: type[Any]) -> str:
    """Return the name under which a class is registered, or ``"module:Class"`` where it is not.

    Examples
    --------
    >>> from spatialnets.geometries import Grid
    >>> name_of("geometry", Grid)
    'grid'
    """
    full = f"{part.__module__}:{part.__qualname__}"
    for name, entry in _entries(family).items():
        if entry.value == full:
            return name
    for name, entry in _entries(family).items():  # an entry may name a re-export
        if entry.value.rpartition(":")[2] == part.__qualname__ and entry.load() is part:
            return name
    return full
