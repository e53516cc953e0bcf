"""Read the tables of a report, and count things in words."""

from __future__ import annotations

import csv
from pathlib import Path

from spatialnets.errors import printable

__all__ = ["counted", "read_rows"]


def read_rows(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each by column; an empty list if there is no such file."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return [{name: printable(cell or "") for name, cell in row.items()} for row in csv.DictReader(file)]


def counted(number: int, noun: str) -> str:
    """Return a number with a noun in the singular or plural.

    Examples
    --------
    >>> counted(1, "network"), counted(2000, "network")
    ('1 network', '2,000 networks')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
