"""Check a file's type and unpacked size before reading it."""

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

from spatialnets.files.reading import InvalidFile

if TYPE_CHECKING:
    import h5py

__all__ = [
    "Header", "check_file", "check_hdf5", "check_links", "check_mat", "check_objects", "check_size", "gunzip",
    "header_of", "headers_in", "plain_text", "read_array", "read_arrays",
]  # fmt: skip

UNCHECKED_BYTES = 256 * 2**20  # up to this size any file is unpacked
MAX_COMPRESSION = 200  # unpacked bytes per byte of the file; weights compress to a half, masks to a hundredth
MAX_TEXT_BYTES = 64 * 2**20  # a matrix of some thousand regions
CHUNK = 2**20


class Header(NamedTuple):
    """Shape and type of a stored array."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def size(self) -> int:
        """Size of the values in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize


def check_file(path: Path) -> None:
    """Check that a path is a regular file, not a folder, a pipe (which would block) or a device (which has no end).

    Raises
    ------
    InvalidFile
        If it is not; the message says what it is.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # the name may be too long, or contain a NUL
        raise InvalidFile(f"there is no file {path}") from None
    if stat.S_ISDIR(mode):
        raise InvalidFile(f"{path} is a folder; expected a file")
    if not stat.S_ISREG(mode):
        raise InvalidFile(f"{path} is a pipe or a device; expected a file")


def plain_text(path: Path, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return the text of a UTF-8 file, without a byte-order mark.

    Raises
    ------
    InvalidFile
        If it is not a file, too large, or not UTF-8.
    """
    check_file(path)
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise InvalidFile(f"{path} has {_readable(size)}; expected text of at most {_readable(max_bytes)}")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidFile(f"{path} cannot be read: it is not UTF-8 text") from None
    except OSError as error:
        raise InvalidFile(f"{path} cannot be read: {error.strerror or error}") from error


def check_size(path: Path, unpacked: int, packed: int | None = None) -> None:
    """Check that an unpacked file would fit in memory, and that its compression is plausible for measured data.

    Parameters
    ----------
    path
        The file.
    unpacked
        Unpacked size in bytes.
    packed
        Packed size in bytes; by default that of the file.

    Raises
    ------
    InvalidFile
        If it is too large.
    """
    if unpacked <= UNCHECKED_BYTES:
        return
    packed = path.stat().st_size if packed is None else packed
    if unpacked > MAX_COMPRESSION * packed:
        raise InvalidFile(
            f"{path} would expand from {_readable(packed)} to {_readable(unpacked)}, more than {MAX_COMPRESSION}-fold, "
            "which no measured data do; if its content is right, save it without compression"
        )
    if unpacked > _memory():
        raise InvalidFile(
            f"{path} would expand to {_readable(unpacked)}; this machine has {_readable(_memory())} of memory"
        )


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):  # not available on this system
        return 2**40


def _readable(size: int) -> str:
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if size >= factor:
            return f"{size / factor:,.0f} {unit}"
    return f"{size:,} bytes"


# NumPy files


def header_of(file: IO[bytes], name: str, length: int) -> Header:
    """Read the header of an NPY file, up to its values.

    Parameters
    ----------
    file
        The file, at its start.
    name
        What messages call it.
    length
        Its length in bytes.

    Raises
    ------
    InvalidFile
        If it contains Python objects, which could run code, or its length does not fit its shape.
    """
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version[0] == 1 else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    header = Header(shape, dtype)
    if dtype.hasobject:
        raise InvalidFile(f"{name} contains Python objects, which are not read; expected numbers")
    if min(shape, default=0) < 0 or length - file.tell() != header.size:
        raise InvalidFile(f"{name} is damaged: its length does not fit its shape {shape}")
    return header


def headers_in(path: Path) -> dict[str, Header]:
    """Return the headers of the arrays in an NPZ file, by name.

    Raises
    ------
    InvalidFile
        As `header_of`, or if all arrays together are too large.
    """
    check_file(path)
    headers: dict[str, Header] = {}
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        check_size(path, sum(entry.file_size for entry in entries))
        for entry in entries:
            if not entry.filename.endswith(".npy"):
                continue
            name = entry.filename.removesuffix(".npy")
            with archive.open(entry) as member:
                headers[name] = header_of(member, f"{path}: {name}", entry.file_size)
    return headers


