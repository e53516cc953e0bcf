"""Checkpoints: the state of a shard in training, in one file that ends with its own checksum."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import RunError
from spatialnets.files.atomic import atomic_file
from spatialnets.files.limits import check_file, headers_in, read_arrays
from spatialnets.files.reading import one_line

__all__ = ["read_checkpoint", "updates_in", "write_checkpoint"]

_DIGEST = hashlib.sha256().digest_size
CHUNK = 2**20


def write_checkpoint(path: Path, progress: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a checkpoint atomically: an ``.npz`` file followed by its SHA-256 as the last 32 bytes.

    Parameters
    ----------
    path
        The file.
    progress
        Progress of training as plain data; ``updates`` is the number of updates made.
    arrays
        All arrays, by name.
    """
    with atomic_file(path) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, progress=np.array(json.dumps(dict(progress))), **arrays)  # type: ignore[arg-type]
        with open(temporary, "rb+") as file:
            file.write(hashlib.file_digest(file, "sha256").digest())


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Read a checkpoint and return its progress and arrays.

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
        headers_in(path)
        with open(path, "rb") as stored, np.load(stored, allow_pickle=False) as file:
            return int(json.loads(str(file["progress"]))["updates"])
    except Exception:  # many kinds, as above
        return 0
