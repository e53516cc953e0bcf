"""Names of labels, from lookup tables."""

from __future__ import annotations

from pathlib import Path

from spatialnets.files.table import ENDINGS, read_rows
from spatialnets.geometries.anatomy.coordinates import NAMES, column

__all__ = ["read_lookup"]


def read_lookup(path: Path) -> dict[int, str]:
    """Return the name of each label in a lookup table.

    Parameters
    ----------
    path
        A table with columns index and name, as in BIDS (``_dseg.tsv``), or without a header, as in
        ``FreeSurferColorLUT.txt``. Lines that begin with ``#`` are comments.

    Raises
    ------
    ValueError
        If the file cannot be read, a line lacks a label or a name, or a label occurs twice. Messages name the line.
    """
    if path.suffix not in ENDINGS:
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .csv, .tsv or .txt")
    rows = [row for row in read_rows(path) if not row.text.startswith("#")]
    index, name = 0, 1
    if rows and not rows[0].words[0].isdecimal():
        index, name = column(rows[0], ("index", "label", "roilabel"), "index"), column(rows[0], NAMES, "name")
        rows = rows[1:]
    names: dict[int, str] = {}
    for row in rows:
        words = dict(enumerate(row.words))
        if not words.get(index, "").isdecimal() or not words.get(name):
            raise ValueError(f"{row.place}: expected a label (a whole number) and its name, not {row.text!r}")
        if int(words[index]) in names:
            raise ValueError(f"{row.place}: label {words[index]} occurs more than once")
        names[int(words[index])] = words[name]
    return names
