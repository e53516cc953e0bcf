"""Files of other people's making."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["UnfitFile", "reading"]


class UnfitFile(ValueError):
    """A file that was read and does not hold what is expected; the message says what it holds."""


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Say of any error while reading a file which file it was and what was expected.

    Parameters
    ----------
    path
        The file.
    what
        What it is read as, such as ``"a surface"``.

    Raises
    ------
    ValueError
        If it is not there, or reading fails; an `UnfitFile` passes as it is.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        yield
    except UnfitFile:
        raise
    except Exception as error:  # parsers of broken files raise whatever they stumble over
        raise ValueError(f"{path} cannot be read as {what}: {error or type(error).__name__}") from error
