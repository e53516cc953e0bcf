"""The engine that words of a command line ask for."""

from __future__ import annotations

from collections.abc import Sequence

from spatialnets.building import Builder
from spatialnets.declaration import Node, word_value
from spatialnets.engine import Engine
from spatialnets.errors import DeclarationError

__all__ = ["engine_from", "is_of_engine"]


def is_of_engine(word: str) -> bool:
    """Tell whether a word is about the engine.

    Examples
    --------
    >>> is_of_engine("engine=slurm"), is_of_engine("engine.workers=8"), is_of_engine("geometry=sphere")
    (True, True, False)
    """
    return word.partition("=")[0].strip().partition(".")[0] == "engine"


def engine_from(words: Sequence[str], workers: int | None = None) -> Engine:
    """Return an engine: ``engine=NAME`` says which, by default ``here``, and ``engine.FIELD=VALUE`` how.

    Parameters
    ----------
    words
        Those about the engine.
    workers
        Jobs at a time, unless a word says so.

    Raises
    ------
    DeclarationError
        With every mistake in the words.

    Examples
    --------
    >>> engine_from(["engine=processes", "engine.workers=2"])
    Processes(workers=2)
    """
    content = {} if workers is None else {"workers": Node(workers, "--workers")}
    kind = Node("here", "engine")
    for word in words:
        key, equals, text = word.partition("=")
        mark, path = f"word '{word}'", key.strip().split(".")
        if not equals or len(path) > 2 or not path[-1]:
            raise DeclarationError([f"{mark}: expected engine=NAME or engine.FIELD=VALUE, such as engine.workers=8"])
        if len(path) == 1:
            kind = Node(word_value(text, mark).value, mark)
        else:
            content[path[1]] = word_value(text, mark)
    problems: list[str] = []
    engine = Builder(problems, {}).build("engine", Node({"kind": kind, **content}, kind.mark), "engine")
    if problems:
        raise DeclarationError(problems)
    assert isinstance(engine, Engine)
    return engine