def read_array(path: Path) -> NDArray[Any]:
    """Return the array of an NPY file.

    Raises
    ------
    InvalidFile
        If it is not a file, contains several arrays, or as `header_of`.
    """
    check_file(path)
    with open(path, "rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise InvalidFile(f"{path} contains several named arrays, like an NPZ file; expected one array")
        file.seek(0)
        header_of(file, str(path), path.stat().st_size)
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False))


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an NPZ file by name.

    Raises
    ------
    InvalidFile
        As `headers_in`, or if it contains a single array.
    ValueError
        If it is not an archive.
    """
    check_file(path)
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            is_single_array = file.read(6) == b"\x93NUMPY"
        if is_single_array:
            raise InvalidFile(f"{path} contains one array without a name; expected named arrays, as in an NPZ file")
        raise ValueError("it is not an archive, or was cut short")
    names = headers_in(path)
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
        return {name: content[name] for name in names}


# Other formats


def gunzip(path: Path) -> bytes:
    """Decompress a gzip file, up to the size that `check_size` allows."""
    import gzip

    parts, total = [], 0
    with gzip.open(path) as file:
        while part := file.read(CHUNK):
            total += len(part)
            check_size(path, total)
            parts.append(part)
    return b"".join(parts)


def check_mat(path: Path) -> None:
    """Check that the variables of a MATLAB file (up to v7) are not too large unpacked.

    Raises
    ------
    InvalidFile
        If they are.
    """
    check_file(path)
    total, length = 0, path.stat().st_size
    with open(path, "rb") as file:
        beginning = file.read(128)
        if len(beginning) < 128 or beginning[126:128] not in (b"IM", b"MI"):
            return  # version 4, which is never compressed, or not a MATLAB file, which the reader reports
        order = "little" if beginning[126:128] == b"IM" else "big"
        while len(tag := file.read(8)) == 8:
            kind = int.from_bytes(tag[:4], order)  # type: ignore[arg-type]
            size = int.from_bytes(tag[4:], order)  # type: ignore[arg-type]
            end = min(file.tell() + size, length)
            if kind == 15:  # compressed
                total += _inflated(file, end, path, total)
            file.seek(end)


def _inflated(file: IO[bytes], end: int, path: Path, before: int) -> int:
    """Return the unpacked size of the bytes up to `end`, if `check_size` allows it."""
    stream, total = zlib.decompressobj(), 0
    try:
        while file.tell() < end and not stream.eof:
            waiting = file.read(min(CHUNK, end - file.tell()))
            while waiting:
                total += len(stream.decompress(waiting, CHUNK))
                check_size(path, before + total)
                waiting = stream.unconsumed_tail
    except zlib.error:
        pass  # the reader reports what is wrong
    return total


# HDF5, the format of netCDF-4 and MATLAB v7.3


def check_links(dataset: h5py.Dataset, name: str) -> None:
    """Check that the values of an array are in its own file.

    Raises
    ------
    InvalidFile
        If they are in another file.
    """
    if dataset.external or dataset.is_virtual:
        raise InvalidFile(f"{name} is stored in another file; expected a file that contains the data itself")


def check_hdf5(path: Path) -> None:
    """Check that an HDF5 file has no links to other files, and that its arrays are not too large.

    Raises
    ------
    InvalidFile
        If it is not a file, has such links, or is too large unpacked.
    """
    import h5py

    check_file(path)
    with h5py.File(path, "r") as file:
        check_objects(file, path)


def check_objects(file: h5py.File, path: Path) -> dict[str, Any]:
    """Make the checks of `check_hdf5` on an open file, and return its arrays and groups by name.

    Raises
    ------
    InvalidFile
        If it has links to other files, or is too large unpacked.
    """
    import h5py

    waiting: list[h5py.Group] = [file]
    seen, total = {h5py.h5o.get_info(file.id).addr}, 0
    top: dict[str, Any] = {}
    while waiting:
        group = waiting.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise InvalidFile(f"{path}: {name} is a link; expected a file that contains the data itself")
            item = group[name]
            if group is file:
                top[name] = item
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:  # a group may contain itself
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append(item)
            elif isinstance(item, h5py.Dataset):
                check_links(item, f"{path}: {name}")
                total += 0 if item.shape is None else math.prod(item.shape) * item.dtype.itemsize
    check_size(path, total)
    return top
