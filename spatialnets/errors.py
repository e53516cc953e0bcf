"""What a user did that cannot work, said in words that help."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["DeclarationError", "Detached", "RunError", "UserError", "nearest", "printable"]


MOST_SAID = 19  # mistakes that fit on a screen
LONGEST = 1000  # letters of a line, which may quote what was given


class UserError(Exception):
    """Input that cannot be used; the message says what was given, what was expected and what to write.

    The command line prints the message alone and leaves with exit code 2.
    """


class DeclarationError(UserError):
    """An experiment that cannot be built; `problems` holds every mistake found, one line each.

    The message says the first ones, and how many more there are.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        more = len(self.problems) - MOST_SAID
        short = [line if len(line) <= LONGEST else f"{line[:LONGEST]} …" for line in self.problems[:MOST_SAID]]
        said = [*short, *([f"and {more} more mistakes"] if more > 0 else [])]
        super().__init__("\n".join(said))


class Detached(Exception):
    """An engine has handed jobs to a scheduler that goes on with them; the message says how to look, wait and stop.

    Nothing is wrong: the run is not finished yet, and nothing more is to be done here for now.
    """


class RunError(UserError):
    """A run folder that cannot be read, written or continued."""


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


def printable(text: str) -> str:
    r"""Return a text in which nothing moves a terminal's cursor, colours it or turns the direction of writing.

    What cannot be seen is written as its code, so that it can be found in a file.

    Examples
    --------
    >>> print(printable("V1\x1b[31m\u202egnp.exe"))
    V1\x1b[31m\u202egnp.exe
    """
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape", "surrogatepass").decode("ascii")
        for letter in text
    )
