"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatialnets.errors import RunError

__all__ = ["remove_leftovers", "whole_file", "write_bytes", "write_text"]

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "this place is not writable for you",
    errno.EPERM: "this place is not writable for you",
    errno.EROFS: "this place is read-only",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EFBIG: "the file would be too large",
}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; on success the file is synced to disk and renamed to `path`.

    A reader, even after a power cut, meets the old file or the new one, never a part.

    Raises
    ------
    RunError
        If the disk is full or the place cannot be written; nothing else is touched.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with open(temporary, "rb+") as written:
            os.fsync(written.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        reason = _REASONS.get(error.errno or 0, str(error))
        raise RunError(f"cannot write {path}: {reason}; what was written before is untouched") from error
    finally:
        if temporary.parent.is_dir():
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


def remove_leftovers(folder: Path, quiet_seconds: float = 0) -> None:
    """Remove temporary files that a killed process left under a folder.

    Parameters
    ----------
    folder
        Where to look, and in all folders below.
    quiet_seconds
        Leave files that were written to in the last so many seconds: other processes may be at work.
    """
    for leftover in folder.rglob(".*.tmp"):
        try:
            if quiet_seconds and time.time() - leftover.stat().st_mtime < quiet_seconds:
                continue
        except FileNotFoundError:
            continue
        leftover.unlink(missing_ok=True)
