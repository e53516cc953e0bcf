"""Who computes a run: noted in its folder for as long as that lasts, for everybody who looks."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from spatialnets.engines.claim import cancellation, hold, is_held
from spatialnets.engines.engine import Engine
from spatialnets.files.atomic import write_text
from spatialnets.registry import name_of
from spatialnets.runs.run import Run

__all__ = ["driver", "driving", "forget_cancellation", "is_driven"]


@contextmanager
def driving(run: Run, engine: Engine, total: int, done: int, what: str) -> Iterator[None]:
    """Note who computes, in ``engine/engine.json``, and forget that the run was ever cancelled.

    Where another process computes already, as when a run is measured while it is trained, its note stays.

    Parameters
    ----------
    run, engine
        What is computed, and where.
    total, done
        How much there is in all, and how much was done in earlier sittings.
    what
        What is counted.
    """
    folder = run.folder / "engine"
    lock = hold(folder / "driving")
    if lock is None:
        yield
        return
    note = folder / "engine.json"
    try:
        forget_cancellation(run)
        content = {
            "engine": name_of("engine", type(engine)),
            "fields": dataclasses.asdict(engine),
            "host": platform.node(),
            "pid": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
            "what": what,
            "total": total,
            "done": done,
        }
        write_text(note, json.dumps(content, indent=2) + "\n")
        yield
    finally:
        if engine.state(run) is None:  # otherwise a scheduler goes on, and whoever looks or cancels must find it
            note.unlink(missing_ok=True)
        os.close(lock)


def is_driven(run: Run) -> bool:
    """Tell whether a process, here or on another machine, computes a run now, or is about to."""
    held = is_held(run.folder / "engine" / "driving")
    if held is None:  # a file system without locks: the note is all there is
        return (run.folder / "engine" / "engine.json").exists()
    return held or bool(is_held(run.folder / ".lock"))


def driver(run: Run) -> dict[str, Any] | None:
    """Return who computes a run, or did when it was killed; None if nobody said so."""
    try:
        content = json.loads((run.folder / "engine" / "engine.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def forget_cancellation(run: Run) -> None:
    """Remove the sign that a run was cancelled: somebody wants it again."""
    cancellation(run.folder).unlink(missing_ok=True)
