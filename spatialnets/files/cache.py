"""A cache on disk for arrays that are slow to compute, identified by what they depend on."""

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

__all__ = ["cache_folder", "cached"]

Arrays: TypeAlias = dict[str, NDArray[Any]]

ENVIRONMENT = "SPATIALNETS_CACHE"


def cache_folder() -> Path:
    """Return the folder of the cache: ``$SPATIALNETS_CACHE``, or the system's cache folder of this user."""
    chosen = os.environ.get(ENVIRONMENT)
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("spatialnets")


def cached(kind: str, key: Mapping[str, Any], compute: Callable[[], Arrays]) -> Arrays:
    """Return arrays from the cache, or compute and store them.

    If a file cannot be read, its arrays are computed again. Files are written atomically, so that several processes
    may fill the cache at once. If the cache cannot be written, one warning says so.

    Parameters
    ----------
    kind
        The kind of arrays, which begins the file's name.
    key
        Everything that the arrays depend on, as plain data: hashes of files (see `spatialnets.files.atomic.digest_of`),
        parameters, and the version of the computation.
    compute
        Returns the arrays by name; their dtypes must not be ``object``.

    Returns
    -------
    dict
        The arrays by name.
    """
    digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()
    path = cache_folder() / f"{kind}-{digest[:32]}.npz"
    # whatever is wrong with the file (missing, cut short, changed), its arrays can be computed
    with contextlib.suppress(Exception), open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
        return dict(content)
    arrays = compute()
    try:
        buffer = io.BytesIO()  # on a full disk NumPy raises a second error, when its file is collected
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        write_bytes(path, buffer.getvalue())
    except RunError as error:
        _warn_once(path.parent, str(error))
    return arrays


@cache
def _warned(folder: Path) -> list[str]:
    return []


def _warn_once(folder: Path, problem: str) -> None:
    """Warn that the cache cannot be written, once for each folder and process."""
    problems = _warned(folder)
    if not problems:
        problems.append(problem)
        warnings.warn(f"{problem}; continuing without a cache. Set {ENVIRONMENT} to a writable folder", stacklevel=3)
