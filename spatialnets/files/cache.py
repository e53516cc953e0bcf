"""Arrays that are slow to compute, kept on disk by what they were computed from."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import RunError
from spatialnets.files.atomic import write_bytes

__all__ = ["cache_folder", "cached", "content_of"]

Arrays: TypeAlias = dict[str, NDArray[Any]]

ENVIRONMENT = "SPATIALNETS_CACHE"


def cache_folder() -> Path:
    """Return where arrays are kept: ``$SPATIALNETS_CACHE``, or the user's cache folder of this system."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("spatialnets")


def content_of(path: str | Path) -> str:
    """Return a hash of what a file holds."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cached(kind: str, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
    """Return arrays from the cache, or compute them and keep them there.

    A file that cannot be read is computed anew. Files appear whole or not at all, so that any number of processes may
    fill the cache at once; where it cannot be written, a warning says so once and nothing else changes.

    Parameters
    ----------
    kind
        What is kept, a word for the file's name.
    key
        All that the arrays depend on, as plain data: file contents (see `content_of`), parameters, and the version of
        the computation.
    compute
        Gives the arrays by name; none of them holds objects.

    Returns
    -------
    dict
        The arrays by name.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / f"{kind}-{digest[:32]}.npz"
    # not there, cut short, changed: whatever is wrong with the file, it can be computed
    with contextlib.suppress(Exception), open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
        return dict(content)
    arrays = compute()
    try:
        buffer = io.BytesIO()  # NumPy complains twice of a full disk, the second time to nobody
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(path, buffer.getvalue())
    except RunError as error:
        _warn_once(path.parent, str(error))
    return arrays


@cache
def _warned(folder: Path) -> list[str]:
    return []


def _warn_once(folder: Path, problem: str) -> None:
    """Say that a cache cannot be written; each process says it once of each folder."""
    said = _warned(folder)
    if not said:
        said.append(problem)
        warnings.warn(
            f"{problem}; work goes on without it. Set {ENVIRONMENT} to a folder that can be written", stacklevel=3
        )
