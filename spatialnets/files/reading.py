"""Messages about files that cannot be read, and the endings of their names."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["GIFTI_ENDINGS", "VOLUME_ENDINGS", "InvalidFile", "file_errors", "first_few", "one_line"]

VOLUME_ENDINGS = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")
GIFTI_ENDINGS = (".gii", ".gii.gz")
MAX_REASON_LENGTH = 300  # characters of a parser's message, which may quote the file


class InvalidFile(ValueError):
    """A file whose content is not what was expected; the message names the file and says what it contains."""


@contextmanager
def file_errors(path: Path, what: str) -> Iterator[None]:
    """Turn any error while reading a file into one line that names the file and the expected format.

    Parameters
    ----------
    path
        The file.
    what
        The expected format, such as ``"a surface"``.

    Raises
    ------
    ValueError
        If the file does not exist or reading fails; an `InvalidFile` is raised unchanged.
    """
    try:
        if not path.is_file():
            raise InvalidFile(f"there is no file {path}" if not path.exists() else f"{path} is not a file")
        yield
    except InvalidFile:
        raise
    except MemoryError:
        raise ValueError(f"{path} needs more memory than there is") from None
    except Exception as error:  # parsers of damaged files raise errors of any kind
        raise ValueError(f"{path} cannot be read as {what}: {one_line(error)}") from error


def one_line(error: Exception) -> str:
    """Return a parser's message about a damaged file in one line; a general one if the parser itself failed."""
    failed = isinstance(error, (AttributeError, TypeError, LookupError, AssertionError, NameError))
    reason = "" if failed else " ".join(str(error).split())
    if not reason:
        return "it is damaged or has another format"
    return reason if len(reason) <= MAX_REASON_LENGTH else f"{reason[:MAX_REASON_LENGTH]} …"


def first_few(words: Sequence[str], limit: int = 6, separator: str = ", ") -> str:
    """Join the first words of many, and say how many more there are.

    Examples
    --------
    >>> first_few(["V1", "V2", "V4", "MT"], limit=2)
    'V1, V2 and 2 more'
    """
    return separator.join(words[:limit]) + (f" and {len(words) - limit} more" if len(words) > limit else "")
