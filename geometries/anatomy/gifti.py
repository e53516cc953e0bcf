"""GIFTI files that hold all they are about."""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

from spatialnets.files.limits import CHUNK, check_file, check_size, unzipped
from spatialnets.files.reading import UnfitFile

__all__ = ["read_gifti"]


def read_gifti(path: Path) -> Any:
    """Read a GIFTI file, ``.gii`` or ``.gii.gz``, as nibabel does; return its image.

    Raises
    ------
    UnfitFile
        If its numbers are in another file, which nobody has named, or are packed too tightly.
    """
    import nibabel

    check_file(path)
    content = unzipped(path) if path.name.endswith(".gz") else path.read_bytes()
    if re.search(rb"""Encoding\s*=\s*["']ExternalFileBinary""", content):
        raise UnfitFile(f"{path} has its numbers in another file; expected a file that holds all of them")
    if b"<!ENTITY" in content:
        raise UnfitFile(f"{path} defines words of its own (<!ENTITY), which no GIFTI file needs")
    total = 0
    for packed in re.findall(rb"<Data>([^<]*)</Data>", content):
        total += _inflated(packed)
        check_size(path, total)
    return nibabel.gifti.GiftiImage.from_bytes(content)  # which knows of no folder to find other files in


def _inflated(packed: bytes) -> int:
    """Return how many bytes come of a block; those that are not compressed stay as they are."""
    stream, total = zlib.decompressobj(), 0
    try:
        waiting = b64decode(packed)
        while waiting:
            total += len(stream.decompress(waiting, CHUNK))
            waiting = stream.unconsumed_tail
    except ValueError:
        return len(packed)
    except zlib.error:
        return max(total, len(packed))
    return total
