"""Write tables as CSV that a spreadsheet does not interpret as formulas."""

from __future__ import annotations

import pandas as pd

from spatialnets.files.table import spreadsheet_safe

__all__ = ["csv_of"]


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV text, with cells escaped that a spreadsheet would interpret as formulas."""
    escaped = {
        name: column.map(lambda cell: spreadsheet_safe(cell) if isinstance(cell, str) else cell)
        for name, column in table.items()
        if column.dtype.kind not in "biufmM"
    }
    return str(table.assign(**escaped).to_csv(index=False))
