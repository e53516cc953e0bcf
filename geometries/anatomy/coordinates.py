"""Coordinates in mm from tables, with the names of what lies there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.files.limits import read_array
from spatialnets.files.reading import reading
from spatialnets.files.table import ENDINGS, Row, read_rows
from spatialnets.protocols import FloatArray

__all__ = ["NAMES", "Coordinates", "as_positions", "column", "read_coordinates"]

AXES = (("x", "r"), ("y", "a"), ("z", "s"))  # right, anterior, superior
NAMES = ("name", "regionname", "roiname", "labelname", "parcelname", "region", "label", "roi", "parcel")


@dataclass(frozen=True)
class Coordinates:
    """Where things lie, and what they are called.

    Parameters
    ----------
    positions
        ``(unit, 3)``, mm.
    names
        As the table has them, ``(unit,)``; None if it has none.
    """

    positions: FloatArray
    names: tuple[str, ...] | None = None


def read_coordinates(path: Path) -> Coordinates:
    """Read coordinates from a table or an array.

    Parameters
    ----------
    path
        ``.npy`` with an array ``(unit, 3)``; or ``.csv``, ``.tsv``, ``.txt`` whose first line names the columns: x, y
        and z (or R, A and S; capitals, units and the word MNI make no difference), perhaps name, region, label or roi.
        A table without such a line has three numbers a line, perhaps after a name.

    Raises
    ------
    ValueError
        If the file cannot be read, its columns are not named as expected, or a coordinate is no finite number; the line
        is named.
    """
    if path.suffix == ".npy":
        with reading(path, "an array of coordinates"):
            values = read_array(path)
        return Coordinates(as_positions(values, str(path)))
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .csv, .tsv, .txt or .npy")
    rows = read_rows(path)
    if not rows:
        raise ValueError(f"{path} holds no coordinates")
    if any(map(_is_number, rows[0].words)):
        places, name = _without_names(rows[0])
    else:
        places, name = [column(rows[0], words, words[0]) for words in AXES], _name_column(rows[0])
        rows = rows[1:]
    positions = np.array([_numbers(row, places) for row in rows], dtype=np.float64).reshape(-1, 3)
    names = None if name is None else tuple(_word(row, name) for row in rows)
    return Coordinates(positions, names)


def as_positions(values: ArrayLike, name: str) -> FloatArray:
    """Return an array of positions ``(unit, 3)`` as float64.

    Raises
    ------
    ValueError
        If it has another shape, or a value is no finite number.
    """
    try:
        positions = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numbers (unit, 3): {error}") from error
    if positions.ndim != 2 or positions.shape[1] != 3:
        raise ValueError(f"{name} must be (unit, 3), not {positions.shape}")
    bad = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(bad):
        raise ValueError(f"{name}: row {bad[0] + 1} is {positions[bad[0]].tolist()}; coordinates must be finite")
    return positions


def column(header: Row, words: tuple[str, ...], what: str) -> int:
    """Return the place of the column that a table's first line calls by the first of some words that occurs.

    Raises
    ------
    ValueError
        If none of the words occurs, or one occurs twice.
    """
    given = [_plain(word) for word in header.words]
    for word in words:
        if given.count(word) > 1:
            raise ValueError(f"{header.place}: there are two columns {what}: {header.text!r}")
        if word in given:
            return given.index(word)
    raise ValueError(f"{header.place}: there is no column {what} in {header.text!r}; expected a line of column names")


def _plain(word: str) -> str:
    """Return a column's name in small letters, so that ``X (mm)``, ``mni_x`` and ``x`` are one."""
    return re.sub(r"[^a-z0-9]|mni|mm", "", word.lower())


def _name_column(header: Row) -> int | None:
    given = [_plain(word) for word in header.words]
    return next((given.index(word) for word in NAMES if word in given), None)


def _without_names(first: Row) -> tuple[list[int], int | None]:
    """Return the columns of coordinates and of names in a table whose first line is a line like all others."""
    named = not _is_number(first.words[0])
    if len(first.words) != 3 + named:
        raise ValueError(
            f"{first.place}: expected three coordinates, perhaps after a name, not {first.text!r}; in a table with "
            "more columns, the first line must name x, y and z"
        )
    return [0 + named, 1 + named, 2 + named], 0 if named else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _numbers(row: Row, places: list[int]) -> list[float]:
    try:
        numbers = [float(row.words[place]) for place in places]
    except (ValueError, IndexError):
        numbers = [np.nan]
    if not np.isfinite(numbers).all():
        raise ValueError(f"{row.place}: expected three finite coordinates, not {row.text!r}")
    return numbers


def _word(row: Row, place: int) -> str:
    if place >= len(row.words) or not row.words[place]:
        raise ValueError(f"{row.place}: there is no name in {row.text!r}")
    return row.words[place]
