"""Files of other people's making."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["GIFTI_ENDINGS", "VOLUME_ENDINGS", "UnfitFile", "reading", "some", "words_of"]

VOLUME_ENDINGS = (".nii", ".nii.gz", ".mgz", ".mgh", ".hdr", ".img")
"""How the names of volumes end."""

GIFTI_ENDINGS = (".gii", ".gii.gz")


MOST_SAID = 300  # letters of a parser's own words, which may quote the file


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
    try:
        if not path.is_file():
            raise UnfitFile(f"there is no file {path}" if not path.exists() else f"{path} is no file to read")
        yield
    except UnfitFile:
        raise
    except MemoryError:
        raise ValueError(f"{path} asks for more memory than there is") from None
    except Exception as error:  # parsers of broken files raise whatever they stumble over
        raise ValueError(f"{path} cannot be read as {what}: {words_of(error)}") from error


def words_of(error: Exception) -> str:
    """Return what a parser of a broken file has to say, in one line, if it is more than where it stumbled."""
    if isinstance(error, (AttributeError, TypeError, LookupError, AssertionError, NameError)):
        return "it is damaged, or of another kind"
    said = " ".join(str(error).split()) or "it is damaged, or of another kind"
    return said if len(said) <= MOST_SAID else f"{said[:MOST_SAID]} …"


def some(words: Sequence[str], most: int = 6, mark: str = ", ") -> str:
    """Return the first of many words, and how many more there are, for a message.

    Examples
    --------
    >>> some(["V1", "V2", "V4", "MT"], most=2)
    'V1, V2 and 2 more'
    """
    return mark.join(words[:most]) + (f" and {len(words) - most} more" if len(words) > most else "")
