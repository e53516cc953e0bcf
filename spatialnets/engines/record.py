"""Who computes a run: written into its folder, for whoever looks from another shell or machine."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from spatialnets import registry
from spatialnets.engine import Engine
from spatialnets.errors import RunError, UserError
from spatialnets.files.sizes import plain_text
from spatialnets.manifest import check_inside
from spatialnets.run import Run
from spatialnets.storage import write_text

__all__ = ["at_work", "engine_of_last", "held", "last_driver", "refuse_other_engines"]


@contextmanager
def at_work(run: Run, engine: Engine) -> Iterator[None]:
    """Note that this process computes a run with an engine, for as long as this lasts."""
    known = {
        "engine": registry.name_of("engine", type(engine)),
        "fields": dataclasses.asdict(engine),
        "host": platform.node(),
        "pid": os.getpid(),
        "since": _now(),
        "until": None,
    }
    _write(run, known)
    try:
        yield
    finally:
        with contextlib.suppress(RunError):  # a disk that is full has been reported already
            _write(run, {**known, "until": _now()})


def _write(run: Run, known: dict[str, Any]) -> None:
    write_text(run.folder / "engine" / "engine.json", json.dumps(known, indent=2, default=str) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def last_driver(run: Run) -> dict[str, Any] | None:
    """Return what the last process that computed a run wrote of itself, if there was one and it can be read."""
    path = run.folder / "engine" / "engine.json"
    check_inside(run.folder, run.folder / "engine")
    check_inside(run.folder, path)
    try:
        known = json.loads(plain_text(path))
    except (UserError, ValueError, RecursionError):
        return None
    wanted = {"engine": str, "host": str, "pid": int, "since": str}
    if not isinstance(known, dict) or not all(isinstance(known.get(key), kind) for key, kind in wanted.items()):
        return None
    return known


def engine_of_last(run: Run) -> Engine | None:
    """Return the engine of the last process, by which to ask its scheduler, if there was one."""
    known = last_driver(run)
    if known is None or known["engine"] not in registry.names("engine"):
        return None
    try:
        found: Engine = registry.load("engine", known["engine"])()
    except (UserError, TypeError, ValueError):
        return None
    return found


def refuse_other_engines(run: Run, engine: Engine) -> None:
    """Refuse to compute what the scheduler of another engine still has.

    Raises
    ------
    RunError
        Saying what it has, and what to do.
    """
    other = engine_of_last(run)
    if other is None or isinstance(engine, type(other)):
        return
    state = other.state(run)
    if state is not None:
        name = registry.name_of("engine", type(other))
        raise RunError(
            f"{state} of this run; wait for it with spatialnets resume {run.folder} engine={name}, or stop it with "
            f"spatialnets cancel {run.folder}"
        )


def held(run: Run) -> bool:
    """Tell whether a process holds a run, as whoever computes it does."""
    try:
        lock = os.open(run.folder / ".lock", os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(lock)
    return False
