"""Read MATLAB files of any version as a tree: structs become mappings, cells lists, and leaves are arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from spatialnets.errors import UserError, nearest
from spatialnets.files.limits import check_file, check_links, check_mat, check_size
from spatialnets.importing.source import (
    Numbers,
    Source,
    SourceGroup,
    Wanted,
    epoch_numbers,
    file_errors,
    real_array,
    stack_dimensions,
)

if TYPE_CHECKING:
    import h5py

__all__ = ["Array", "Tree", "look_up", "open_mat", "open_tree"]


MAX_SPARSE_UNITS = 30_000  # a few bytes of a sparse matrix can declare any size


class Array(Protocol):
    """Array that is read in slices, with the shape it has in MATLAB."""

    shape: tuple[int, ...]

    def read(self, start: int, stop: int) -> Numbers:
        """Return the entries from `start` to `stop`, exclusive, along the first dimension."""
        ...


Tree: TypeAlias = "Mapping[str, Tree] | Sequence[Tree] | Array"


class _ArrayInMemory:
    """Array in memory (MATLAB up to v7)."""

    def __init__(self, values: Numbers, what: str) -> None:
        self._values, self._what = values, what
        self.shape = values.shape

    def read(self, start: int, stop: int) -> Numbers:
        return real_array(self._values[start:stop], self._what)


class _ArrayInFile:
    """Array in an HDF5 file (MATLAB v7.3), which stores dimensions in reverse order."""

    def __init__(self, dataset: h5py.Dataset, what: str) -> None:
        check_links(dataset, what)
        check_size(Path(dataset.file.filename), math.prod(dataset.shape or ()) * dataset.dtype.itemsize)
        self._dataset, self._what = dataset, what
        empty = bool(dataset.attrs.get("MATLAB_empty", False))  # the dataset then holds the shape
        self.shape = (0, 0) if empty else tuple(reversed(dataset.shape))

    def read(self, start: int, stop: int) -> Numbers:
        with file_errors(Path(self._dataset.file.filename), "a MATLAB file"):
            return real_array(self._dataset[..., start:stop].T, self._what)


class _Struct(Mapping[str, Tree]):
    """Struct in an HDF5 file."""

    def __init__(self, group: h5py.Group, what: str) -> None:
        self._group, self._what = group, what

    def __getitem__(self, name: str) -> Tree:
        import h5py

        link = self._group.get(name, getlink=True)
        if link is None:
            raise KeyError(name)
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"{self._what} {name} is a link; expected a file that contains the data itself")
        return _hdf5_tree(self._group[name], f"{self._what} {name}")

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._group if not name.startswith("#"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _hdf5_tree(item: Any, what: str) -> Tree:
    import h5py

    if isinstance(item, h5py.Group):
        return _Struct(item, what)
    if not isinstance(item, h5py.Dataset):
        raise UserError(f"{what} is not an array; expected numbers")
    if h5py.check_ref_dtype(item.dtype) is h5py.Reference:  # a cell array; references cannot point to other files
        references = item[()].ravel()
        if not all(references):
            raise UserError(f"{what} has a cell with an empty reference; the file is damaged")
        return [_hdf5_tree(item.file[one], f"{what}{{{number}}}") for number, one in enumerate(references, 1)]
    return _ArrayInFile(item, what)


def _scipy_tree(values: Any, what: str) -> Tree:
    """Convert a variable read by SciPy to a tree."""
    if hasattr(values, "toarray"):  # sparse
        if max(values.shape) > MAX_SPARSE_UNITS:
            raise UserError(f"{what} has shape {values.shape}; expected at most {MAX_SPARSE_UNITS:,} units")
        values = values.toarray()
    array = np.asarray(values)
    if array.dtype.names is not None:
        if array.size != 1:
            raise UserError(f"{what} is an array of {array.size} structs; expected one struct")
        struct = array.reshape(-1)[0]
        return {name: _scipy_tree(struct[name], f"{what} {name}") for name in array.dtype.names}
    if array.dtype == object:
        items = array.ravel(order="F").tolist()
        return [_scipy_tree(item, f"{what}{{{number}}}") for number, item in enumerate(items, start=1)]
    return _ArrayInMemory(array, what)


@contextmanager
def open_tree(path: Path) -> Iterator[Mapping[str, Tree]]:
    """Open a MATLAB file of any version.

    Arrays of a v7.3 file are read when needed; an older file, which is limited to 2 GB, is read completely.

    Raises
    ------
    UserError
        If it is not a MATLAB file or is truncated.
    """
    import h5py

    with file_errors(path, "a MATLAB file"):
        check_file(path)
    if h5py.is_hdf5(path):
        with file_errors(path, "a MATLAB file"):
            file = h5py.File(path, "r")
        with file:
            yield _Struct(file, f"{path}:")
        return
    from scipy.io import loadmat

    with file_errors(path, "a MATLAB file"):
        check_mat(path)
        variables = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
        tree = {name: _scipy_tree(value, f"{path}: {name}") for name, value in variables.items()}
    yield tree


def look_up(tree: Tree, names: str, path: Path) -> Tree:
    """Return the node at a path of names separated by dots.

    Raises
    ------
    UserError
        If a name does not exist; the message lists the names that do.
    """
    for name in names.split("."):
        if not isinstance(tree, Mapping):
            raise UserError(f"{path} has no {names}: the parent of {name} is not a struct")
        if name not in tree:
            raise UserError(f"{path} has no {names}: {name} does not exist; {nearest(name, tree)}")
        tree = tree[name]
    return tree


def _is_array(tree: Tree) -> bool:
    return not isinstance(tree, (Mapping, list))


def _describe(tree: Tree) -> str:
    if isinstance(tree, Mapping):
        return "struct of " + ", ".join(tree)
    return f"cell of {len(tree)}" if isinstance(tree, list) else str(tree.shape)  # type: ignore[union-attr]


@contextmanager
def open_mat(path: Path, wanted: Wanted) -> Iterator[Source]:
    """Open one array of a MATLAB file; names within structs are separated by dots.

    Its shape is ``(unit, unit)``, ``(network, unit, unit)``, ``(unit, unit, network)`` or
    ``(network, epoch, unit, unit)``.
    """
    with open_tree(path) as tree:
        with file_errors(path, "a MATLAB file"):
            if wanted.variable is not None:
                name, node = wanted.variable, look_up(tree, wanted.variable, path)
            else:
                stacks = [name for name in tree if _is_array(tree[name]) and _is_stack(tree[name].shape)]  # type: ignore[union-attr]
                if len(stacks) != 1:
                    contents = ", ".join(f"{name} {_describe(tree[name])}" for name in tree) or "nothing"
                    number = "several arrays of matrices" if stacks else "no array of square matrices"
                    raise UserError(f"{path} contains {number}; choose one with --variable. It contains {contents}")
                name, node = stacks[0], tree[stacks[0]]
            if not _is_array(node):
                raise UserError(f"{path}: {name} is a {_describe(node)}; expected an array of square matrices")
            array: Array = node  # type: ignore[assignment]
            last = _networks_last(array.shape)
            shape = (array.shape[2], *array.shape[:2]) if last else array.shape
            count, epoch_count, units = stack_dimensions(shape, f"{path}: {name}")
        notes = [f"{name} {array.shape} was read as (unit, unit, network)"] if last else []

        def read(start: int, stop: int) -> Numbers:
            if last or len(shape) == 2:  # the first dimension is not that of networks
                values = array.read(0, array.shape[0])
                values = (np.moveaxis(values, 2, 0) if last else values[None])[start:stop]
            else:
                values = array.read(start, stop)
            return values.reshape(stop - start, epoch_count, units, units)

        epochs = epoch_numbers(epoch_count, wanted, f"{path}: {name}")
        yield Source((SourceGroup(wanted.group_name, count, units, epochs, read),), notes=tuple(notes))


def _networks_last(shape: Sequence[int]) -> bool:
    """Return whether matrices are stacked along the last dimension, as is usual in MATLAB."""
    return len(shape) == 3 and shape[0] == shape[1] and shape[1] != shape[2]


def _is_stack(shape: Sequence[int]) -> bool:
    if math.prod(shape) == 0 or not 2 <= len(shape) <= 4:
        return False
    return (shape[-1] == shape[-2] > 1) or (_networks_last(shape) and shape[0] > 1)
