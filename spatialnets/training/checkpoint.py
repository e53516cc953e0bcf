"""Checkpoints: the state of a shard in training, and beside it a file of its history that only grows.

The state is small and replaced as a whole. The history has a record for each stored epoch; the state says how much of
it counts, so that whatever a killed process has added after that is ignored and written again.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import RunError
from spatialnets.files.atomic import atomic_file, extended_file, rename_damaged
from spatialnets.files.limits import check_file, check_size, read_arrays
from spatialnets.files.reading import one_line

__all__ = [
    "HistoryMark",
    "history_path",
    "read_checkpoint",
    "read_history",
    "remove_checkpoint",
    "rename_damaged_checkpoint",
    "updates_in",
    "write_checkpoint",
]

_DIGEST = hashlib.sha256().digest_size
CHUNK = 2**20
MAX_HEADER_BYTES = 2**20  # of a record: names, types and shapes of some ten arrays

Record: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class HistoryMark:
    """How much of a history file counts.

    Parameters
    ----------
    records
        Number of records, one for each stored epoch.
    size
        Their size in bytes.
    digest
        SHA-256 of the last record and the digest of the one before, which covers them all; in hexadecimal.
    """

    records: int = 0
    size: int = 0
    digest: str = ""


def history_path(path: Path) -> Path:
    """Return the path of the history that belongs to a checkpoint.

    Examples
    --------
    >>> history_path(Path("checkpoints/00003.npz")).name
    '00003.history'
    """
    return path.with_suffix(".history")


def write_checkpoint(
    path: Path, progress: Mapping[str, Any], arrays: Record, history: Sequence[Record], mark: HistoryMark
) -> HistoryMark:
    """Add new records to the history and then replace the state; return how much of the history counts now.

    The state is an ``.npz`` file followed by its SHA-256 as the last 32 bytes.

    Parameters
    ----------
    path
        The file of the state.
    progress
        Progress of training as plain data; ``updates`` is the number of updates made.
    arrays
        All arrays of the state, by name.
    history
        The arrays of each stored epoch, by name.
    mark
        What an earlier call of this process returned; at first, ``HistoryMark()``, which replaces the whole history.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; the earlier checkpoint is unchanged.
    """
    mark = _write_history(history_path(path), history, mark)
    text = json.dumps({**progress, "history": astuple(mark)})
    with atomic_file(path) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, progress=np.array(text), **arrays)  # type: ignore[arg-type]
        with open(temporary, "rb+") as file:
            file.write(hashlib.file_digest(file, "sha256").digest())
    return mark


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read the state in a checkpoint and return its progress and arrays.

    Raises
    ------
    RunError
        If the file cannot be read or does not match its checksum.
    """
    try:
        check_file(path)
        with open(path, "rb") as file:
            length = file.seek(-_DIGEST, os.SEEK_END)
            written = file.read()
            file.seek(0)
            if _digest(file, length) != written:
                raise ValueError("it does not match its checksum")
        arrays = read_arrays(path)
        return json.loads(str(arrays.pop("progress"))), arrays
    except Exception as error:  # readers of damaged files raise many kinds of exception
        raise RunError(f"checkpoint {path} cannot be read: {one_line(error)}") from error


def _digest(file: IO[bytes], length: int) -> bytes:
    """Return the SHA-256 of the first `length` bytes of a file."""
    digest = hashlib.sha256()
    for start in range(0, length, CHUNK):
        digest.update(file.read(min(CHUNK, length - start)))
    return digest.digest()


def updates_in(path: Path) -> int:
    """Return the number of updates of each network in a checkpoint; 0 if it does not exist or cannot be read."""
    try:
        check_file(path)
        with zipfile.ZipFile(path) as archive, archive.open("progress.npy") as member:
            check_size(path, archive.getinfo("progress.npy").file_size)
            progress = np.lib.format.read_array(member, allow_pickle=False)
        return int(json.loads(str(progress))["updates"])
    except Exception:  # many kinds, as above
        return 0


# The history: for each record a line of JSON with the type and shape of each array, the values, and a digest


def _write_history(path: Path, history: Sequence[Record], mark: HistoryMark) -> HistoryMark:
    """Add the records that a history file lacks; a file that another process has shortened is written again."""
    try:
        complete = mark.records > 0 and path.stat().st_size >= mark.size
    except OSError:
        complete = False
    if complete and mark.records == len(history):
        return mark
    if complete:
        with extended_file(path, mark.size) as file:
            return _write_records(file, history, mark)
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        return _write_records(file, history, HistoryMark())


def _write_records(file: IO[bytes], history: Sequence[Record], mark: HistoryMark) -> HistoryMark:
    size, digest = mark.size, bytes.fromhex(mark.digest)
    for number in range(mark.records, len(history)):
        record = {name: np.ascontiguousarray(values) for name, values in history[number].items()}
        header = json.dumps({name: (values.dtype.str, values.shape) for name, values in record.items()})
        chain = hashlib.sha256(digest)
        parts: list[bytes | memoryview] = [f"{header}\n".encode(), *map(_bytes, record.values())]
        for part in parts:
            file.write(part)
            chain.update(part)
            size += len(part)
        digest = chain.digest()
        size += file.write(digest)
    return HistoryMark(len(history), size, digest.hex())


def read_history(path: Path, mark: HistoryMark) -> Iterator[dict[str, NDArray[Any]]]:
    """Yield the records that count; what is written after them in the file is ignored.

    Parameters
    ----------
    path
        The history file.
    mark
        How much of it counts.

    Raises
    ------
    RunError
        If the file is missing or shorter than that, or does not match its digests.
    """
    try:
        check_file(path)
        with open(path, "rb") as file:
            end = min(mark.size, os.fstat(file.fileno()).st_size)
            digest = b""
            for _ in range(mark.records):
                header = file.readline(MAX_HEADER_BYTES)
                chain = hashlib.sha256(digest + header)
                record = {}
                for name, (dtype, shape) in json.loads(header).items():
                    record[name] = _read_values(file, np.dtype(dtype), shape, end)
                    chain.update(_bytes(record[name]))
                digest = chain.digest()
                if file.read(_DIGEST) != digest:
                    raise ValueError("it does not match its checksum")
                yield record
            if (file.tell(), digest.hex()) != (mark.size, mark.digest):
                raise ValueError("it does not belong to the checkpoint")
    except Exception as error:  # as for the state
        raise RunError(f"history {path} cannot be read: {one_line(error)}") from error


def _read_values(file: IO[bytes], dtype: np.dtype[Any], shape: Sequence[int], end: int) -> NDArray[Any]:
    """Return the numbers of an array, if they lie before the end."""
    size = math.prod(shape) * dtype.itemsize
    if dtype.kind != "f" or min(shape, default=0) < 0 or size > end - file.tell():
        raise ValueError(f"it cannot hold {dtype} {tuple(shape)}")
    return np.frombuffer(file.read(size), dtype).reshape(shape)


def _bytes(values: NDArray[Any]) -> memoryview:
    """Return the memory of a contiguous array."""
    return values.reshape(-1).view(np.uint8).data


# Both files


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint and its history; a history alone does no harm."""
    path.unlink(missing_ok=True)
    history_path(path).unlink(missing_ok=True)


def rename_damaged_checkpoint(path: Path) -> Path:
    """Rename a checkpoint, and its history if there is one, to unused names; return that of the checkpoint.

    Raises
    ------
    StorageError
        If the folder cannot be written.
    """
    history = history_path(path)
    if history.exists() or history.is_symlink():
        rename_damaged(history)
    return rename_damaged(path)
