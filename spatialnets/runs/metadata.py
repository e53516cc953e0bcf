"""What the text files of a run's folder say: read as data, and checked, since anybody may have written them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from spatialnets.experiments.declaration import BLOCKS, parse, plain
from spatialnets.errors import RunError, UserError
from spatialnets.files.reading import UnfitFile
from spatialnets.files.limits import check_file, plain_text
from spatialnets.files.atomic import damage

__all__ = ["GROUP", "NAME", "check_inside", "check_stored", "declaration_of", "plan_of", "provenance_of"]

NAME = r"[A-Za-z0-9][\w.-]{0,99}"
"""How an experiment or a geometry may be called: a word that is the name of a file or folder on every system."""

GROUP = r"[A-Za-z][\w-]{0,99}"
"""How a group may be called."""

MOST_INDEX = 10**6
FOLDERS = ("geometries", "shards", "checkpoints", "analyses", "figures", "comparison", "exports", "engine")

PROVENANCE: dict[str, Any] = {
    "created": str,
    "command": [str],
    "versions": {"*": str},
    "machine": {"system": str, "processor": str, "cores": (int, type(None))},
    "sessions": [{"started": str, "ended": str, "engine?": str, "workers": (int, type(None)), "shards": int}],
    "checksum?": str,  # of all the rest
    "lost?": str,  # that an earlier file was, and when
    "commit?": (str, type(None)),
    "cores?": {"*": {"*": str}},
    "geometries?": {"*": {"*": (str, int, float)}},
    "imported?": {
        "files": {"*": str},
        "notes": [str],
        "groups": {"*": {"networks": int, "units": int, "epochs": [int]}},
    },
}
"""What must be there, and of what type; ``*`` is any key, and ``?`` one that may be absent."""


def check_inside(folder: Path, path: Path) -> None:
    """Refuse a file or folder of a run that is a link to somewhere else: a run's folder is all of it.

    Raises
    ------
    RunError
        Naming the link.
    """
    try:
        out = path.is_symlink() and not path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to itself
        out = True
    if out:
        raise RunError(f"{path} is a link out of the run's folder; put there what it leads to, if it belongs there")


def _text(folder: Path, name: str) -> str:
    for inner in (*FOLDERS, name):
        check_inside(folder, folder / inner)
    path = folder / name
    if not path.exists() and not path.is_symlink():
        if (folder / "shards").is_dir():
            raise RunError(f"{folder} is damaged: {name} is gone{_cure(name)}")
        raise RunError(f"{folder} is no run folder: it has no {name}; expected a folder written by `spatialnets run`")
    try:
        check_file(path)
        reason = damage(path)
        if reason:
            raise RunError(f"{folder} is damaged: {name}: {reason}{_cure(name)}")
        return plain_text(path)
    except UnfitFile as error:
        raise RunError(f"{folder} is damaged: {error}{_cure(name)}") from error
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror or error}") from error


def _cure(name: str) -> str:
    """Say what to do about a file that only its user has another copy of."""
    if name == "provenance.json":
        return ""
    return ". It cannot be computed again: put it back from a copy of the run, or start anew in another place"


def _json(folder: Path, name: str) -> Any:
    try:
        return json.loads(_text(folder, name))
    except (ValueError, RecursionError) as error:
        raise RunError(f"{folder} is damaged: {name} does not parse: {error}") from error


def declaration_of(folder: Path) -> dict[str, Any]:
    """Return what ``experiment.yaml`` declares, as plain data: no part is looked up, nothing imported.

    Raises
    ------
    RunError
        If the file is not there or says something else.
    """
    try:
        found = plain(parse(_text(folder, "experiment.yaml"), str(folder / "experiment.yaml")))
    except RunError:
        raise
    except UserError as error:
        raise RunError(f"{folder} is damaged: experiment.yaml does not parse: {error}") from error
    _must(isinstance(found, dict), folder, "experiment.yaml", "it is no mapping")
    declared: dict[str, Any] = found
    _must(_is_word(declared.get("name"), NAME), folder, "experiment.yaml", "it has no name that is a word")
    groups, analyses = declared.get("groups"), declared.get("analyses", [])
    whole = isinstance(groups, dict) and all(
        _is_word(name, GROUP)
        and isinstance(group, dict)
        and all(_is_part(group.get(family), family) for family in BLOCKS)
        for name, group in groups.items()
    )
    _must(whole, folder, "experiment.yaml", "its groups are no mappings of parts")
    listed = isinstance(analyses, list) and all(map(_is_part, analyses))
    _must(listed, folder, "experiment.yaml", "its analyses are no list of parts")
    return declared


def _is_part(block: Any, family: str = "") -> bool:
    if isinstance(block, dict) and len(block) == 1 and "list" in block:  # an axis of whole parts
        items = block["list"]
        return isinstance(items, list) and all(isinstance(item, str) or _is_part(item, family) for item in items)
    if not isinstance(block, dict) or (family != "training" and not isinstance(block.get("kind"), str)):
        return False
    inner = [block[key] for key in ("factors", "terms") if key in block]
    return all(isinstance(parts, list) and all(map(_is_part, parts)) for parts in inner)


def plan_of(folder: Path) -> dict[str, Any]:
    """Return the plan: which networks are in which shard.

    Raises
    ------
    RunError
        If the file is not there or says something else.
    """
    plan = _json(folder, "plan.json")
    _must(isinstance(plan, dict) and isinstance(plan.get("shards"), list), folder, "plan.json", "it has no shards")
    for key in ("experiment", "threads", "networks_per_shard"):
        known = plan.get(key, "" if key == "experiment" else 1)
        fits = isinstance(known, str) if key == "experiment" else _is_count(known) and known > 0
        _must(fits and (key in plan or plan.get("format") == 1), folder, "plan.json", f"it has no {key}")
    seen: set[tuple[str, int]] = set()
    for place, entry in enumerate(plan["shards"]):
        about = f"shard {place}"
        _must(isinstance(entry, dict), folder, "plan.json", f"{about} is no mapping")
        _must(_is_count(entry.get("index")) and entry["index"] == place, folder, "plan.json", f"{about} has no index")
        _must(_is_word(entry.get("group"), GROUP), folder, "plan.json", f"{about} names no group")
        geometry = entry.get("geometry", "")
        _must(geometry == "" or _is_word(geometry, NAME), folder, "plan.json", f"{about} names no geometry")
        networks = entry.get("networks")
        _must(
            isinstance(networks, list) and bool(networks) and all(map(_is_count, networks)),
            folder,
            "plan.json",
            f"{about} has no numbers of networks",
        )
        numbered = {(entry["group"], number) for number in networks}
        fresh = len(numbered) == len(networks) and not numbered & seen
        _must(fresh, folder, "plan.json", f"{about} has a network that is in a shard already")
        seen |= numbered
    if "geometries" in plan:
        known = plan["geometries"]
        blocks = isinstance(known, dict) and all(
            isinstance(block, dict) and isinstance(block.get("kind"), str) for block in known.values()
        )
        _must(blocks, folder, "plan.json", "its geometries are no parts")
        _must(
            all(entry.get("geometry", "") in known for entry in plan["shards"]),
            folder,
            "plan.json",
            "a shard is on a geometry that is not declared",
        )
    return dict(plan)


def provenance_of(folder: Path) -> dict[str, Any]:
    """Return versions, machine and times.

    Raises
    ------
    RunError
        If the file is not there or says something else.
    """
    found = _json(folder, "provenance.json")
    lacking = _lacking(found, PROVENANCE)
    _must(lacking is None, folder, "provenance.json", f"{lacking} is not what a run writes")
    return dict(found)


def _lacking(value: Any, shape: Any, path: str = "") -> str | None:
    """Return where a value differs from a shape as `PROVENANCE` has them, or None."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return path or "it"
        if "*" in shape:
            items = [(f"{path}.{key}".lstrip("."), own, shape["*"]) for key, own in value.items()]
        else:
            needed = {key.rstrip("?"): inner for key, inner in shape.items() if key in value or not key.endswith("?")}
            needed |= {key[:-1]: inner for key, inner in shape.items() if key.endswith("?") and key[:-1] in value}
            items = [(f"{path}.{key}".lstrip("."), value.get(key), inner) for key, inner in needed.items()]
        return next((found for where, own, inner in items if (found := _lacking(own, inner, where))), None)
    if isinstance(shape, list):
        if not isinstance(value, list):
            return path
        return next((found for own in value if (found := _lacking(own, shape[0], path))), None)
    return None if isinstance(value, shape) else path


def _must(holds: bool, folder: Path, name: str, what: str) -> None:
    if not holds:
        raise RunError(f"{folder} is damaged: {name}: {what}")


def _is_word(value: Any, pattern: str) -> bool:
    return isinstance(value, str) and re.fullmatch(pattern, value) is not None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MOST_INDEX


def check_stored(folder: Path, path: Path) -> None:
    """Refuse what is no file of a run's folder.

    Raises
    ------
    RunError
        If it is a link to elsewhere.
    UnfitFile
        If it is no file.
    """
    check_inside(folder, path)
    check_file(path)
