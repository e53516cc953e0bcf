"""What a user did that cannot work, said in words that help."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["DeclarationError", "RunError", "StorageError", "UserError", "nearest"]


class UserError(Exception):
    """Input that cannot be used; the message says what was given, what was expected and what to write.

    The command line prints the message alone and leaves with exit code 2.
    """


class DeclarationError(UserError):
    """An experiment that cannot be built; `problems` holds every mistake found, one line each."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class RunError(UserError):
    """A run folder that cannot be read, written or continued."""


class StorageError(RunError):
    """A file that cannot be written, or is not what was written; whatever was being done has to stop."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """Say which valid word was probably meant, and which words there are.

    Examples
    --------
    >>> nearest("sfere", ["grid", "sphere"])
    "did you mean 'sphere'? (valid: grid, sphere)"
    >>> nearest("zzz", ["grid", "sphere"])
    'valid: grid, sphere'
    """
    valid = sorted(valid)
    close = difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'? (valid: {', '.join(valid)})"
    return f"valid: {', '.join(valid) or 'nothing'}"
