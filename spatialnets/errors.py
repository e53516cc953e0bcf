"""Errors of the user, with messages that say what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["DeclarationError", "Detached", "RunError", "StorageError", "UserError", "nearest", "printable"]

MAX_LISTED = 19  # mistakes that fit on a screen
MAX_LINE_LENGTH = 1000  # characters; a line may quote what was given


class UserError(Exception):
    """Invalid input; the message says what was given, what was expected and what to write.

    The command line prints only the message and exits with code 2.
    """


class DeclarationError(UserError):
    """An invalid experiment; `problems` lists all of its mistakes, one line each, and the message the first ones."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - MAX_LISTED
        lines = [
            line if len(line) <= MAX_LINE_LENGTH else f"{line[:MAX_LINE_LENGTH]} …"
            for line in self.problems[:MAX_LISTED]
        ]
        super().__init__("\n".join([*lines, *([f"and {more} more mistakes"] if more > 0 else [])]))


class Detached(Exception):
    """The jobs of a run were submitted to a scheduler; the message says how to follow, await and cancel them.

    This is not a failure: the scheduler continues the run, and this process has nothing more to do.
    """


class RunError(UserError):
    """A run folder cannot be read, written or continued."""


class StorageError(RunError):
    """A file cannot be written, or has changed since it was written."""


def nearest(word: str, valid: Iterable[str]) -> str:
    """Return a hint that names the most similar valid word, and all valid words.

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


def printable(text: str) -> str:
    r"""Replace invisible characters by their codes, so that text cannot move a terminal's cursor or change its colours.

    Examples
    --------
    >>> print(printable("V1\x1b[31m\u202egnp.exe"))
    V1\x1b[31m\u202egnp.exe
    """
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in text
    )
