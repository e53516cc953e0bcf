"""That a file is one, and how much it would hold unpacked: asked before anything of it is."""

from __future__ import annotations

import math
import os
import stat
import zipfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.reading import UnfitFile

if TYPE_CHECKING:
    import h5py

__all__ = [
    "Header", "check_file", "check_hdf5", "check_links", "check_mat", "check_size", "header_of", "headers_in",
    "plain_text", "read_array", "read_arrays", "unzipped",
]  # fmt: skip

FREE = 256 * 2**20
"""Bytes that are never too many: no machine is short of them."""

FOLD = 200
"""How many times smaller a file may be than what it holds; weights shrink to a half, masks to a hundredth."""

MOST_TEXT = 64 * 2**20
"""Bytes of text that are read: tables of some thousand regions have as many."""

CHUNK = 2**20


class Header(NamedTuple):
    """What an array is, without reading it."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Bytes of its numbers."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_file(path: Path) -> None:
    """Refuse what is no file to read: nothing, a folder, a pipe (which would wait for ever), a device (without end).

    Raises
    ------
    UnfitFile
        Naming what it is.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # a name may be too long, or hold a NUL
        raise UnfitFile(f"there is no file {path}") from None
    if stat.S_ISDIR(mode):
        raise UnfitFile(f"{path} is a folder; expected a file")
    if not stat.S_ISREG(mode):
        raise UnfitFile(f"{path} is a pipe or a device; expected a file")


