"""MATLAB files, old and new, as a tree of names: structs hold names, cells hold lists, leaves are arrays."""

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
    epochs_of,
    reading,
    real,
    stack_of,
)

if TYPE_CHECKING:
    import h5py

__all__ = ["Array", "Tree", "follow", "open_mat", "open_tree"]


MOST_UNITS = 30_000  # a sparse matrix says how large it is with a few bytes


class Array(Protocol):
    """An array that is read in parts; its shape is as in MATLAB."""

    shape: tuple[int, ...]

    def read(self, start: int, stop: int) -> Numbers:
        """Return the entries from `start` up to `stop` along the first dimension."""
        ...


Tree: TypeAlias = "Mapping[str, Tree] | Sequence[Tree] | Array"


class _Loaded:
    """An array in memory (MATLAB up to v7)."""

    def __init__(self, values: Numbers, what: str) -> None:
        self._values, self._what = values, what
        self.shape = values.shape

    def read(self, start: int, stop: int) -> Numbers:
        return real(self._values[start:stop], self._what)


class _Stored:
    """An array in an HDF5 file (MATLAB v7.3), which keeps dimensions in reverse."""

    def __init__(self, dataset: h5py.Dataset, what: str) -> None:
        check_links(dataset, what)
        check_size(Path(dataset.file.filename), math.prod(dataset.shape or ()) * dataset.dtype.itemsize)
        self._dataset, self._what = dataset, what
        empty = bool(dataset.attrs.get("MATLAB_empty", False))  # then what is stored is its shape
        self.shape = (0, 0) if empty else tuple(reversed(dataset.shape))

    def read(self, start: int, stop: int) -> Numbers:
        with reading(Path(self._dataset.file.filename), "a MATLAB file"):
            return real(self._dataset[..., start:stop].T, self._what)


class _Group(Mapping[str, Tree]):
    """A struct in an HDF5 file."""

    def __init__(self, group: h5py.Group, what: str) -> None:
        self._group, self._what = group, what

    def __getitem__(self, name: str) -> Tree:
        import h5py

        link = self._group.get(name, getlink=True)
        if link is None:
            raise KeyError(name)
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"{self._what} {name} is a link to elsewhere; expected a file that holds all of it")
        return _node(self._group[name], f"{self._what} {name}")

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._group if not name.startswith("#"))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _node(item: Any, what: str) -> Tree:
    import h5py

    if isinstance(item, h5py.Group):
        return _Group(item, what)
    if not isinstance(item, h5py.Dataset):
        raise UserError(f"{what} is no array; expected numbers")
    if h5py.check_ref_dtype(item.dtype) is h5py.Reference:  # a cell; a reference cannot lead out of its file
        references = item[()].ravel()
        if not all(references):
            raise UserError(f"{what} has a cell that leads nowhere; the file is damaged")
        return [_node(item.file[reference], f"{what}{{{place}}}") for place, reference in enumerate(references, 1)]
    return _Stored(item, what)


def _plain(values: Any, what: str) -> Tree:
    """Return what SciPy has read as a tree."""
    if hasattr(values, "toarray"):  # sparse
        if max(values.shape) > MOST_UNITS:
            raise UserError(f"{what} has shape {values.shape}; expected at most {MOST_UNITS:,} units")
        values = values.toarray()
    array = np.asarray(values)
    if array.dtype.names is not None:
        if array.size != 1:
            raise UserError(f"{what} is a list of {array.size} structs; expected one")
        content = array.reshape(-1)[0]
        return {name: _plain(content[name], f"{what} {name}") for name in array.dtype.names}
    if array.dtype == object:
        return [
            _plain(item, f"{what}{{{place}}}") for place, item in enumerate(array.ravel(order="F").tolist(), start=1)
        ]
    return _Loaded(array, what)


