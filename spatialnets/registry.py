"""Components by family and name; built-in ones are registered through entry points like those of other packages."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from spatialnets.errors import UserError, nearest

__all__ = ["ALIASES", "FAMILIES", "canonical", "distribution", "load", "name_of", "names"]

FAMILIES = {
    "geometry": "spatialnets.geometries",
    "regularizer": "spatialnets.regularizers",
    "core": "spatialnets.cores",
    "constraint": "spatialnets.constraints",
    "task": "spatialnets.tasks",
    "analysis": "spatialnets.analyses",
    "engine": "spatialnets.engines",
}
"""Each family of components and the entry-point group in which its members are declared."""

ALIASES = {
    "constraint": {"no_self_connections": "no_self"},
    "core": {"torch_module": "wrapped"},
    "engine": {"local": "here"},
    "geometry": {"with_inputs_and_outputs": "with_ends"},
    "regularizer": {"distance_communicability": "both"},
}
"""Other names of components that are accepted in a declaration, by family."""


@cache
def _claims(family: str) -> dict[str, list[EntryPoint]]:
    """Return all entries by name; more than one if several packages register the same name."""
    claims: dict[str, list[EntryPoint]] = {}
    for entry in entry_points(group=FAMILIES[family]):
        same = claims.setdefault(entry.name, [])
        if entry.value not in [other.value for other in same]:
            same.append(entry)
    return claims


def _entries(family: str) -> dict[str, EntryPoint]:
    return {name: entries[0] for name, entries in _claims(family).items()}


def names(family: str) -> tuple[str, ...]:
    """Return the names of all installed components of a family, sorted.

    Examples
    --------
    >>> "grid" in names("geometry")
    True
    """
    return tuple(sorted(_entries(family)))


def distribution(family: str, name: str) -> str:
    """Return the name of the installed package that registers a component.

    Examples
    --------
    >>> distribution("geometry", "grid")
    'spatialnets'
    """
    package = _entries(family)[canonical(family, name)].dist
    return package.name if package is not None else "?"


def canonical(family: str, name: str) -> str:
    """Return the registered name of a component, given that name or an alias.

    Examples
    --------
    >>> canonical("regularizer", "distance_communicability"), canonical("geometry", "grid")
    ('both', 'grid')
    """
    return name if name in _claims(family) else ALIASES.get(family, {}).get(name, name)


def load(family: str, name: str) -> type[Any]:
    """Return the class of a component, by registered name or as ``"module:Class"``.

    Raises
    ------
    UserError
        If no such component is installed (the message gives the nearest name), if several packages register the name
        (an experiment must not depend on which was installed last), or if it cannot be imported.

    Examples
    --------
    >>> load("geometry", "grid").__name__
    'Grid'
    """
    name = canonical(family, name)
    claims = _claims(family).get(name, [])
    if not claims and ":" not in name:
        raise UserError(f"there is no {family} '{name}': {nearest(name, names(family))}")
    if len(claims) > 1:
        packages = " and ".join(f"{claim.value} (of {claim.dist.name if claim.dist else '?'})" for claim in claims)
        raise UserError(
            f"several packages register the {family} '{name}': {packages}. Uninstall all but one, or write "
            "module:Class instead of the name"
        )
    try:
        if claims:
            component = claims[0].load()
        else:
            module, _, attribute = name.partition(":")
            component = getattr(import_module(module), attribute)
    except Exception as error:  # importing runs code of other packages
        raise UserError(f"the {family} '{name}' cannot be imported: {error or type(error).__name__}") from error
    if not isinstance(component, type):
        raise UserError(f"the {family} '{name}' is not a class but {type(component).__name__}")
    return component


def name_of(family: str, part: type[Any]) -> str:
    """Return the name under which a class is registered, or ``"module:Class"`` if it is not registered.

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
    for name, entry in _entries(family).items():  # an entry point may name a re-export
        if entry.value.rpartition(":")[2] == part.__qualname__ and entry.load() is part:
            return name
    return full
