"""What a file of networks holds, whatever its format: groups of matrices, and what is known of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import UserError
from spatialnets.files.reading import UnfitFile, words_of
from spatialnets.protocols import FloatArray

__all__ = [
    "FORMATS", "NAMELESS", "USUAL_EPOCH", "Source", "SourceGroup", "Wanted", "epochs_of", "places_of", "reading",
    "real", "stack_of",
]  # fmt: skip

FORMATS = ("rate_data", "npz", "mat", "csv")
NAMELESS = "imported"
"""What a group is called if neither the file nor the user names it."""

USUAL_EPOCH = 9
"""The epoch that networks are taken to be of if nothing says it: the one at which the toolkit compares networks."""

Numbers: TypeAlias = NDArray[Any]


@dataclass(frozen=True)
class Wanted:
    """What to take from a file, and what it does not say itself.

    Parameters
    ----------
    groups
        Which of its groups, by default all; or, where a file names none, what to call its one.
    epochs
        Which epochs; or, where a file does not say of which epochs its matrices are, of which.
    variable
        Which array of a MATLAB or NPZ file.
    orientation
        ``"pre_post"``: entry (i, j) leads from unit i to unit j; ``"post_pre"``: from j to i, as torch has it.
    keep_first
        Whether to keep the first network of each of the authors' sets, which their statistics leave out.
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
            raise UserError(f"epochs must be whole numbers, 0 or more, each above the one before, not {self.epochs}")

    @property
    def one_group(self) -> str:
        """What to call the group of a file that names none."""
        if len(self.groups) > 1:
            raise UserError(f"this file holds one group, which cannot be called {' and '.join(self.groups)}")
        return self.groups[0] if self.groups else NAMELESS


@dataclass(frozen=True)
class SourceGroup:
    """Networks of one kind.

    Parameters
    ----------
    name
        What it is called.
    count, units
        How many networks, of how many units.
    epochs
        At which epochs there are weights.
    read
        Gives the weights ``(network, epoch, pre, post)`` of the networks from the first number up to the second.
    strength, seed
        One for each network; None where they are not known.
    scores
        Such as ``validation_accuracy``, ``(network, epoch)``; those that are not known are left out.
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
    """Everything that a file holds.

    Parameters
    ----------
    groups
        In the file's order.
    positions, distances
        Of the units, where the file has them.
    notes
        What was left out or assumed, a sentence each.
    """

    groups: tuple[SourceGroup, ...]
    positions: FloatArray | None = None
    distances: FloatArray | None = None
    notes: tuple[str, ...] = ()


@contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Say of any error while reading a file, in one line, which file it was and what was expected.

    Raises
    ------
    UserError
        If reading fails, or asks for more memory than there is.
    """
    try:
        yield
    except UserError:
        raise
    except UnfitFile as error:  # which names the file
        raise UserError(str(error)) from error
    except MemoryError:
        raise UserError(f"{path} asks for more memory than there is") from None
    except Exception as error:  # parsers of broken files raise whatever they stumble over
        raise UserError(f"{path} cannot be read as {what}: {words_of(error)}") from error


def real(values: Any, what: str) -> Numbers:
    """Return an array of real numbers as float32 or float64.

    Raises
    ------
    UserError
        If it holds anything else.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iufb":
        raise UserError(f"{what} holds {array.dtype}; expected real numbers")
    if array.dtype == np.float32 or array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(np.float64)


def stack_of(shape: Sequence[int], what: str) -> tuple[int, int, int]:
    """Return how many networks, epochs and units an array of matrices holds.

    Parameters
    ----------
    shape
        ``(pre, post)``, ``(network, pre, post)`` or ``(network, epoch, pre, post)``.

    Raises
    ------
    UserError
        If it has another form, or holds nothing.

    Examples
    --------
    >>> stack_of((20, 11, 100, 100), "weights")
    (20, 11, 100)
    """
    if not 2 <= len(shape) <= 4 or shape[-1] != shape[-2] or shape[-1] < 2 or math.prod(shape) == 0:
        raise UserError(
            f"{what} has shape {tuple(shape)}; expected square matrices (unit, unit), (network, unit, unit) or "
            "(network, epoch, unit, unit)"
        )
    networks, epochs = (*shape[:-2], 1, 1)[:2]
    return int(networks), int(epochs), int(shape[-1])


def epochs_of(count: int, wanted: Wanted, what: str) -> tuple[int, ...]:
    """Return of which epochs matrices are, where the file does not say it.

    Raises
    ------
    UserError
        If other epochs are asked for than there are.
    """
    if wanted.epochs and len(wanted.epochs) != count:
        raise UserError(
            f"{what} holds {count} epoch(s), and --epochs names {len(wanted.epochs)}; expected one for each"
        )
    return wanted.epochs or (tuple(range(count)) if count > 1 else (USUAL_EPOCH,))


def places_of(known: Sequence[int], wanted: Wanted, what: str) -> list[int]:
    """Return where in a file that numbers its epochs those are that are wanted.

    Raises
    ------
    UserError
        If it lacks one.
    """
    absent = [epoch for epoch in wanted.epochs if epoch not in known]
    if absent:
        raise UserError(f"{what} has no epoch {absent[0]}; it has {', '.join(map(str, known))}")
    return [list(known).index(epoch) for epoch in wanted.epochs or known]
