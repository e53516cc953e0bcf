"""Data in files of other people's making: read once, and kept while the file stays as it is."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import plain_text, read_arrays, unzipped
from spatialnets.files.reading import UnfitFile, reading

__all__ = ["read_csv", "read_idx", "read_npz", "state_of"]

MOST_TABLE = 2**30  # bytes; larger ones are better kept as NPY
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def state_of(path: str | Path) -> tuple[int, int]:
    """Return size and time of the last change of a file, so that what was read of it is not taken for news.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def read_npz(path: Path) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an NPZ file by name; objects are refused, because they may hold code."""
    with reading(path, "an NPZ file of arrays"):
        return read_arrays(path)


def read_csv(path: Path) -> NDArray[np.float64]:
    """Return a table of numbers, one row a line; a first line without numbers is skipped."""
    with reading(path, "a table of numbers"):
        lines = plain_text(path, MOST_TABLE).splitlines()
        try:
            [float(word) for word in lines[0].split(",")]
        except ValueError:
            lines = lines[1:]
        if not any(line.strip() for line in lines):
            raise UnfitFile(f"{path} holds no numbers; expected a table of them, one trial a line")
        return np.loadtxt(lines, delimiter=",", ndmin=2)


def read_idx(path: Path) -> NDArray[np.generic]:
    """Return the array of an IDX file, as of the MNIST database; also compressed, ``.gz``."""
    with reading(path, "an IDX file"):
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = unzipped(path)
        if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
            raise UnfitFile(f"{path} is no IDX file: it does not start with two zero bytes and a known type")
        dtype, ndim = np.dtype(IDX_TYPES[content[2]]), content[3]
        shape = np.frombuffer(content, ">u4", count=ndim, offset=4).tolist()
        expected = 4 + 4 * ndim + math.prod(shape) * dtype.itemsize
        if len(content) != expected:
            raise UnfitFile(f"{path} has {len(content)} bytes; an IDX file of shape {tuple(shape)} has {expected}")
        return np.frombuffer(content, dtype, offset=4 + 4 * ndim).reshape(shape)
