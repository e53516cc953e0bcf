"""Coordinates in mm, and names, from tables."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.files.limits import read_array
from spatialnets.files.reading import file_errors
from spatialnets.files.table import ENDINGS, Row, read_rows

__all__ = ["NAMES", "Coordinates", "as_positions", "column", "read_coordinates"]

AXES = (("x", "r"), ("y", "a"), ("z", "s"))  # right, anterior, superior
NAMES = ("name", "regionname", "roiname", "labelname", "parcelname", "region", "label", "roi", "parcel")


@dataclass(frozen=True)
class Coordinates:
    """Positions and names from a table.

    Parameters
    ----------
    positions
        ``(unit, 3)``, in mm.
    names
        ``(unit,)``, as in the table; None if it has no names.
    """

    positions: FloatArray
    names: tuple[str, ...] | None = None


def read_coordinates(path: Path) -> Coordinates:
    """Read coordinates from a table or an array.

    Parameters
    ----------
    path
        ``.npy`` with an array ``(unit, 3)``; or ``.csv``, ``.tsv``, ``.txt`` whose header names the columns x, y and z
        (or R, A and S; capitals, units and the word MNI are ignored) and, optionally, name, region, label or roi.
        A table without a header has three numbers per line, optionally after a name.

    Raises
    ------
    ValueError
        If the file cannot be read, the header lacks a column, or a coordinate is not finite. Messages name the line.
    """
    if path.suffix == ".npy":
        with file_errors(path, "an array of coordinates"):
            values = read_array(path)
        return Coordinates(as_positions(values, str(path)))
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .csv, .tsv, .txt or .npy")
    rows = read_rows(path)
    if not rows:
        raise ValueError(f"{path} contains no coordinates")
    if any(map(_is_number, rows[0].words)):
        axes, name = _columns_without_header(rows[0])
    else:
        axes, name = [column(rows[0], words, words[0]) for words in AXES], _name_column(rows[0])
        rows = rows[1:]
    positions = np.array([_numbers(row, axes) for row in rows], dtype=np.float64).reshape(-1, 3)
    names = None if name is None else tuple(_word(row, name) for row in rows)
    return Coordinates(positions, names)


def as_positions(values: ArrayLike, name: str) -> FloatArray:
    """Return an array of positions ``(unit, 3)`` as float64.

    Raises
    ------
    ValueError
        If it has another shape, or a value is not finite.
    """
    try:
        positions = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers of shape (unit, 3): {error}") from error
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ValueError(f"{name} must have shape (unit, 3), not {positions.shape}")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}: row {bad[0] + 1} is {positions[bad[0]].tolist()}; coordinates must be finite")
    return positions


def column(header: Row, words: tuple[str, ...], what: str) -> int:
    """Return the index of the column whose name in the header is the first of `words` to occur.

    Raises
    ------
    ValueError
        If none of the words occurs, or one occurs more than once.
    """
    names = [_normalized(word) for word in header.words]
    for word in words:
        if names.count(word) > 1:
            raise ValueError(f"{header.place}: column {what} occurs more than once in {header.text!r}")
        if word in names:
            return names.index(word)
    raise ValueError(f"{header.place}: there is no column {what} in {header.text!r}; expected a line of column names")


def _normalized(word: str) -> str:
    """Return a column name in lower case without units, so that ``X (mm)``, ``mni_x`` and ``x`` are the same."""
    return re.sub(r"[^a-z0-9]|mni|mm", "", word.lower())


def _name_column(header: Row) -> int | None:
    names = [_normalized(word) for word in header.words]
    return next((names.index(word) for word in NAMES if word in names), None)


def _columns_without_header(first: Row) -> tuple[list[int], int | None]:
    """Return the columns of the coordinates and of the names in a table without a header, from its first line."""
    named = not _is_number(first.words[0])
    if len(first.words) != 3 + named:
        raise ValueError(
            f"{first.place}: expected three coordinates, optionally after a name, not {first.text!r}; a table with "
            "more columns needs a header that names x, y and z"
        )
    return [0 + named, 1 + named, 2 + named], 0 if named else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numbers(row: Row, columns: list[int]) -> list[float]:
    try:
        numbers = [float(row.words[index]) for index in columns]
    except (ValueError, IndexError):
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise ValueError(f"{row.place}: expected three finite coordinates, not {row.text!r}")
    return numbers


def _word(row: Row, index: int) -> str:
    if index >= len(row.words) or not row.words[index]:
        raise ValueError(f"{row.place}: there is no name in {row.text!r}")
    return row.words[index]
