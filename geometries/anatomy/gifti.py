"""Safe reading of GIFTI files."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

from spatialnets.files.limits import CHUNK, check_file, check_size, gunzip
from spatialnets.files.reading import InvalidFile

__all__ = ["read_gifti"]


def read_gifti(path: Path) -> Any:
    """Read a GIFTI file (``.gii`` or ``.gii.gz``) with nibabel and return its image.

    Raises
    ------
    InvalidFile
        If the file stores its data in another file, defines XML entities, or is too large when decompressed.
    """
    import nibabel

    check_file(path)
    content = gunzip(path) if path.name.endswith(".gz") else path.read_bytes()
    if re.search(rb"""Encoding\s*=\s*["']ExternalFileBinary""", content):
        raise InvalidFile(f"{path} stores its data in another file; expected a file that contains all data")
    if b"<!ENTITY" in content:
        raise InvalidFile(f"{path} defines XML entities (<!ENTITY), which are not allowed in a GIFTI file")
    total = 0
    for block in re.findall(rb"<Data>([^<]*)</Data>", content):
        total += _decompressed_size(block)
        check_size(path, total)
    return nibabel.gifti.GiftiImage.from_bytes(content)  # from memory, so that it cannot open other files


def _decompressed_size(block: bytes) -> int:
    """Return the number of bytes in a block of data after decompression; blocks without compression keep their size."""
    stream, total = zlib.decompressobj(), 0
    try:
        waiting = b64decode(block)
        while waiting:
            total += len(stream.decompress(waiting, CHUNK))
            waiting = stream.unconsumed_tail
    except ValueError:
        return len(block)
    except zlib.error:
        return max(total, len(block))
    return total
