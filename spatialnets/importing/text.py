"""Networks from tables of numbers: one file, one matrix."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from spatialnets.errors import UserError
from spatialnets.files.limits import plain_text
from spatialnets.importing.source import Numbers, Source, SourceGroup, Wanted, epochs_of, reading
from spatialnets.protocols import FloatArray

__all__ = ["ENDINGS", "files_in", "open_text", "read_table"]

ENDINGS = (".csv", ".tsv", ".txt")


def files_in(path: Path) -> list[Path]:
    """Return the tables in a folder, as a reader would count them: ``net2`` before ``net10``."""

    def counted(file: Path) -> list[tuple[int, str]]:
        parts = re.split(r"(\d+)", file.name)
        return [(int(part), part) if part.isdecimal() else (-1, part) for part in parts]

    found = sorted((file for file in path.iterdir() if file.suffix.lower() in ENDINGS and file.is_file()), key=counted)
    if not found:
        raise UserError(f"{path} holds no table; expected files that end in {', '.join(ENDINGS)}")
    return found


def read_table(path: Path) -> FloatArray:
    """Read a square matrix of numbers, parted by commas, semicolons, tabs or spaces.

    Raises
    ------
    UserError
        If a line holds anything else (the line is named), lines differ in length, or it is not square.
    """
    with reading(path, "text"):
        lines = plain_text(path).splitlines()
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        mark = next((mark for mark in (";", ",", "\t") if mark in text), None)
        row = []
        for place, word in enumerate(text.split(mark), start=1):
            try:
                row.append(float(word.strip()))
            except ValueError:
                headed = "; take names of rows and columns out" if not rows or place == 1 else ""
                raise UserError(
                    f"{path}:{number}: entry {place} is {word.strip()!r}; expected a number{headed}"
                ) from None
        if rows and len(row) != len(rows[0]):
            raise UserError(f"{path}:{number}: {len(row)} numbers where the lines before have {len(rows[0])}")
        rows.append(row)
    if len(rows) < 2 or len(rows) != len(rows[0]):
        width = len(rows[0]) if rows else 0
        raise UserError(f"{path} has {len(rows)} lines of {width} numbers; expected a square matrix (unit, unit)")
    return np.array(rows, dtype=np.float64)


@contextmanager
def open_text(paths: Sequence[Path], wanted: Wanted) -> Iterator[Source]:
    """Open tables: each is one network."""
    files = [file for path in paths for file in (files_in(path) if path.is_dir() else [path])]
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
                    f"{file} has {len(matrix)} units, and {files[0]} {units}; networks of a group have as many"
                )
            matrices.append(matrix)
        return np.stack(matrices)[:, None]

    epochs = epochs_of(1, wanted, str(files[0]))
    notes = [f"network {number} is {file.name}" for number, file in enumerate(files)] if len(files) > 1 else []
    yield Source((SourceGroup(wanted.one_group, len(files), units, epochs, read),), notes=tuple(notes))
