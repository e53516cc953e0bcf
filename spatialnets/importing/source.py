"""Contents of a file of networks in any format: groups of weight matrices and their metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.errors import UserError, nearest
from spatialnets.files.reading import InvalidFile, one_line

__all__ = [
    "DEFAULT_EPOCH", "DEFAULT_GROUP", "FORMATS", "Source", "SourceGroup", "Wanted", "epoch_indices", "epoch_numbers",
    "file_errors", "real_array", "select_groups", "stack_dimensions",
]  # fmt: skip

FORMATS = ("rate_data", "npz", "mat", "csv")
DEFAULT_GROUP = "imported"
"""Name of a group if neither the file nor the user names it."""

DEFAULT_EPOCH = 9
"""Epoch of a single matrix if neither the file nor the user gives it: the epoch at which networks are compared."""

Numbers: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Wanted:
    """Options of an import: what to read from a file, and information that the file does not contain.

    Parameters
    ----------
    groups
        Groups to read, by default all. If the file names no groups, the name of its only one.
    epochs
        Epochs to read, by default all. If the file does not number its matrices, their epochs.
    variable
        Name of the array in a MATLAB or NPZ file.
    orientation
        ``"pre_post"`` if entry (i, j) is the connection from unit i to unit j; ``"post_pre"``, as in PyTorch, if it is
        the connection from j to i.
    keep_first
        If True, keep the first network of each of the authors' sets, which their statistics leave out.
    """

    groups: tuple[str, ...] = ()
    epochs: tuple[int, ...] = ()
    variable: str | None = None
    orientation: Literal["pre_post", "post_pre"] = "pre_post"
    keep_first: bool = False

    def __post_init__(self) -> None:
        if self.orientation not in ("pre_post", "post_pre"):
            raise UserError(f"orientation must be pre_post or post_pre, not {self.orientation!r}")
        if any(epoch < 0 for epoch in self.epochs) or list(self.epochs) != sorted(set(self.epochs)):
            raise UserError(f"epochs must be whole numbers, 0 or more, in increasing order, not {self.epochs}")

    @property
    def group_name(self) -> str:
        """Name of the group in a file that names no groups."""
        if len(self.groups) > 1:
            raise UserError(f"this file contains one group; expected one name, not {', '.join(self.groups)}")
        return self.groups[0] if self.groups else DEFAULT_GROUP


@dataclass(frozen=True)
class SourceGroup:
    """One group of networks in a file.

    Parameters
    ----------
    name
        Name of the group.
    count, units
        Number of networks, and of units in each.
    epochs
        Epochs of the weights.
    read
        Return the weights ``(network, epoch, pre, post)`` of the networks from `start` to `stop`, exclusive.
    strength, seed
        Regularization strength and seed of each network, ``(network,)``; None if unknown.
    scores
        Scores such as ``validation_accuracy``, ``(network, epoch)``, by name; unknown ones are missing.
    """

    name: str
    count: int
    units: int
    epochs: tuple[int, ...]
    read: Callable[[int, int], Numbers]
    strength: FloatArray | None = None
    seed: NDArray[np.int64] | None = None
    scores: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """Contents of a file.

    Parameters
    ----------
    groups
        Groups in the order of the file.
    positions, distances
        Positions and distances of the units, if the file contains them.
    notes
        What was ignored or assumed, one sentence each.
    """

    groups: tuple[SourceGroup, ...]
    positions: FloatArray | None = None
    distances: FloatArray | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def file_errors(path: Path, what: str) -> Iterator[None]:
    """Turn any error while reading a file into one line that names the file and the expected format.

    Raises
    ------
    UserError
        If reading fails or needs more memory than there is.
    """
    try:
        yield
    except UserError:
        raise
    except InvalidFile as error:  # its message names the file
        raise UserError(str(error)) from error
    except MemoryError:
        raise UserError(f"{path} needs more memory than there is") from None
    except Exception as error:  # parsers of damaged files raise errors of any kind
        raise UserError(f"{path} cannot be read as {what}: {one_line(error)}") from error


def real_array(values: Any, what: str) -> Numbers:
    """Convert real numbers to an array of float32 or float64.

    Raises
    ------
    UserError
        If the values are not real numbers.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iufb":
        raise UserError(f"{what} is of type {array.dtype}; expected real numbers")
    if array.dtype == np.float32 or array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(np.float64)


def stack_dimensions(shape: Sequence[int], what: str) -> tuple[int, int, int]:
    """Return the numbers of networks, epochs and units of an array of matrices.

    Parameters
    ----------
    shape
        ``(pre, post)``, ``(network, pre, post)`` or ``(network, epoch, pre, post)``.

    Raises
    ------
    UserError
        If the array has another shape or is empty.

    Examples
    --------
    >>> stack_dimensions((20, 11, 100, 100), "weights")
    (20, 11, 100)
    """
    if not 2 <= len(shape) <= 4 or shape[-1] != shape[-2] or shape[-1] < 2 or math.prod(shape) == 0:
        raise UserError(
            f"{what} has shape {tuple(shape)}; expected square matrices (unit, unit), (network, unit, unit) or "
            "(network, epoch, unit, unit)"
        )
    networks, epochs = (*shape[:-2], 1, 1)[:2]
    return int(networks), int(epochs), int(shape[-1])


def epoch_numbers(count: int, wanted: Wanted, what: str) -> tuple[int, ...]:
    """Return the epochs of `count` matrices that the file does not number; raise a UserError unless they match."""
    if wanted.epochs and len(wanted.epochs) != count:
        raise UserError(
            f"{what} contains {count} epoch(s), but --epochs gives {len(wanted.epochs)}; expected one number for each"
        )
    return wanted.epochs or (tuple(range(count)) if count > 1 else (DEFAULT_EPOCH,))


def epoch_indices(stored: Sequence[int], wanted: Wanted, what: str) -> list[int]:
    """Return the indices of the selected epochs among the stored ones; raise a UserError if one is not stored."""
    missing = [epoch for epoch in wanted.epochs if epoch not in stored]
    if missing:
        raise UserError(f"{what} has no epoch {missing[0]}; it has {', '.join(map(str, stored))}")
    return [list(stored).index(epoch) for epoch in wanted.epochs or stored]


def select_groups(names: Iterable[str], wanted: Wanted, path: Path) -> list[str]:
    """Return the selected groups in the order of the file; raise a UserError if the file lacks one."""
    names = list(names)
    missing = [name for name in wanted.groups if name not in names]
    if missing:
        raise UserError(f"{path} has no group '{missing[0]}': {nearest(missing[0], names)}")
    return [name for name in names if not wanted.groups or name in wanted.groups]
