"""Write a package with a working component of any family, its metadata and its test."""

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

__all__ = ["class_name", "component_name", "write_package"]

RESERVED_CLASSES = {*spatialnets.__all__, "ClassVar", "Dataset"}  # which the templates import
OVERRIDES = {
    "geometry": "geometry=$name",
    "regularizer": "regularizer=$name regularizer.strength=0.1",
    "core": "core=$name",
    "constraint": "'core.constraints=[{kind: $name}]'",
    "task": "task=$name",
    "analysis": "'analyses=[$name]'",
    "engine": "engine=$name",
}
"""Overrides that select an installed component of each family."""


def component_name(family: str, name: str) -> str:
    """Validate the name of a new component, and return it with underscores instead of hyphens.

    Raises
    ------
    UserError
        If there is no such family, or the name is invalid or already in use.

    Examples
    --------
    >>> component_name("geometry", "my-helix")
    'my_helix'
    """
    if family not in registry.FAMILIES:
        raise UserError(f"there is no family '{family}': {nearest(family, registry.FAMILIES)}")
    valid = name.replace("-", "_")
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", valid):
        raise UserError(
            f"'{name}' is not a valid name; use lower-case letters, digits and single hyphens, such as my-{family}"
        )
    if keyword.iskeyword(valid) or keyword.issoftkeyword(valid):
        raise UserError(f"'{name}' is a Python keyword; choose another name, such as my-{name}")
    if class_name(valid) in RESERVED_CLASSES:
        raise UserError(
            f"'{name}' would define a class {class_name(valid)}, which spatialnets has; choose another name"
        )
    if valid in registry.names(family):
        package = registry.distribution(family, valid)
        raise UserError(f"the {family} '{valid}' exists already, in the package {package}; choose another name")
    return valid


def class_name(name: str) -> str:
    """Return the class name of a component.

    Examples
    --------
    >>> class_name("my_helix")
    'MyHelix'
    """
    return "".join(word.capitalize() for word in name.split("_"))


def write_package(family: str, name: str, folder: Path) -> list[Path]:
    """Write a package with a working component that satisfies the contract of its family.

    Parameters
    ----------
    family
        One of `spatialnets.registry.FAMILIES`.
    name
        Name of the component.
    folder
        Folder of the package, which must not exist or must be empty.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    UserError
        If the name is invalid or in use, or the folder is not empty or cannot be written.
    """
    name = component_name(family, name)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} exists already; choose another folder with --out")
    values = {
        "name": name,
        "Class": class_name(name),
        "package": f"spatialnets-{name.replace('_', '-')}",
        "module": f"spatialnets_{name}",
        "family": family,
        "group": registry.FAMILIES[family],
    }
    values["override"] = Template(OVERRIDES[family]).substitute(values)
    source, test = _template(family).split("# --- test\n")
    content = {
        "pyproject.toml": _template("pyproject"),
        "README.md": _template("readme"),
        f"{values['module']}.py": source,
        f"tests/test_{name}.py": test,
    }
    written = []
    for relative, text in content.items():
        path = folder / relative
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_text(path, Template(text).substitute(values))
        except OSError as error:
            raise UserError(
                f"cannot write in {folder}: {error.strerror or error}; choose another folder with --out"
            ) from error
        written.append(path)
    return written


def _template(name: str) -> str:
    return files(__name__).joinpath(f"{name}.template").read_text(encoding="utf-8")
