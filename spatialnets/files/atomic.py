"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from spatialnets.errors import StorageError

__all__ = [
    "checksum_path",
    "damage",
    "digest_of",
    "move_checked",
    "reason_of",
    "remove_leftovers",
    "set_aside",
    "whole_file",
    "write_bytes",
    "write_checked",
    "write_text",
]

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "this place is not writable for you",
    errno.EPERM: "this place is not writable for you",
    errno.EROFS: "this place is read-only",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EFBIG: "the file would be too large",
}


LEFTOVER = re.compile(r"\..+\.(?P<host>[A-Za-z0-9_-]+)-(?P<pid>\d+)-\d+\.tmp")
LONGEST_CHECKSUM = 1000  # bytes of the line
FORGOTTEN = 24 * 3600.0  # seconds after which nobody is still writing a file


def reason_of(error: OSError) -> str:
    """Say in plain words why a file cannot be written.

    Examples
    --------
    >>> reason_of(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full'
    """
    return _REASONS.get(error.errno or 0, str(error))


def _host() -> str:
    """Return this machine's name without the dots that separate the parts of a temporary name."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())[:64]


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Give a temporary name to write to; on success the file is synced to disk and renamed to `path`.

    A reader, even after a power cut, meets the old file or the new one, never a part.

    Raises
    ------
    StorageError
        If the disk is full or the place cannot be written; nothing else is touched.
    """
    temporary = path.with_name(f".{path.name}.{_host()}-{os.getpid()}-{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _sync(temporary)
        _rename(temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        with suppress(OSError):  # what was written is what counts; leftovers are removed another time
            temporary.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {reason_of(error)}; what was written before is untouched")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _rename(old: Path, new: Path) -> None:
    os.replace(old, new)
    _sync(new.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    write_bytes(path, content.encode())


# Files with a checksum beside them


def checksum_path(path: Path) -> Path:
    """Return where the checksum of a file is: beside it, in the format of ``sha256sum``.

    Examples
    --------
    >>> checksum_path(Path("shards/00003.nc")).name
    '00003.nc.sha256'
    """
    return path.with_name(f"{path.name}.sha256")


def write_checked(path: Path, content: bytes) -> None:
    """Write a file and its checksum, whole or not at all.

    The checksum is there before the file, and an older file is removed before its checksum changes. A process killed
    in between leaves a checksum without a file, never a file with the checksum of another or none.

    Raises
    ------
    StorageError
        As `whole_file`.
    """
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
        _sync(temporary)  # room is there for all of it before the older file goes
        path.unlink(missing_ok=True)
        write_text(checksum_path(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")


def move_checked(old: Path, new: Path) -> None:
    """Move a file and its checksum, in an order in which no file is ever beside the checksum of another.

    Raises
    ------
    StorageError
        If the place cannot be written.
    """
    try:
        new.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)
        if checksum_path(old).exists():
            digest = checksum_path(old).read_text(encoding="utf-8").partition(" ")[0]
            write_text(checksum_path(new), f"{digest}  {new.name}\n")
        else:
            checksum_path(new).unlink(missing_ok=True)
        _rename(old, new)
        checksum_path(old).unlink(missing_ok=True)
    except UnicodeDecodeError as error:
        raise StorageError(f"{checksum_path(old)} is damaged: it is no text; remove it and {old}") from error
    except OSError as error:
        raise _unwritable(new, error) from error


def digest_of(path: Path) -> str:
    """Return the SHA-256 of what a file holds; each state of a file is read once by a process.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    found = path.stat()
    return _digest(path, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


@lru_cache(maxsize=65536)
def _digest(path: Path, size: int, modified: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def damage(path: Path) -> str:
    """Say what is wrong with a file by its checksum; nothing if it is whole, or has none, as in older runs.

    Raises
    ------
    OSError
        If the file or its checksum cannot be read.
    """
    checksum = checksum_path(path)
    try:
        found = checksum.stat()
    except FileNotFoundError:
        return ""
    # a pipe would wait for ever, a device never end
    said = checksum.read_bytes() if stat.S_ISREG(found.st_mode) and found.st_size < LONGEST_CHECKSUM else b""
    if said == f"{digest_of(path)}  {path.name}\n".encode():
        return ""
    return f"it does not match its checksum in {checksum.name}"


def set_aside(path: Path) -> Path:
    """Rename a damaged file to a name that is free, and return that: nothing is deleted or overwritten.

    Raises
    ------
    StorageError
        If the place cannot be written.
    """
    number = 1
    while True:
        aside = path.with_name(f"{path.name}.damaged" + (f"-{number}" if number > 1 else ""))
        try:
            os.close(os.open(aside, os.O_CREAT | os.O_EXCL, 0o644))  # the name is ours from here on
            _rename(path, aside)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _unwritable(aside, error) from error
        else:
            return aside


# Leftovers


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes of this machine that are gone, and any that are older than a day.

    Those of other processes that live, here or on other machines, are being written.
    """
    with suppress(OSError):
        now = _time_of_storage(folder)
        for leftover in folder.rglob(".*.tmp"):
            with suppress(OSError):  # its owner may have renamed it, or it is a folder
                if _is_abandoned(leftover.name) or now - leftover.stat().st_mtime > FORGOTTEN:
                    leftover.unlink()


def _time_of_storage(folder: Path) -> float:
    """Return the time by the clock that dates files: a file server's may differ from this machine's, or be set."""
    probe = folder / f".time.{_host()}-{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _is_abandoned(name: str) -> bool:
    """Tell whether the process that wrote a temporary file ran on this machine and is gone."""
    match = LEFTOVER.fullmatch(name)
    if match is None or match["host"] != _host():
        return False
    try:
        os.kill(int(match["pid"]), 0)  # signal 0 asks whether it is there
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # somebody else's, alive
        return False
    return False
