"""A claim on a job: two processes never compute the same one, and a dead process claims nothing."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatialnets.engines.job import Advance
from spatialnets.errors import RunError
from spatialnets.runs.run import Run

__all__ = [
    "INTERVAL",
    "WITHOUT_LOCKS",
    "Cancelled",
    "Claimed",
    "at_work",
    "cancellation",
    "claim",
    "hold",
    "is_held",
    "take",
    "watched",
]

INTERVAL = 1.0  # seconds between two looks for a cancellation: rare enough for a shared file system

PATIENCE = 0.5  # seconds: somebody who only looks whether a file is locked locks it for a moment
# said by some network file systems
WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}


class Claimed(RunError):
    """Another process is at this job."""


class Cancelled(KeyboardInterrupt):
    """Somebody has cancelled the run: it stops as if by Ctrl-C."""


def take(lock: int) -> bool:
    """Lock an open file for this process; tell whether that was possible, or another process keeps it locked."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
        else:
            return True


def hold(path: Path) -> int | None:
    """Lock a file for this process; return what keeps it locked until it is closed, or None if another holds it.

    The kernel frees the lock when the process dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not take(lock):
                os.close(lock)
                return None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                os.close(lock)
                raise
            return lock  # nothing is at stake but time: two processes would compute the same bits
        try:
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        except FileNotFoundError:
            pass
        os.close(lock)  # who held it before has removed it meanwhile


def is_held(path: Path) -> bool | None:
    """Tell whether a process, here or on another machine, has locked a file; None where files cannot be locked."""
    try:
        lock = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(lock)
    return False


def at_work(run: Run) -> tuple[str, ...]:
    """Return the keys of the jobs of a run that processes are at, here or on another machine."""
    folder = run.folder / "engine" / "claims"
    return tuple(sorted(path.name for path in folder.glob("*") if is_held(path)))


@contextmanager
def claim(run: Run, key: str, name: str) -> Iterator[None]:
    """Claim a job for as long as this lasts.

    Parameters
    ----------
    run
        Whose job.
    key, name
        Of the job.

    Raises
    ------
    Claimed
        If another process has claimed it.
    """
    path = run.folder / "engine" / "claims" / key
    try:
        lock = hold(path)
    except OSError as error:
        raise RunError(f"cannot write in {path.parent}: {error.strerror or error}") from error
    if lock is None:
        raise Claimed(f"{name} is being computed by another process; wait for it or stop it")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def cancellation(folder: Path) -> Path:
    """Return the file that is there while the run in a folder is cancelled."""
    return folder / "engine" / "cancelled"


def watched(run: Run, advance: Advance) -> Advance:
    """Return `advance` so that it looks now and then whether the run was cancelled.

    Raises
    ------
    Cancelled
        At a call after the cancellation.
    """
    path, last = cancellation(run.folder), -INTERVAL

    def look(count: int, status: str) -> None:
        nonlocal last
        advance(count, status)
        if time.monotonic() - last >= INTERVAL:
            last = time.monotonic()
            if path.exists():
                raise Cancelled(f"{run.folder} was cancelled")

    return look
