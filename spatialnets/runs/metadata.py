"""Read and validate the text files of a run, such as ``experiment.yaml`` and ``provenance.json``."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from spatialnets.errors import RunError, UserError
from spatialnets.experiments.declaration import BLOCKS, GROUP, NAME
from spatialnets.files.atomic import checksum_error, write_text
from spatialnets.files.limits import check_file, plain_text
from spatialnets.files.reading import InvalidFile
from spatialnets.files.yaml_nodes import parse, plain

__all__ = [
    "check_inside",
    "check_stored",
    "declaration_of",
    "is_imported",
    "json_of",
    "provenance_of",
    "write_provenance",
]

FOLDERS = ("geometries", "shards", "checkpoints", "analyses", "figures", "comparison", "exports", "engine")

PROVENANCE: dict[str, Any] = {
    "created": str,
    "command": [str],
    "versions": {"*": str},
    "machine": {"system": str, "processor": str, "cores": (int, type(None))},
    "sessions": [{"started": str, "ended": str, "engine": str, "workers": (int, type(None)), "shards": int}],
    "checksum": str,  # of all other values
    "lost?": str,  # when an earlier file was lost
    "commit?": (str, type(None)),
    "cores?": {"*": {"*": str}},
    "geometries?": {"*": {"*": (str, int, float)}},
    "imported?": {
        "files": {"*": str},
        "notes": [str],
        "groups": {"*": {"networks": int, "units": int, "epochs": [int]}},
    },
}
"""Required keys and types; ``*`` stands for any key, and ``?`` marks an optional one."""


def check_inside(folder: Path, path: Path) -> None:
    """Refuse a file or folder of a run that is a link out of the run folder.

    Raises
    ------
    RunError
        If it is such a link.
    """
    try:
        out = path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to itself
        out = True
    if out:
        raise RunError(f"{path} is a link out of the run folder; replace it by its target if that belongs there")


def _text(folder: Path, name: str) -> str:
    for inner in (*FOLDERS, name):
        check_inside(folder, folder / inner)
    path = folder / name
    if not path.exists() and not path.is_symlink():
        if (folder / "shards").is_dir():
            raise RunError(f"{folder} is damaged: {name} is missing{_advice(name)}")
        raise RunError(
            f"{folder} is not a run folder: it has no {name}; expected a folder written by `spatialnets run`"
        )
    try:
        check_file(path)
        reason = checksum_error(path)
        if reason:
            raise RunError(f"{folder} is damaged: {name}: {reason}{_advice(name)}")
        return plain_text(path)
    except InvalidFile as error:
        raise RunError(f"{folder} is damaged: {error}{_advice(name)}") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error


def _advice(name: str) -> str:
    """Return advice about a missing file; none for the provenance, which can be started again."""
    if name == "provenance.json":
        return ""
    return ". It cannot be computed again: restore it from a copy of the run, or start again in another folder"


def json_of(folder: Path, name: str) -> Any:
    """Return the content of a JSON file of a run.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        return json.loads(_text(folder, name))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder} is damaged: {name} does not parse: {error}") from error


def declaration_of(folder: Path) -> dict[str, Any]:
    """Return the contents of ``experiment.yaml`` as plain data; no component is looked up or imported.

    Raises
    ------
    RunError
        If the file is missing or invalid.
    """
    try:
        content = plain(parse(_text(folder, "experiment.yaml"), str(folder / "experiment.yaml")))
    except RunError:
        raise
    except UserError as error:
        raise RunError(f"{folder} is damaged: experiment.yaml does not parse: {error}") from error
    _must(isinstance(content, dict), folder, "experiment.yaml", "it is not a mapping")
    declared: dict[str, Any] = content
    _must(_is_word(declared.get("name"), NAME), folder, "experiment.yaml", "it has no valid name")
    groups, analyses = declared.get("groups"), declared.get("analyses", [])
    whole = isinstance(groups, dict) and all(
        _is_word(name, GROUP)
        and isinstance(group, dict)
        and all(_is_part(group.get(family), family) for family in BLOCKS)
        for name, group in groups.items()
    )
    _must(whole, folder, "experiment.yaml", "its groups are not mappings of components")
    listed = isinstance(analyses, list) and all(map(_is_part, analyses))
    _must(listed, folder, "experiment.yaml", "its analyses are not a list of components")
    return declared


def _is_part(block: Any, family: str = "") -> bool:
    if isinstance(block, dict) and len(block) == 1 and "list" in block:  # an axis of whole components
        items = block["list"]
        return isinstance(items, list) and all(isinstance(item, str) or _is_part(item, family) for item in items)
    if not isinstance(block, dict) or (family != "training" and not isinstance(block.get("kind"), str)):
        return False
    inner = [block[key] for key in ("factors", "terms") if key in block]
    return all(isinstance(parts, list) and all(map(_is_part, parts)) for parts in inner)


def provenance_of(folder: Path) -> dict[str, Any]:
    """Return the contents of ``provenance.json``: versions, machine and times.

    Raises
    ------
    RunError
        If the file is missing or invalid.
    """
    content = json_of(folder, "provenance.json")
    invalid = _invalid_key(content, PROVENANCE)
    _must(invalid is None, folder, "provenance.json", f"{invalid} is missing or has the wrong type")
    checksum = content.pop("checksum")
    _must(checksum == _digest(content), folder, "provenance.json", "it does not match its checksum")
    return dict(content)


def write_provenance(folder: Path, content: Mapping[str, Any]) -> None:
    """Write ``provenance.json``, which contains its own checksum: one file is replaced atomically, two would not be."""
    text = json.dumps({**content, "checksum": _digest(content)}, indent=2) + "\n"
    write_text(folder / "provenance.json", text)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def is_imported(folder: Path) -> bool:
    """Tell whether the networks of a run were trained elsewhere; False if its provenance cannot be read."""
    try:
        return "imported" in provenance_of(folder)
    except RunError:
        return False


def _invalid_key(value: Any, shape: Any, path: str = "") -> str | None:
    """Return the first key path at which a value differs from a schema such as `PROVENANCE`, or None."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return path or "the content"
        if "*" in shape:
            items = [(f"{path}.{key}".lstrip("."), item, shape["*"]) for key, item in value.items()]
        else:
            needed = {key.rstrip("?"): inner for key, inner in shape.items() if key in value or not key.endswith("?")}
            needed |= {key[:-1]: inner for key, inner in shape.items() if key.endswith("?") and key[:-1] in value}
            items = [(f"{path}.{key}".lstrip("."), value.get(key), inner) for key, inner in needed.items()]
        return next((key for where, item, inner in items if (key := _invalid_key(item, inner, where))), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return path
        return next((key for item in value if (key := _invalid_key(item, shape[0], path))), None)
    return None if isinstance(value, shape) else path


def _must(condition: bool, folder: Path, name: str, otherwise: str) -> None:
    if not condition:
        raise RunError(f"{folder} is damaged: {name}: {otherwise}")


def _is_word(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def check_stored(folder: Path, path: Path) -> None:
    """Refuse a path that is not a file within the run folder.

    Raises
    ------
    RunError
        If it is a link out of the folder.
    InvalidFile
        If it is not a file.
    """
    check_inside(folder, path)
    check_file(path)
