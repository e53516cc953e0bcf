"""Read networks from text tables of numbers: one file, one matrix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.errors import UserError
from spatialnets.files.limits import plain_text
from spatialnets.importing.source import Numbers, Source, SourceGroup, Wanted, epoch_numbers, file_errors

__all__ = ["SUFFIXES", "open_text", "read_table", "tables_in"]

SUFFIXES = (".csv", ".tsv", ".txt")


def tables_in(path: Path) -> list[Path]:
    """Return the tables in a folder, in natural order: ``net2`` before ``net10``."""

    def natural(file: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", file.name)
        return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]

    files = sorted((file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.is_file()), key=natural)
    if not files:
        raise UserError(f"{path} contains no table; expected files ending in {', '.join(SUFFIXES)}")
    return files


def read_table(path: Path) -> FloatArray:
    """Read a square matrix of numbers separated by commas, semicolons, tabs or spaces.

    Raises
    ------
    UserError
        If an entry is not a number (the message gives the line), lines differ in length, or the matrix is not square.
    """
    with file_errors(path, "text"):
        lines = plain_text(path).splitlines()
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        separator = next((mark for mark in (";", ",", "\t") if mark in text), None)
        row = []
        for column, entry in enumerate(text.split(separator), start=1):
            try:
                row.append(float(entry.strip()))
            except ValueError:
                hint = "; remove names of rows and columns" if not rows or column == 1 else ""
                raise UserError(
                    f"{path}:{number}: entry {column} is {entry.strip()!r}; expected a number{hint}"
                ) from None
        if rows and len(row) != len(rows[0]):
            raise UserError(f"{path}:{number}: {len(row)} numbers; expected {len(rows[0])}, as in the lines before")
        rows.append(row)
    if len(rows) < 2 or len(rows) != len(rows[0]):
        width = len(rows[0]) if rows else 0
        raise UserError(f"{path} has {len(rows)} lines of {width} numbers; expected a square matrix (unit, unit)")
    return np.array(rows, dtype=np.float64)


@contextmanager
def open_text(paths: Sequence[Path], wanted: Wanted) -> Iterator[Source]:
    """Open text tables, each of which is one network."""
    files = [file for path in paths for file in (tables_in(path) if path.is_dir() else [path])]
    for file in files:
        if not file.is_file():
            raise UserError(f"there is no file {file}")
    first = read_table(files[0])
    units = len(first)

    def read(start: int, stop: int) -> Numbers:
        matrices = []
        for file in files[start:stop]:
            matrix = read_table(file)
            if matrix.shape != (units, units):
                raise UserError(
                    f"{file} has {len(matrix)} units, but {files[0]} has {units}; expected the same number in a group"
                )
            matrices.append(matrix)
        return np.stack(matrices)[:, None]

    epochs = epoch_numbers(1, wanted, str(files[0]))
    notes = [f"network {number} is {file.name}" for number, file in enumerate(files)] if len(files) > 1 else []
    yield Source((SourceGroup(wanted.group_name, len(files), units, epochs, read),), notes=tuple(notes))
