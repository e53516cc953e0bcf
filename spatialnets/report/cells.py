"""Tables as CSV that a spreadsheet shows and does not carry out."""

from __future__ import annotations

import pandas as pd

from spatialnets.files.table import harmless

__all__ = ["csv_of"]


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV, its words harmless."""
    words = {
        name: column.map(lambda cell: harmless(cell) if isinstance(cell, str) else cell)
        for name, column in table.items()
        if column.dtype.kind not in "biufmM"
    }
    return str(table.assign(**words).to_csv(index=False))