@contextmanager
def open_tree(path: Path) -> Iterator[Mapping[str, Tree]]:
    """Open a MATLAB file of any version.

    Of v7.3 only what is asked for is read; an older one, which holds 2 GB at most, is read whole.

    Raises
    ------
    UserError
        If it is none, or is cut short.
    """
    import h5py

    with reading(path, "a MATLAB file"):
        check_file(path)
    if h5py.is_hdf5(path):
        with reading(path, "a MATLAB file"):
            file = h5py.File(path, "r")
        with file:
            yield _Group(file, f"{path}:")
        return
    from scipy.io import loadmat

    with reading(path, "a MATLAB file"):
        check_mat(path)
        variables = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
        tree = {name: _plain(value, f"{path}: {name}") for name, value in variables.items()}
    yield tree


def follow(tree: Tree, names: str, path: Path) -> Tree:
    """Return what is at the end of names parted by dots.

    Raises
    ------
    UserError
        If a name is not there; the message says which names are.
    """
    for name in names.split("."):
        if not isinstance(tree, Mapping):
            raise UserError(f"{path}: there is no {names}, because what is above {name} is no struct")
        if name not in tree:
            raise UserError(f"{path} has no {names}: {name} is not there; {nearest(name, tree)}")
        tree = tree[name]
    return tree


def _is_array(tree: Tree) -> bool:
    return not isinstance(tree, (Mapping, list))


def _said(tree: Tree) -> str:
    if isinstance(tree, Mapping):
        return "struct of " + ", ".join(tree)
    return f"cell of {len(tree)}" if isinstance(tree, list) else str(tree.shape)  # type: ignore[union-attr]


@contextmanager
def open_mat(path: Path, wanted: Wanted) -> Iterator[Source]:
    """Open one array of a MATLAB file: ``(unit, unit)``, ``(network, unit, unit)``, ``(unit, unit, network)`` or
    ``(network, epoch, unit, unit)``; names within structs are parted by dots.
    """  # noqa: D205
    with open_tree(path) as tree:
        with reading(path, "a MATLAB file"):
            if wanted.variable is not None:
                name, chosen = wanted.variable, follow(tree, wanted.variable, path)
            else:
                fit = [name for name in tree if _is_array(tree[name]) and _is_stack(tree[name].shape)]  # type: ignore[union-attr]
                if len(fit) != 1:
                    there = ", ".join(f"{name} {_said(tree[name])}" for name in tree) or "nothing"
                    many = "several arrays of matrices" if fit else "no array of square matrices"
                    raise UserError(f"{path} holds {many}; choose one with --variable. It holds {there}")
                name, chosen = fit[0], tree[fit[0]]
            if not _is_array(chosen):
                raise UserError(f"{path}: {name} is a {_said(chosen)}; expected an array of square matrices")
            array: Array = chosen  # type: ignore[assignment]
            last = _networks_last(array.shape)
            shape = (array.shape[2], *array.shape[:2]) if last else array.shape
            count, epoch_count, units = stack_of(shape, f"{path}: {name}")
        notes = [f"{name} {array.shape} was taken for (unit, unit, network)"] if last else []

        def read(start: int, stop: int) -> Numbers:
            if last or len(shape) == 2:  # networks are not along the first dimension
                values = array.read(0, array.shape[0])
                values = (np.moveaxis(values, 2, 0) if last else values[None])[start:stop]
            else:
                values = array.read(start, stop)
            return values.reshape(stop - start, epoch_count, units, units)

        epochs = epochs_of(epoch_count, wanted, f"{path}: {name}")
        yield Source((SourceGroup(wanted.one_group, count, units, epochs, read),), notes=tuple(notes))


def _networks_last(shape: Sequence[int]) -> bool:
    """Tell whether matrices are stacked along the last dimension, as is MATLAB's habit."""
    return len(shape) == 3 and shape[0] == shape[1] and shape[1] != shape[2]


def _is_stack(shape: Sequence[int]) -> bool:
    if math.prod(shape) == 0 or not 2 <= len(shape) <= 4:
        return False
    return (shape[-1] == shape[-2] > 1) or (_networks_last(shape) and shape[0] > 1)
