"""Tables that a report has written."""

from __future__ import annotations

import csv
from pathlib import Path

__all__ = ["rows_of"]


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, by column; none if it is not there."""
    if not path.exists():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
