"""Packages to begin with: a part of each family that works, its metadata and its test."""

from __future__ import annotations

import keyword
import re
from importlib.resources import files
from pathlib import Path
from string import Template

import spatialnets
from spatialnets import registry
from spatialnets.errors import UserError, nearest
from spatialnets.files.atomic import write_text

__all__ = ["class_name", "part_name", "write_package"]

TAKEN = {*spatialnets.__all__, "ClassVar", "Dataset"}  # what the templates import
CHOSEN = {
    "geometry": "geometry=$name",
    "regularizer": "regularizer=$name regularizer.strength=0.1",
    "core": "core=$name",
    "constraint": "'core.constraints=[{kind: $name}]'",
    "task": "task=$name",
    "analysis": "'analyses=[$name]'",
    "engine": "engine=$name",
}
"""How a part of each family is asked for, once it is installed."""


def part_name(family: str, name: str) -> str:
    """Return the name of a new part, with underscores in place of hyphens.

    Raises
    ------
    UserError
        If there is no such family, the name is no name, or it is claimed already.

    Examples
    --------
    >>> part_name("geometry", "my-helix")
    'my_helix'
    """
    if family not in registry.FAMILIES:
        raise UserError(f"no family is called '{family}': {nearest(family, registry.FAMILIES)}")
    found = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", found):
        raise UserError(f"'{name}' is no name for a part: write small letters, digits and hyphens, such as my-{family}")
    if keyword.iskeyword(found) or keyword.issoftkeyword(found):
        raise UserError(f"'{name}' is a word of Python; choose another, such as my-{name}")
    if class_name(found) in TAKEN:
        raise UserError(f"'{name}' would make a class {class_name(found)}, which there is already; choose another name")
    if found in registry.names(family):
        package = registry.distribution(family, found)
        raise UserError(f"a {family} called '{found}' is installed already (of {package}); choose another name")
    return found


def class_name(name: str) -> str:
    """Return the name of a part's class.

    Examples
    --------
    >>> class_name("my_helix")
    'MyHelix'
    """
    return "".join(word.capitalize() for word in name.split("_"))


def write_package(family: str, name: str, folder: Path) -> list[Path]:
    """Write a package with a part of its own, which works and keeps the contract of its family.

    Parameters
    ----------
    family
        Of `spatialnets.registry.FAMILIES`.
    name
        Of the part.
    folder
        Of the package; nothing must be there yet.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    UserError
        If the name cannot be had, or there is something in the folder.
    """
    found = part_name(family, name)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is there already; give another place with --out")
    words = {
        "name": found,
        "Class": class_name(found),
        "package": f"spatialnets-{found.replace('_', '-')}",
        "module": f"spatialnets_{found}",
        "family": family,
        "group": registry.FAMILIES[family],
    }
    words["chosen"] = Template(CHOSEN[family]).substitute(words)
    source, test = _template(family).split("# --- test\n")
    content = {
        "pyproject.toml": _template("pyproject"),
        "README.md": _template("readme"),
        f"{words['module']}.py": source,
        f"tests/test_{found}.py": test,
    }
    written = []
    for place, text in content.items():
        path = folder / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, Template(text).substitute(words))
        except OSError as error:
            raise UserError(
                f"cannot write in {folder}: {error.strerror or error}; give another place with --out"
            ) from error
        written.append(path)
    return written


def _template(name: str) -> str:
    return files(__name__).joinpath(f"{name}.template").read_text(encoding="utf-8")
