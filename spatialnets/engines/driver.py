"""The driver of a run: the process that hands its jobs to an engine, noted in the run's folder for everyone to see."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from spatialnets.engines.claim import cancellation_file
from spatialnets.engines.engine import Engine
from spatialnets.files.atomic import write_text
from spatialnets.files.locks import hold, is_held
from spatialnets.registry import name_of
from spatialnets.runs.run import Run

__all__ = ["driver_note", "has_driver", "register_driver"]


@contextmanager
def register_driver(run: Run, engine: Engine, total: int, done: int, what: str) -> Iterator[None]:
    """Note this process as the driver of a run in ``engine/engine.json`` within the block, and lift any cancellation.

    If the run has a driver already, for example if it is measured while it is trained, that driver's note stays.

    Parameters
    ----------
    run, engine
        The run, and the engine that computes its jobs.
    total, done
        Total amount of work, and the amount done in earlier sessions.
    what
        Unit of these amounts.
    """
    folder = run.folder / "engine"
    lock = hold(folder / "driving")
    if lock is None:
        yield
        return
    note = folder / "engine.json"
    try:
        cancellation_file(run.folder).unlink(missing_ok=True)
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
        if engine.state(run) is None:  # otherwise a scheduler continues, and `status` and `cancel` need the note
            note.unlink(missing_ok=True)
        os.close(lock)


def has_driver(run: Run) -> bool:
    """Tell whether a process on any machine is computing a run, or is about to."""
    held = is_held(run.folder / "engine" / "driving")
    if held is None:  # on a file system without locks there is only the note
        return (run.folder / "engine" / "engine.json").exists()
    return held or bool(is_held(run.folder / ".lock"))


def driver_note(run: Run) -> dict[str, Any] | None:
    """Return the note of a run's driver, which stays if the driver is killed; None if there is none."""
    try:
        content = json.loads((run.folder / "engine" / "engine.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
