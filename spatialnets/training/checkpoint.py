"""Checkpoints: what a shard in training needs to go on, in one file that says whether it is whole."""

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
from spatialnets.files.atomic import whole_file
from spatialnets.files.limits import check_file, headers_in, read_arrays
from spatialnets.files.reading import words_of

__all__ = ["read_checkpoint", "updates_in", "write_checkpoint"]

_DIGEST = hashlib.sha256().digest_size
CHUNK = 2**20


def write_checkpoint(path: Path, progress: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a checkpoint, whole or not at all: an ``.npz`` file, and the SHA-256 of it as its last 32 bytes.

    Parameters
    ----------
    path
        The file.
    progress
        Plain data: how far training has come. ``updates`` says how many updates have been made.
    arrays
        Everything else, by name.
    """
    with whole_file(path) as temporary:
        with open(temporary, "wb") as file:
            np.savez(file, progress=np.array(json.dumps(dict(progress))), **arrays)  # type: ignore[arg-type]
        with open(temporary, "rb+") as file:
            file.write(hashlib.file_digest(file, "sha256").digest())


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return progress and arrays of a checkpoint.

    Raises
    ------
    RunError
        If the file cannot be read or is not what was written.
    """
    try:
        check_file(path)
        with open(path, "rb") as file:
            length = file.seek(-_DIGEST, os.SEEK_END)
            written = file.read()
            file.seek(0)
            if _digest(file, length) != written:
                raise ValueError("it is not what was written")
        arrays = read_arrays(path)
        return json.loads(str(arrays.pop("progress"))), arrays
    except Exception as error:  # readers of broken files raise whatever they stumble over
        raise RunError(f"checkpoint {path} cannot be read: {words_of(error)}") from error


def _digest(file: IO[bytes], length: int) -> bytes:
    """Return the SHA-256 of so many bytes."""
    found = hashlib.sha256()
    for start in range(0, length, CHUNK):
        found.update(file.read(min(CHUNK, length - start)))
    return found.digest()


def updates_in(path: Path) -> int:
    """Return how many updates of each network a checkpoint holds; none if it does not exist or cannot be read."""
    try:
        headers_in(path)
        with open(path, "rb") as stored, np.load(stored, allow_pickle=False) as file:
            return int(json.loads(str(file["progress"]))["updates"])
    except Exception:  # as above
        return 0
