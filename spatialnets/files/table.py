"""Tables of text: rows of words that know where they stand."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from spatialnets.files.limits import plain_text
from spatialnets.files.reading import UnfitFile

__all__ = ["ENDINGS", "Row", "distinct", "harmless", "read_rows"]

ENDINGS = (".csv", ".tsv", ".txt")
# A number, or several, and words after the first: no call of a function, and nothing that starts a program.
NUMBERS = r"-|[+-](?:[\d.,:;%\[\] -]|[eE][+-]?\d|to|inf|nan)+|[+-][\d.]+[ ;](?:(?![\w.]\()[^|!\t\r\n])*"


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Parameters
    ----------
    place
        File and line, such as ``rois.csv:3``, for messages.
    text
        The line as it is written.
    words
        Its cells, without spaces around them.
    """

    place: str
    text: str
    words: tuple[str, ...]


def read_rows(path: Path) -> list[Row]:
    """Read the lines of a table that hold something.

    Cells are parted by commas, semicolons, tabs or spaces: by whichever of these the line has most of, unless the
    first line's mark occurs in it. A last column that is empty throughout is none, and nor is a ``#`` before names.

    Parameters
    ----------
    path
        Text in UTF-8, ending in .csv, .tsv or .txt.

    Raises
    ------
    ValueError
        If there is no such file, or it is no text.
    """
    lines = plain_text(path).splitlines()
    rows: list[Row] = []
    first = " "
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        text = line.strip()
        mark = first if first != " " and first in text else _mark(text)
        first = first if rows else mark
        line = line.strip(" ") if mark == "\t" else text  # a tab at either end parts an empty cell
        try:
            cells = next(csv.reader([line], delimiter=mark, skipinitialspace=True))
        except csv.Error as error:
            raise UnfitFile(f"{path}:{number}: this is no line of a table: {error}") from error
        words = tuple(cell.strip() for cell in cells)
        rows.append(Row(f"{path}:{number}", text, words[1:] if mark == " " and words[0] == "#" else words))
    while rows and all(len(row.words) > 1 and not row.words[-1] for row in rows):
        rows = [Row(row.place, row.text, row.words[:-1]) for row in rows]
    return rows


def _mark(text: str) -> str:
    """Return what parts the cells of a line."""
    bare = re.sub(r'"[^"]*"', "", text)
    mark = max(";,\t", key=bare.count)
    return mark if mark in bare else " "


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Return names that differ from each other: the second of a name gets a 2, the third a 3.

    Examples
    --------
    >>> distinct(["insula", "thalamus", "insula"])
    ('insula', 'thalamus', 'insula 2')
    """
    given = list(names)
    found: list[str] = []
    for name in given:
        new, number = name, 1
        while new in found or (number > 1 and new in given):
            number += 1
            new = f"{name} {number}"
        found.append(new)
    return tuple(found)


def harmless(cell: str) -> str:
    """Return a cell that no spreadsheet takes for a formula: one that would be gets an apostrophe in front.

    Numbers, and words that begin with a number, stay as they are.

    Examples
    --------
    >>> harmless("=HYPERLINK(1)"), harmless("+cmd|' /C calc'!A0"), harmless("-0.3 (n = 9)"), harmless("V1")
    ("'=HYPERLINK(1)", "'+cmd|' /C calc'!A0", '-0.3 (n = 9)', 'V1')
    """
    if cell[:1] in ("=", "@", "\t", "\r") or (cell[:1] in ("+", "-") and not re.fullmatch(NUMBERS, cell)):
        return f"'{cell}"
    return cell
