"""A square matrix between named regions, from whatever file holds one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.files.limits import check_hdf5, check_mat, read_array, read_arrays
from spatialnets.files.reading import UnfitFile, reading
from spatialnets.files.table import ENDINGS, Row, read_rows
from spatialnets.protocols import FloatArray

__all__ = ["Matrix", "Source", "as_source", "matrix_of", "read_matrix", "square"]

Source: TypeAlias = str | tuple[tuple[float, ...], ...]
"""How a part declares a matrix: the name of a file, or the values."""

MOST_REGIONS = 30_000  # whose distances take 7 GB
MISSING = ("", "na", "n/a")  # besides nan and inf; as R, pandas and BIDS write what is not there


@dataclass(frozen=True)
class Matrix:
    """One value for each pair of regions.

    Parameters
    ----------
    values
        ``(region, region)``; NaN where the file has none.
    names
        As the file has them, ``(region,)``; None if it has none.
    """

    values: FloatArray
    names: tuple[str, ...] | None = None


def read_matrix(path: Path, variable: str | None = None) -> Matrix:
    """Read a square matrix.

    Parameters
    ----------
    path
        Text (``.csv``, ``.tsv``, ``.txt``), with or without a first line and a first column of names; ``.npy``;
        ``.npz`` or MATLAB (``.mat``, v7.3 too), which may hold several arrays.
    variable
        Which of several arrays; by default the only square matrix.

    Raises
    ------
    ValueError
        If the file is not there or cannot be read, or holds no square matrix of real numbers, or several.
    """
    if path.suffix not in (*ENDINGS, ".npy", ".npz", ".mat"):
        raise ValueError(f"{path} ends in '{path.suffix}'; expected .csv, .tsv, .txt, .npy, .npz or .mat")
    if path.suffix not in (".npz", ".mat") and variable is not None:
        raise ValueError(f"variable is for .npz and .mat; {path} holds one matrix")
    if path.suffix in ENDINGS:
        return _from_text(path)
    with reading(path, f"a {path.suffix} file"):
        arrays = _arrays(path)
    if path.suffix == ".npy":
        return Matrix(square(arrays[""], str(path)))
    name = _chosen(arrays, path) if variable is None else variable
    if name not in arrays:
        raise ValueError(f"{path} has no variable {name}; it holds {_shapes(arrays)}")
    return Matrix(square(arrays[name], f"{path}: {name}"))


def as_source(source: str | Path | ArrayLike) -> Source:
    """Return a declared matrix as a part keeps it, so that it can be compared and written down.

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
    """Return a declared matrix; arguments and errors are those of `read_matrix`.

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
        What to call it in messages.

    Raises
    ------
    ValueError
        If it is not square, or holds something else.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} is no matrix (region, region): {error}") from error
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise ValueError(f"{name} has shape {array.shape}; expected a square matrix (region, region)")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"{name} holds {array.dtype}; expected real numbers")
    return array.astype(np.float64)


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file by name; that of an NPY file has none."""
    import h5py
    from scipy.io import loadmat

    if path.suffix == ".npy":
        return {"": read_array(path)}
    if path.suffix == ".npz":
        return read_arrays(path)
    if h5py.is_hdf5(path):  # MATLAB v7.3, which keeps arrays transposed
        check_hdf5(path)
        with h5py.File(path, "r") as file:
            return {name: np.asarray(item).T for name, item in file.items() if isinstance(item, h5py.Dataset)}
    check_mat(path)
    variables: dict[str, Any] = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    return {name: _dense(value, path, name) for name, value in variables.items()}


def _dense(value: Any, path: Path, name: str) -> NDArray[Any]:
    """Return an array; what is none is a sparse matrix, which says how large it is with a few bytes."""
    if isinstance(value, np.ndarray):
        return value
    if value.shape[0] > MOST_REGIONS:
        raise UnfitFile(f"{path}: {name} has shape {value.shape}; expected at most {MOST_REGIONS:,} regions")
    return np.asarray(value.toarray())


def _chosen(arrays: Mapping[str, NDArray[Any]], path: Path) -> str:
    """Return the name of the only square matrix."""
    fit = [
        name
        for name, array in arrays.items()
        if array.ndim == 2 and array.shape[0] == array.shape[1] > 1 and array.dtype.kind in "iuf"
    ]
    if len(fit) != 1:
        many = f"several square matrices: write variable: {fit[0]}, or another of" if fit else "no square matrix, but"
        raise ValueError(f"{path} holds {many} {_shapes(arrays)}")
    return fit[0]


def _shapes(arrays: Mapping[str, NDArray[Any]]) -> str:
    return ", ".join(f"{name} {array.shape}" for name, array in arrays.items()) or "nothing"


# Text


def _from_text(path: Path) -> Matrix:
    rows = [row for row in read_rows(path) if not row.text.startswith("#")]
    if not rows:
        raise ValueError(f"{path} holds no matrix")
    above, before = _borders(rows, path)
    body = rows[above:]
    if not body:
        raise ValueError(f"{path} holds no matrix, only names")
    values = np.array([_values(row, row.words[before:]) for row in body])
    left = tuple(row.words[0] for row in body) if before else None
    top = rows[0].words[-len(body) :] if above else left
    for row, name, other in zip(body, top or (), left or (), strict=False):
        if name != other:
            raise ValueError(f"{row.place}: the line of {other!r} comes where the columns have {name!r}")
    return Matrix(values, top)


def _borders(rows: list[Row], path: Path) -> tuple[bool, bool]:
    """Tell whether a table begins with a line of names, and its lines with a name each."""
    first, width, lines = rows[0].words, len(rows[-1].words), len(rows)
    for row in rows[1:]:
        if len(row.words) != width:
            raise ValueError(f"{row.place}: {len(row.words)} entries where the last line has {width}")
    if lines == width and len(first) in (width - 1, width):
        both = len(first) < width or _starts_with_names(rows, path)  # R writes nothing above the names of lines
        return both, both
    counted = tuple(map(str, range(width)))  # as pandas names columns without names
    if lines == width + 1 and len(first) == width and (first == counted or not all(map(_is_value, first))):
        return True, False
    if lines == width - 1 and len(first) == width and not all(_is_value(row.words[0]) for row in rows):
        return False, True
    raise ValueError(f"{path} has {lines} lines of {width} entries; expected a square matrix, perhaps with names")


def _starts_with_names(rows: list[Row], path: Path) -> bool:
    """Tell whether a table as long as wide starts with names, or with the first region's entry for itself."""
    corner = rows[0].words[0]
    if corner:
        return not _is_value(corner)
    border = [*rows[0].words[1:], *(row.words[0] for row in rows[1:])]
    if all(map(_is_value, border)) and not any(row.words[place] for place, row in enumerate(rows)):
        raise ValueError(f"{path}: its first line may be names or entries; write 0 on the diagonal")
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
