"""The choice of an engine: in Python, by overrides on the command line, or by a note in a run's folder."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from spatialnets import registry
from spatialnets.engines.engine import Engine
from spatialnets.engines.local import Here
from spatialnets.errors import DeclarationError, RunError
from spatialnets.experiments.blocks import FAMILY_OF, Builder
from spatialnets.files.yaml_nodes import Node, from_plain, parse

__all__ = ["choose_engine", "engine_from_note", "engine_options", "is_engine_override", "parse_engine"]


def choose_engine(engine: Engine | None, workers: int | None) -> Engine:
    """Return the given engine, by default this machine, with `workers` jobs at a time unless that is None.

    Raises
    ------
    RunError
        If `workers` is less than 1.
    """
    engine = engine or Here()
    if workers is None:
        return engine
    try:
        return replace(engine, workers=workers)
    except ValueError as error:
        raise RunError(str(error)) from error


def is_engine_override(word: str) -> bool:
    """Tell whether an argument of a command line is an override of the engine.

    Examples
    --------
    >>> is_engine_override("engine=dask"), is_engine_override("engine.workers=2"), is_engine_override("geometry=sphere")
    (True, True, False)
    """
    key, equals, _ = word.partition("=")
    return bool(equals) and key.strip().partition(".")[0] == "engine"


def parse_engine(overrides: Sequence[str]) -> Engine | None:
    """Return the engine that overrides such as ``engine=processes engine.workers=2`` declare; None if there are none.

    Raises
    ------
    DeclarationError
        If overrides are invalid; it lists all mistakes.

    Examples
    --------
    >>> parse_engine(["engine=processes", "engine.workers=2"])
    Processes(workers=2)
    """
    if not overrides:
        return None
    problems: list[str] = []
    block: dict[str, Node] = {"kind": Node("here", "by default")}
    for override in overrides:
        key, equals, text = override.partition("=")
        path, mark = key.strip().split("."), f"override '{override}'"
        if not equals or path[0] != "engine" or len(path) > 2 or path[-1] in ("", "kind"):
            problems.append(f"{mark}: expected engine=NAME or engine.FIELD=VALUE, such as engine.workers=2")
            continue
        try:
            value = parse(text, mark, lines=False)
        except DeclarationError as error:
            problems.extend(error.problems)
            continue
        block[path[1] if len(path) == 2 else "kind"] = Node(value.value, mark)
    builder = Builder(problems, {}, families={**FAMILY_OF, Engine: "engine"})
    marks = ", ".join(f"override '{override}'" for override in overrides)
    engine = builder.build("engine", Node(dict(block), marks), "engine") if not problems else None
    if problems:
        raise DeclarationError(problems)
    assert isinstance(engine, Engine)
    return engine


def engine_options(engine: Engine) -> str:
    """Return the overrides that declare an engine, except `detach`, for messages on how to continue.

    Examples
    --------
    >>> engine_options(parse_engine(["engine=processes", "engine.workers=2"]))
    'engine=processes engine.workers=2'
    """
    changed = [
        field for field in fields(engine) if field.name != "detach" and getattr(engine, field.name) != field.default
    ]
    return shlex.join(
        [
            f"engine={registry.name_of('engine', type(engine))}",
            *(f"engine.{field.name}={_as_yaml(getattr(engine, field.name))}" for field in changed),
        ]
    )


def _as_yaml(value: Any) -> str:
    """Return text that is parsed as the value."""
    if isinstance(value, str):
        try:
            if parse(value, "value", lines=False).value == value:
                return value
        except DeclarationError:
            pass
    return json.dumps(value)


def engine_from_note(note: Mapping[str, Any] | None) -> Engine | None:
    """Return the engine that a driver noted in a run's folder (`spatialnets.engines.driver.driver_note`).

    None if there is no note, or if the engine is not installed here; code that a folder names is never imported.
    """
    if note is None or note.get("engine") not in registry.names("engine") or not isinstance(note.get("fields"), dict):
        return None
    block = from_plain({"kind": note["engine"], **note["fields"]}, "engine.json")
    engine = Builder([], {}, families={**FAMILY_OF, Engine: "engine"}).build("engine", block, "engine")
    return engine if isinstance(engine, Engine) else None
