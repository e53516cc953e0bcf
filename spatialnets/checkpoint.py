"""Checkpoints: what a shard in training needs to go on, in one file that says whether it is whole."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import RunError
from spatialnets.storage import whole_file

__all__ = ["read_checkpoint", "updates_in", "write_checkpoint"]

_DIGEST = hashlib.sha256().digest_size
_UNREADABLE = (OSError, ValueError, KeyError, RuntimeError, EOFError, BadZipFile, TypeError)


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
            digest = hashlib.file_digest(file, "sha256").digest()
            file.write(digest)


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return progress and arrays of a checkpoint.

    Raises
    ------
    RunError
        If the file cannot be read or is not what was written.
    """
    try:
        content = path.read_bytes()
        if len(content) < _DIGEST or hashlib.sha256(content[:-_DIGEST]).digest() != content[-_DIGEST:]:
            raise ValueError("it is not what was written")
        with np.load(io.BytesIO(content[:-_DIGEST]), allow_pickle=False) as file:
            arrays = dict(file)
        return json.loads(str(arrays.pop("progress"))), arrays
    except _UNREADABLE as error:
        raise RunError(f"checkpoint {path} cannot be read: {error}") from error


def updates_in(path: Path) -> int:
    """Return how many updates of each network a checkpoint holds; none if it does not exist or cannot be read."""
    try:
        with open(path, "rb") as stored, np.load(stored, allow_pickle=False) as file:
            return int(json.loads(str(file["progress"]))["updates"])
    except _UNREADABLE:
        return 0
