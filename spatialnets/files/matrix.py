"""Read a square matrix between named regions from any common file format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.files.limits import check_hdf5, check_mat, read_array, read_arrays
from spatialnets.files.reading import InvalidFile, file_errors
from spatialnets.files.table import ENDINGS, Row, read_rows

__all__ = ["Matrix", "Source", "as_source", "matrix_of", "read_matrix", "square"]

Source: TypeAlias = str | tuple[tuple[float, ...], ...]
"""A matrix as a component declares it: the name of a file, or the values."""

MAX_REGIONS = 30_000  # whose distances take 7 GB
MISSING = ("", "na", "n/a")  # missing values of R, pandas and BIDS, besides nan and inf


@dataclass(frozen=True)
class Matrix:
    """One value for each pair of regions.

    Parameters
    ----------
    values
        ``(region, region)``; NaN where the file has none.
    names
        Names of the regions in the file, ``(region,)``; None if it has none.
    """

    values: FloatArray
    names: tuple[str, ...] | None = None


def read_matrix(path: Path, variable: str | None = None) -> Matrix:
    """Read a square matrix.

    Parameters
    ----------
    path
        Text (``.csv``, ``.tsv``, ``.txt``), with or without names in the first row and the first column; ``.npy``;
        ``.npz`` or MATLAB (``.mat``, including v7.3), which may contain several arrays.
    variable
        Name of the array; by default the only square matrix.

    Raises
    ------
    ValueError
        If the file does not exist or cannot be read, or has no square matrix of real numbers, or several.
    """
    if path.suffix not in (*ENDINGS, ".npy", ".npz", ".mat"):
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .csv, .tsv, .txt, .npy, .npz or .mat")
    if path.suffix not in (".npz", ".mat") and variable is not None:
        raise ValueError(f"variable is only for .npz and .mat files; {path} contains a single matrix")
    if path.suffix in ENDINGS:
        return _from_text(path)
    with file_errors(path, f"a {path.suffix} file"):
        arrays = _arrays(path)
    if path.suffix == ".npy":
        return Matrix(square(arrays[""], str(path)))
    name = _only_square(arrays, path) if variable is None else variable
    if name not in arrays:
        raise ValueError(f"{path} has no variable {name}; it contains {_shapes(arrays)}")
    return Matrix(square(arrays[name], f"{path}: {name}"))


def as_source(source: str | Path | ArrayLike) -> Source:
    """Return a matrix as a component stores it, which can be compared and written to YAML.

    Examples
    --------
    >>> as_source([[0, 1], [2, 0]])
    ((0.0, 1.0), (2.0, 0.0))
    """
    if isinstance(source, (str, Path)):
        return str(source)
    rows: Any = source
    return tuple(tuple(float(value) for value in row) for row in rows)


def matrix_of(source: Source, variable: str | None = None) -> FloatArray:
    """Return the values of a declared matrix; `variable` and errors as in `read_matrix`.

    Examples
    --------
    >>> matrix_of(((0.0, 1.0), (2.0, 0.0))).shape
    (2, 2)
    """
    return read_matrix(Path(source), variable).values if isinstance(source, str) else square(source, "source")


def square(values: ArrayLike, name: str) -> FloatArray:
    """Return a square matrix of real numbers as float64.

    Parameters
    ----------
    values
        ``(region, region)``.
    name
        What messages call it.

    Raises
    ------
    ValueError
        If it is not a square matrix of real numbers.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is not a matrix (region, region): {error}") from error
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} has shape {array.shape}; expected a square matrix (region, region)")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} contains {array.dtype}; expected real numbers")
    return array.astype(np.float64)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name, which is empty for an NPY file."""
    import h5py
    from scipy.io import loadmat

    if path.suffix == ".npy":
        return {"": read_array(path)}
    if path.suffix == ".npz":
        return read_arrays(path)
    if h5py.is_hdf5(path):  # MATLAB v7.3, which stores arrays transposed
        check_hdf5(path)
        with h5py.File(path, "r") as file:
            return {name: np.asarray(item).T for name, item in file.items() if isinstance(item, h5py.Dataset)}
    check_mat(path)
    variables: dict[str, Any] = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    return {name: _dense(value, path, name) for name, value in variables.items()}


def _dense(value: Any, path: Path, name: str) -> NDArray[Any]:
    """Return an array, or a sparse matrix as an array if it is not too large."""
    if isinstance(value, np.ndarray):
        return value
    if value.shape[0] > MAX_REGIONS:
        raise InvalidFile(f"{path}: {name} has shape {value.shape}; expected at most {MAX_REGIONS:,} regions")
    return np.asarray(value.toarray())


def _only_square(arrays: Mapping[str, NDArray[Any]], path: Path) -> str:
    """Return the name of the only square matrix."""
    square_ones = [
        name
        for name, array in arrays.items()
        if array.ndim == 2 and array.shape[0] == array.shape[1] > 1 and array.dtype.kind in "iuf"
    ]
    if not square_ones:
        raise ValueError(f"{path} contains no square matrix; it contains {_shapes(arrays)}")
    if len(square_ones) > 1:
        advice = f"choose one, such as variable: {square_ones[0]}, of {_shapes(arrays)}"
        raise ValueError(f"{path} contains several square matrices; {advice}")
    return square_ones[0]


def _shapes(arrays: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"


# Text


def _from_text(path: Path) -> Matrix:
    rows = [row for row in read_rows(path) if not row.text.startswith("#")]
    if not rows:
        raise ValueError(f"{path} contains no matrix")
    has_header, has_row_names = _name_borders(rows, path)
    body = rows[has_header:]
    if not body:
        raise ValueError(f"{path} contains only names, no matrix")
    values = np.array([_values(row, row.words[has_row_names:]) for row in body])
    row_names = tuple(row.words[0] for row in body) if has_row_names else None
    names = rows[0].words[-len(body) :] if has_header else row_names
    for row, column_name, row_name in zip(body, names or (), row_names or (), strict=False):
        if column_name != row_name:
            raise ValueError(
                f"{row.place}: row {row_name!r} is where the columns have {column_name!r}; expected one order for both"
            )
    return Matrix(values, names)


def _name_borders(rows: list[Row], path: Path) -> tuple[bool, bool]:
    """Tell whether the first row of a table holds names, and whether its first column does."""
    first, width, n_rows = rows[0].words, len(rows[-1].words), len(rows)
    for row in rows[1:]:
        if len(row.words) != width:
            raise ValueError(f"{row.place} has {len(row.words)} entries; the last row has {width}")
    if n_rows == width and len(first) in (width - 1, width):
        both = len(first) < width or _starts_with_names(rows, path)  # R leaves out the corner above the row names
        return both, both
    numbers = tuple(map(str, range(width)))  # the names that pandas gives to columns without names
    if n_rows == width + 1 and len(first) == width and (first == numbers or not all(map(_is_value, first))):
        return True, False
    if n_rows == width - 1 and len(first) == width and not all(_is_value(row.words[0]) for row in rows):
        return False, True
    raise ValueError(f"{path} has {n_rows} rows of {width} entries; expected a square matrix, with or without names")


def _starts_with_names(rows: list[Row], path: Path) -> bool:
    """Tell whether a square table starts with names, or with the diagonal entry of the first region."""
    corner = rows[0].words[0]
    if corner:
        return not _is_value(corner)
    border = [*rows[0].words[1:], *(row.words[0] for row in rows[1:])]
    if all(map(_is_value, border)) and not any(row.words[place] for place, row in enumerate(rows)):
        raise ValueError(f"{path}: the first row could be names or entries; if it is entries, write 0 on the diagonal")
    return True


def _is_value(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return word.lower() in MISSING
    return True


def _values(row: Row, words: Sequence[str]) -> list[float]:
    for place, word in enumerate(words, start=1):
        if not _is_value(word):
            raise ValueError(f"{row.place}: entry {place} is {word!r}; expected a number")
    return [np.nan if word.lower() in MISSING else float(word) for word in words]