def plain_text(path: Path, most: int = MOST_TEXT) -> str:
    """Return the text of a file in UTF-8, without a byte-order mark.

    Raises
    ------
    UnfitFile
        If it is no file, too large, or no such text.
    """
    check_file(path)
    try:
        size = path.stat().st_size
        if size > most:
            raise UnfitFile(f"{path} has {_said(size)}; expected a text of at most {_said(most)}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UnfitFile(f"{path} cannot be read: it is no text in UTF-8") from None
    except OSError as error:
        raise UnfitFile(f"{path} cannot be read: {error.strerror or error}") from error


def check_size(path: Path, unpacked: int, packed: int | None = None) -> None:
    """Refuse what would not fit into this machine, or is packed as nothing is that anybody measured.

    Parameters
    ----------
    path
        The file.
    unpacked
        How many bytes it would become.
    packed
        How many bytes there are; by default all of the file's.

    Raises
    ------
    UnfitFile
        If they are too many.
    """
    if unpacked <= FREE:
        return
    packed = path.stat().st_size if packed is None else packed
    if unpacked > FOLD * packed:
        raise UnfitFile(
            f"{path} has {_said(packed)} and would become {_said(unpacked)}, more than {FOLD} times as many: no data "
            "are packed like that; write it anew without compression if it is what it should be"
        )
    if unpacked > _memory():
        raise UnfitFile(f"{path} would become {_said(unpacked)}; this machine has {_said(_memory())} of memory")


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # not on this system
        return 2**40


def _said(size: int) -> str:
    for unit, bytes_of in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= bytes_of:
            return f"{size / bytes_of:,.0f} {unit}"
    return f"{size:,} bytes"


# NumPy's files


def header_of(file: IO[bytes], what: str, length: int) -> Header:
    """Return what the array of an NPY file is; reading goes on at its numbers.

    Parameters
    ----------
    file
        At its beginning.
    what
        What to call it in messages.
    length
        How many bytes it has.

    Raises
    ------
    UnfitFile
        If it holds Python objects, which are code, or is not as long as it says.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    found = Header(shape, dtype)
    if dtype.hasobject:
        raise UnfitFile(f"{what} holds Python objects, which are not read; expected numbers")
    if min(shape, default=0) < 0 or length - file.tell() != found.size:
        raise UnfitFile(f"{what} is not as long as its shape {shape} says; the file is damaged")
    return found


def headers_in(path: Path) -> dict[str, Header]:
    """Return what the arrays of an NPZ file are, by name.

    Raises
    ------
    UnfitFile
        If one holds Python objects or is not as long as it says, or all together are too much.
    """
    check_file(path)
    found: dict[str, Header] = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        check_size(path, sum(entry.file_size for entry in entries))
        for entry in entries:
            if not entry.filename.endswith(".npy"):
                continue
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as member:
                found[name] = header_of(member, f"{path}: {name}", entry.file_size)
    return found


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of an NPY file.

    Raises
    ------
    UnfitFile
        If it is no file, holds objects, or is not as long as it says.
    """
    check_file(path)
    with open(path, "rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise UnfitFile(f"{path} holds arrays by name, as an NPZ file does; expected one array")
        file.seek(0)
        header_of(file, str(path), path.stat().st_size)
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file by name.

    Raises
    ------
    UnfitFile
        As `headers_in`, or if it is one array.
    ValueError
        If it is no archive.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            one = file.read(6) == b"\x93NUMPY"
        if one:
            raise UnfitFile(f"{path} holds one array, not several by name, as a NPZ file does")
        raise ValueError("it is no archive, or cut short")
    known = headers_in(path)
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
        return {name: content[name] for name in known}


# Other packings


def unzipped(path: Path) -> bytes:
    """Return what a file compressed by gzip holds, which is never more than `check_size` allows."""
    import gzip

    parts, total = [], 0
    with gzip.open(path) as file:
        while part := file.read(CHUNK):
            total += len(part)
            check_size(path, total)
            parts.append(part)
    return b"".join(parts)


def check_mat(path: Path) -> None:
    """Refuse a MATLAB file, up to v7, whose variables are packed too tightly.

    Raises
    ------
    UnfitFile
        If so.
    """
    check_file(path)
    total, length = 0, path.stat().st_size
    with open(path, "rb") as file:
        beginning = file.read(128)
        if len(beginning) < 128 or beginning[126:128] not in (b"IM", b"MI"):
            return  # of version 4, which packs nothing, or none at all: whoever reads it says so
        order = "little" if beginning[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind = int.from_bytes(tag[:4], order)  # type: ignore[arg-type]
            size = int.from_bytes(tag[4:], order)  # type: ignore[arg-type]
            end = min(file.tell() + size, length)
            if kind == 15:  # compressed
                total += _inflated(file, end, path, total)
            file.seek(end)


def _inflated(file: IO[bytes], end: int, path: Path, before: int) -> int:
    """Return how many bytes those up to a place become, or stop where they are too many."""
    stream, total = zlib.decompressobj(), 0
    try:
        while file.tell() < end and not stream.eof:
            waiting = file.read(min(CHUNK, end - file.tell()))
            while waiting:
                total += len(stream.decompress(waiting, CHUNK))
                check_size(path, before + total)
                waiting = stream.unconsumed_tail
    except zlib.error:
        pass  # whoever reads it says what is wrong with it
    return total


# HDF5, of which netCDF-4 and MATLAB's v7.3 are made


def check_links(dataset: h5py.Dataset, what: str) -> None:
    """Refuse an array that lies in another file, which nobody has named.

    Raises
    ------
    UnfitFile
        If it does.
    """
    if dataset.external or dataset.is_virtual:
        raise UnfitFile(f"{what} lies in another file; expected a file that holds all of it")


def check_hdf5(path: Path) -> None:
    """Refuse an HDF5 file that leads to others, or whose arrays are too large for it.

    Raises
    ------
    UnfitFile
        If it is no file, holds links to elsewhere, or says it holds far more than it does.
    """
    import h5py

    check_file(path)
    with h5py.File(path, "r") as file:
        waiting: list[h5py.Group] = [file]
        seen, total = {h5py.h5o.get_info(file.id).addr}, 0
        while waiting:
            group = waiting.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise UnfitFile(f"{path}: {name} is a link to elsewhere; expected a file that holds all of it")
                item = group[name]
                address = h5py.h5o.get_info(item.id).addr
                if address in seen:  # a group may hold itself
                    continue
                seen.add(address)
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                elif isinstance(item, h5py.Dataset):
                    check_links(item, f"{path}: {name}")
                    total += 0 if item.shape is None else math.prod(item.shape) * item.dtype.itemsize
        check_size(path, total)
