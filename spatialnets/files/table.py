"""Text tables, whose rows know their file and line."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spatialnets.files.limits import plain_text
from spatialnets.files.reading import InvalidFile

__all__ = ["ENDINGS", "Row", "make_distinct", "read_rows", "spreadsheet_safe"]

ENDINGS = (".csv", ".tsv", ".txt")
# One or more numbers, perhaps followed by words, but no function call and nothing that starts a program
NUMBERS = r"-|[+-](?:[\d.,:;%\[\] -]|[eE][+-]?\d|to|inf|nan)+|[+-][\d.]+[ ;](?:(?![\w.]\()[^|!\t\r\n])*"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Parameters
    ----------
    place
        File and line, such as ``rois.csv:3``, for messages.
    text
        The line as written.
    words
        Its cells, without surrounding spaces.
    """

    place: str
    text: str
    words: tuple[str, ...]


def read_rows(path: Path) -> list[Row]:
    """Read the nonempty lines of a table.

    Cells are separated by commas, semicolons, tabs or spaces: by the separator of the first line if it occurs in a
    line, otherwise by the most frequent one. A last column that is entirely empty, and a ``#`` before names, are
    dropped.

    Parameters
    ----------
    path
        UTF-8 text, ending in .csv, .tsv or .txt.

    Raises
    ------
    ValueError
        If the file does not exist or is not text.
    """
    lines = plain_text(path).splitlines()
    rows: list[Row] = []
    first = " "
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        text = line.strip()
        separator = first if first != " " and first in text else _separator(text)
        first = first if rows else separator
        line = line.strip(" ") if separator == "\t" else text  # a tab at either end delimits an empty cell
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True))
        except csv.Error as error:
            raise InvalidFile(f"{path}:{number}: not a row of a table: {error}") from error
        words = tuple(cell.strip() for cell in cells)
        rows.append(Row(f"{path}:{number}", text, words[1:] if separator == " " and words[0] == "#" else words))
    while rows and all(len(row.words) > 1 and not row.words[-1] for row in rows):
        rows = [Row(row.place, row.text, row.words[:-1]) for row in rows]
    return rows


def _separator(text: str) -> str:
    """Return the most frequent separator of a line, not counting quoted text."""
    unquoted = re.sub(r'"[^"]*"', "", text)
    separator = max(";,\t", key=unquoted.count)
    return separator if separator in unquoted else " "


def make_distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Make repeated names distinct: append 2 to the second, 3 to the third.

    Examples
    --------
    >>> make_distinct(["insula", "thalamus", "insula"])
    ('insula', 'thalamus', 'insula 2')
    """
    given = list(names)
    result: list[str] = []
    for name in given:
        new, number = name, 1
        while new in result or (number > 1 and new in given):
            number += 1
            new = f"{name} {number}"
        result.append(new)
    return tuple(result)


def spreadsheet_safe(cell: str) -> str:
    """Put an apostrophe before a cell that a spreadsheet would run as a formula.

    Numbers, and text that begins with a number, are unchanged.

    Examples
    --------
    >>> [spreadsheet_safe(cell) for cell in ("=HYPERLINK(1)", "+cmd|' /C calc'!A0", "-0.3 (n = 9)", "V1")]
    ["'=HYPERLINK(1)", "'+cmd|' /C calc'!A0", '-0.3 (n = 9)', 'V1']
    """
    if cell[:1] in ("=", "@", "\t", "\r") or (cell[:1] in ("+", "-") and not re.fullmatch(NUMBERS, cell)):
        return f"'{cell}"
    return cell
