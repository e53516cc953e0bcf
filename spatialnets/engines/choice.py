"""The engine that is asked for, in words or in Python."""

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
from spatialnets.experiments.declaration import Node, from_plain, parse

__all__ = ["chosen", "engine_noted", "engine_of", "is_engine_word", "words_of"]


def chosen(engine: Engine | None, workers: int | None) -> Engine:
    """Return an engine, by default this machine, with so many jobs at a time if that is said.

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


def is_engine_word(word: str) -> bool:
    """Tell whether a word of a command line is about the engine.

    Examples
    --------
    >>> is_engine_word("engine=dask"), is_engine_word("engine.workers=2"), is_engine_word("geometry=sphere")
    (True, True, False)
    """
    key, equals, _ = word.partition("=")
    return bool(equals) and key.strip().partition(".")[0] == "engine"


def engine_of(words: Sequence[str]) -> Engine | None:
    """Return the engine that words such as ``engine=processes engine.workers=2`` name; None if there are no words.

    Raises
    ------
    DeclarationError
        With every mistake in them.

    Examples
    --------
    >>> engine_of(["engine=processes", "engine.workers=2"])
    Processes(workers=2)
    """
    if not words:
        return None
    problems: list[str] = []
    block: dict[str, Node] = {"kind": Node("here", "by default")}
    for word in words:
        key, equals, text = word.partition("=")
        path, mark = key.strip().split("."), f"word '{word}'"
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
    marks = ", ".join(f"word '{word}'" for word in words)
    made = builder.build("engine", Node(dict(block), marks), "engine") if not problems else None
    if problems:
        raise DeclarationError(problems)
    assert isinstance(made, Engine)
    return made


def words_of(engine: Engine) -> str:
    """Return the words of a command line that name an engine, all but `detach`, to go on with.

    Examples
    --------
    >>> words_of(engine_of(["engine=processes", "engine.workers=2"]))
    'engine=processes engine.workers=2'
    """
    others = [
        field for field in fields(engine) if field.name != "detach" and getattr(engine, field.name) != field.default
    ]
    return shlex.join(
        [
            f"engine={registry.name_of('engine', type(engine))}",
            *(f"engine.{field.name}={_written(getattr(engine, field.name))}" for field in others),
        ]
    )


def _written(value: Any) -> str:
    """Return what is read as a value again."""
    if isinstance(value, str):
        try:
            if parse(value, "a word", lines=False).value == value:
                return value
        except DeclarationError:
            pass
    return json.dumps(value)


def engine_noted(note: Mapping[str, Any] | None) -> Engine | None:
    """Return the engine of a note in a run's folder (`spatialnets.engines.driver.driver`).

    None if there is no note, or the engine is not installed here: no other code that a folder names is imported.
    """
    if note is None or note.get("engine") not in registry.names("engine") or not isinstance(note.get("fields"), dict):
        return None
    block = from_plain({"kind": note["engine"], **note["fields"]}, "engine.json")
    made = Builder([], {}, families={**FAMILY_OF, Engine: "engine"}).build("engine", block, "engine")
    return made if isinstance(made, Engine) else None
