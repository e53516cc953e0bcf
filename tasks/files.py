"""Readers of data files for tasks; what is read is cached until the file changes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import gunzip, plain_text, read_arrays
from spatialnets.files.reading import InvalidFile, file_errors

__all__ = ["file_version", "read_csv", "read_idx", "read_npz"]

MAX_TABLE_BYTES = 2**30  # use NPY for larger tables
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def file_version(path: str | Path) -> tuple[int, int]:
    """Return the size and modification time (ns) of a file, which identify the version that a cache holds.

    Raises
    ------
    ValueError
        If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def read_npz(path: Path, *names: str) -> dict[str, NDArray[np.generic]]:
    """Return the arrays of an NPZ file by name, and require `names` among them.

    Python objects are refused because they may contain code.
    """
    with file_errors(path, "an NPZ file of arrays"):
        arrays = read_arrays(path)
    for name in names:
        if name not in arrays:
            raise InvalidFile(f"{path} has no array {name}; it has {', '.join(arrays) or 'none'}")
    return arrays


def read_csv(path: Path) -> NDArray[np.float64]:
    """Return a table of numbers, ``(line, column)``; a header line is skipped."""
    with file_errors(path, "a table of numbers"):
        lines = plain_text(path, MAX_TABLE_BYTES).splitlines()
        try:
            [float(word) for word in lines[0].split(",")]
        except ValueError:
            lines = lines[1:]
        if not any(line.strip() for line in lines):
            raise InvalidFile(f"{path} contains no numbers; expected a table with one sample per line")
        return np.loadtxt(lines, delimiter=",", ndmin=2)


def read_idx(path: Path) -> NDArray[np.generic]:
    """Return the array of an IDX file, the format of the MNIST database; the file may be compressed (``.gz``)."""
    with file_errors(path, "an IDX file"):
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gunzip(path)
        if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
            raise InvalidFile(f"{path} is not an IDX file: it does not start with two zero bytes and a known data type")
        dtype, ndim = np.dtype(IDX_TYPES[content[2]]), content[3]
        shape = np.frombuffer(content, ">u4", count=ndim, offset=4).tolist()
        expected = 4 + 4 * ndim + math.prod(shape) * dtype.itemsize
        if len(content) != expected:
            raise InvalidFile(f"{path} has {len(content)} bytes; expected {expected} for shape {tuple(shape)}")
        return np.frombuffer(content, dtype, offset=4 + 4 * ndim).reshape(shape)
