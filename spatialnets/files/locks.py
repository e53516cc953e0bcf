"""File locks, which the kernel releases when the process that holds them dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from pathlib import Path

__all__ = ["WITHOUT_LOCKS", "hold", "is_held", "try_lock"]

WAIT_SECONDS = 0.5  # a process that only tests a lock holds it for a moment
WITHOUT_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL}
"""Errors of network file systems that have no locks."""


def try_lock(lock: int) -> bool:
    """Lock an open file for this process; return False if another process holds the lock."""
    until = time.monotonic() + WAIT_SECONDS
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
    """Lock a file for this process; return the descriptor that holds the lock, or None if another process does.

    The lock is released when the descriptor is closed or the process dies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not try_lock(lock):
                os.close(lock)
                return None
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                os.close(lock)
                raise
            return lock  # without locks two processes may compute the same bits twice, which costs only time
        try:
            if os.path.samestat(os.fstat(lock), os.stat(path)):
                return lock
        except FileNotFoundError:
            pass
        os.close(lock)  # the process that held it before has removed the file


def is_held(path: Path) -> bool | None:
    """Tell whether a process on any machine has locked a file; None if the file system has no locks."""
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
