"""Tables that a report has written."""

from __future__ import annotations

import csv
from pathlib import Path

from spatialnets.errors import printable

__all__ = ["rows_of"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, by column; none if it is not there."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [{name: printable(cell or "") for name, cell in row.items()} for row in csv.DictReader(file)]
