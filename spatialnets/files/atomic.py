"""Atomic writes, and checksums beside files."""

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
from typing import IO

from spatialnets.errors import StorageError

__all__ = [
    "atomic_file",
    "checksum_error",
    "checksum_path",
    "digest_of",
    "extended_file",
    "move_checked",
    "reason_of",
    "remove_leftovers",
    "rename_damaged",
    "write_bytes",
    "write_checked",
    "write_text",
]

_REASONS = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "you have no permission to write here",
    errno.EPERM: "you have no permission to write here",
    errno.EROFS: "the file system is read-only",
    errno.ENOTDIR: "part of the path is a file, not a folder",
    errno.EFBIG: "the file would be too large",
}
LEFTOVER = re.compile(r"\..+\.(?P<host>[A-Za-z0-9_-]+)-(?P<pid>\d+)-\d+\.tmp")
MAX_CHECKSUM_BYTES = 1000
MAX_WRITING_SECONDS = 24 * 3600.0  # an older temporary file was abandoned


def reason_of(error: OSError) -> str:
    """Return in plain words why a file cannot be written.

    Examples
    --------
    >>> reason_of(OSError(errno.ENOSPC, "No space left on device"))
    'the disk is full'
    """
    return _REASONS.get(error.errno or 0, str(error))


def _host() -> str:
    """Return this machine's name without dots, which separate the fields of a temporary name."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", socket.gethostname())[:64]


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to; on success the file is synced to disk and renamed to `path`.

    A reader sees the old file or the new one, never an incomplete one, even after a power cut.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; existing files are unchanged.
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
        with suppress(OSError):  # a leftover does no harm and is removed later
            temporary.unlink(missing_ok=True)


@contextmanager
def extended_file(path: Path, start: int) -> Iterator[IO[bytes]]:
    """Yield an existing file that is open for writing from a position on; on success it is synced to disk.

    What is before that position is unchanged, even after a power cut; what is after it may be anything.

    Raises
    ------
    StorageError
        If the disk is full or the file cannot be written.
    """
    try:
        with open(path, "rb+") as file:
            file.seek(start)
            yield file
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> StorageError:
    return StorageError(f"cannot write {path}: {reason_of(error)}; existing files are unchanged")


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
    """Write a file atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 text file atomically."""
    write_bytes(path, content.encode())


def checksum_path(path: Path) -> Path:
    """Return the path of a file's checksum, which is beside it, in the format of ``sha256sum``.

    Examples
    --------
    >>> checksum_path(Path("shards/00003.nc")).name
    '00003.nc.sha256'
    """
    return path.with_name(f"{path.name}.sha256")


def write_checked(path: Path, content: bytes) -> None:
    """Write a file and its checksum, atomically.

    The checksum is written before the file, and an older file is removed before its checksum changes. A process that
    is killed in between leaves a checksum without a file, never a file with a wrong checksum or none.

    Raises
    ------
    StorageError
        As `atomic_file`.
    """
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)
        _sync(temporary)  # shows that the disk has enough space before the older file is removed
        path.unlink(missing_ok=True)
        write_text(checksum_path(path), f"{hashlib.sha256(content).hexdigest()}  {path.name}\n")


def move_checked(old: Path, new: Path) -> None:
    """Move a file and its checksum, so that no file is ever beside the checksum of another.

    Raises
    ------
    StorageError
        If the folder cannot be written, or the checksum is not text.
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
        raise StorageError(f"{checksum_path(old)} is damaged: it is not text; remove it and {old}") from error
    except OSError as error:
        raise _unwritable(new, error) from error


def digest_of(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, which a process reads again only after the file has changed.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    status = os.stat(path)
    return _digest(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=65536)
def _digest(path: str | Path, size: int, modified: int, changed: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def checksum_error(path: Path) -> str:
    """Return why a file is damaged according to its checksum; empty if it is intact or has no checksum.

    Raises
    ------
    OSError
        If the file or its checksum cannot be read.
    """
    checksum = checksum_path(path)
    try:
        status = checksum.stat()
    except FileNotFoundError:
        return ""
    # reading a pipe would wait forever, and a device has no end
    readable = stat.S_ISREG(status.st_mode) and status.st_size < MAX_CHECKSUM_BYTES
    if readable and checksum.read_bytes() == f"{digest_of(path)}  {path.name}\n".encode():
        return ""
    return f"it does not match its checksum in {checksum.name}"


def rename_damaged(path: Path) -> Path:
    """Rename a damaged file to an unused name and return it, so that nothing is deleted or overwritten.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    number = 1
    while True:
        renamed = path.with_name(f"{path.name}.damaged" + (f"-{number}" if number > 1 else ""))
        try:
            os.close(os.open(renamed, os.O_CREAT | os.O_EXCL, 0o644))  # reserves the name
            _rename(path, renamed)
        except FileExistsError:
            number += 1
        except OSError as error:
            raise _unwritable(renamed, error) from error
        else:
            return renamed


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of ended processes of this machine, and all that are older than a day.

    Others may still be written, here or on other machines.
    """
    with suppress(OSError):
        now = _time_of_storage(folder)
        for leftover in folder.rglob(".*.tmp"):
            with suppress(OSError):  # the process may just have renamed it, or it is a folder
                if _is_abandoned(leftover.name) or now - leftover.stat().st_mtime > MAX_WRITING_SECONDS:
                    leftover.unlink()


def _time_of_storage(folder: Path) -> float:
    """Return the time of the clock that dates files, which may be that of a file server and differ from ours."""
    probe = folder / f".time.{_host()}-{os.getpid()}-{threading.get_ident()}.tmp"
    try:
        probe.touch()
        return probe.stat().st_mtime
    finally:
        probe.unlink(missing_ok=True)


def _is_abandoned(name: str) -> bool:
    """Tell whether the process that wrote a temporary file ran on this machine and has ended."""
    match = LEFTOVER.fullmatch(name)
    if match is None or match["host"] != _host():
        return False
    try:
        os.kill(int(match["pid"]), 0)  # signal 0 only tests whether the process exists
    except (ProcessLookupError, OverflowError):
        return True
    except PermissionError:  # it exists and belongs to another user
        return False
    return False
