"""A task from arrays of one's own: what is seen, and what is right."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import read_array
from spatialnets.files.reading import UnfitFile, reading
from spatialnets.protocols import Task, Trials
from spatialnets.tasks.files import read_csv, read_npz, state_of
from spatialnets.tasks.samples import Part, check_share, part_of
from spatialnets.tasks.scoring import cross_entropy, fraction_decided, mean_squared_error, variance_explained

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Arrays"]

MOST_CLASSES = 10_000

Problem = Literal["classification", "regression"]


class Material(NamedTuple):
    """Samples, as they are shown and asked."""

    inputs: NDArray[np.float32]  # (sample, time, input)
    targets: NDArray[np.float32]  # (sample, time, output)
    mask: NDArray[np.float32]  # (sample, time)
    labels: NDArray[np.int64] | None  # (sample,), where a sample has one class


@dataclass(frozen=True)
class Arrays(Task):
    """Samples of one's own, from files: inputs ``X``, what is right ``y``, and how much each step counts.

    ``X`` is ``(sample, time, input)``, or ``(sample, time)`` with one input. Classification: ``y`` is a class from 0,
    ``(sample,)``, asked at the last step, or ``(sample, time)``, asked at every step. Regression: ``y`` is
    ``(sample, output)``, asked at the last step, or ``(sample, time, output)``, asked at every step. Trials are drawn
    with replacement from the samples of a part; samples are dealt to the parts by chance, always in the same way.

    In classification loss is cross-entropy and accuracy the fraction of right classes; in regression loss is the mean
    squared error and accuracy the fraction of variance explained (R², 0 if negative).

    Parameters
    ----------
    inputs
        File of ``X``: ``.npy``; ``.npz``, its array ``X``; or ``.csv``, one sample a line and one step a column, a
        table of numbers that may have a first line of names.
    targets
        File of ``y``, in the same formats. Left out, it is the array ``y`` of the NPZ file of inputs.
    mask
        File of how much each step counts, ``(sample, time)`` or ``(time,)``, not negative. Left out, it is the array
        ``mask`` of the NPZ file of inputs, if there is one, or the steps at which something is asked, as above.
    problem
        ``"classification"`` or ``"regression"``.
    channels
        How many inputs a step has, where ``X`` has two dimensions: columns are then step 1's inputs, step 2's, …
    validation_share
        What share of the samples is kept apart.
    part
        Which samples: ``"training"``, or ``"validation"``, by which networks are scored.

    Raises
    ------
    ValueError
        If a file is not there or does not hold what it should, shapes do not fit together, or a number is not finite.
    """

    inputs: str
    targets: str | None = None
    mask: str | None = None
    problem: Problem = "classification"
    channels: int = 1
    validation_share: float = 0.2
    part: Part = "training"

    def __post_init__(self) -> None:
        for name in ("inputs", "targets", "mask"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        if self.problem not in ("classification", "regression"):
            raise ValueError(f"problem must be classification or regression, not {self.problem!r}")
        if self.part not in ("training", "validation"):
            raise ValueError(f"part must be training or validation, not {self.part!r}")
        if self.channels < 1:
            raise ValueError(f"channels must be 1 or more, not {self.channels}")
        check_share(self.validation_share)
        self._material()

    def _material(self) -> Material:
        paths = (self.inputs, self.targets, self.mask)
        states = tuple(None if path is None else state_of(path) for path in paths)
        return _load(paths, states, self.problem, self.channels)

    @property
    def n_inputs(self) -> int:
        """Inputs of a step."""
        return self._material().inputs.shape[2]

    @property
    def n_outputs(self) -> int:
        """Classes, as many as the largest in the files says; or numbers to give."""
        return self._material().targets.shape[2]

    def held_out(self) -> Arrays:
        """Return the same task on the samples that are kept apart."""
        return replace(self, part="validation")

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        material = self._material()
        rows = part_of(len(material.inputs), self.part, self.validation_share)
        which = rows[generator.integers(len(rows), size=count)]
        conditions: dict[str, NDArray[Any]] = {"sample": which}
        codes: dict[str, NDArray[np.float32]] = {}
        if material.labels is not None:
            conditions["label"] = material.labels[which]
            codes["label"] = np.eye(self.n_outputs, dtype=np.float32)[material.labels[which]]
        n_steps = material.inputs.shape[1]
        asked = np.flatnonzero(material.mask.any(axis=0))
        periods = {"sample": (0, n_steps), "answer": (int(asked[0]), int(asked[-1]) + 1)}
        return Trials(material.inputs[which], material.targets[which], material.mask[which], conditions, periods, codes)

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return cross-entropy or mean squared error (see `spatialnets.tasks.scoring`)."""
        score = cross_entropy if self.problem == "classification" else mean_squared_error
        return score(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of right classes, or of variance explained (see `spatialnets.tasks.scoring`)."""
        score = fraction_decided if self.problem == "classification" else variance_explained
        return score(outputs, targets, mask)


@lru_cache(maxsize=4)
def _load(
    paths: tuple[str | None, str | None, str | None],
    states: tuple[tuple[int, int] | None, ...],
    problem: Problem,
    channels: int,
) -> Material:
    source = Path(str(paths[0]))
    target, weight = (source if path is None else Path(path) for path in paths[1:])
    inputs = _inputs(_read(source, "X"), source, channels)
    right = _read(target, "y")
    if right.shape[:1] != inputs.shape[:1]:
        raise UnfitFile(f"{target}: y is {right.shape}; expected one row for each of the {len(inputs)} samples of X")
    targets = (_classes if problem == "classification" else _numbers)(right, inputs.shape[1], target)
    mask = np.zeros(inputs.shape[:2], dtype=np.float32)
    mask[:, 0 if targets.shape[1] > 1 else -1 :] = 1  # every step that has a target of its own, or the last
    if paths[2] is not None or (source.suffix == ".npz" and "mask" in read_npz(source)):
        mask = _mask(_read(weight, "mask"), mask.shape, weight)
    labels = right.astype(np.int64) if problem == "classification" and right.ndim == 1 else None
    return Material(inputs, targets * (mask > 0)[:, :, None], mask, labels)


def _read(path: Path, name: str) -> NDArray[Any]:
    """Return the numbers of a file; of several arrays, the one of a name."""
    if path.suffix == ".npz":
        arrays = read_npz(path)
        if name not in arrays:
            raise UnfitFile(f"{path} has no array {name}; it has {', '.join(arrays) or 'none'}")
        found: NDArray[Any] = arrays[name]
    elif path.suffix == ".npy":
        with reading(path, "an NPY file"):
            found = read_array(path)
    elif path.suffix == ".csv":
        found = read_csv(path)
        if name == "y" and found.shape[1] == 1:
            found = found[:, 0]
    else:
        raise UnfitFile(f"{path}: expected a name that ends in .npy, .npz or .csv")
    if found.dtype.kind not in "biuf" or not found.size:
        raise UnfitFile(f"{path}: {name} is {found.dtype} {found.shape}; expected numbers")
    if not np.isfinite(found).all():
        raise UnfitFile(f"{path}: {name} has numbers that are not finite")
    return found


def _inputs(given: NDArray[Any], path: Path, channels: int) -> NDArray[np.float32]:
    if given.ndim == 2 and given.shape[1] % channels == 0:
        given = given.reshape(len(given), -1, channels)
    if given.ndim != 3 or (channels != 1 and given.shape[2] != channels):
        raise UnfitFile(
            f"{path}: X is {given.shape}; expected (sample, time, input), or (sample, column) with a multiple of "
            f"{channels} columns"
        )
    if len(given) < 2:
        raise UnfitFile(f"{path}: X has {len(given)} sample; expected two or more, of which some are kept apart")
    return given.astype(np.float32)


def _classes(given: NDArray[Any], n_steps: int, path: Path) -> NDArray[np.float32]:
    """Return classes one-hot, ``(sample, time or 1, class)``."""
    with np.errstate(invalid="ignore"):  # of what is too large for a class, which is said below
        classes = given.astype(np.int64)
    if given.shape[1:] not in ((), (n_steps,)) or (classes != given).any() or classes.min() < 0 or classes.max() < 1:
        raise UnfitFile(
            f"{path}: y is {given.shape} from {given.min():g} to {given.max():g}; expected classes, whole numbers from "
            f"0, (sample,) or (sample, {n_steps})"
        )
    if classes.max() >= MOST_CLASSES:
        raise UnfitFile(f"{path}: y has a class {classes.max()}; expected classes below {MOST_CLASSES:,}")
    return np.eye(classes.max() + 1, dtype=np.float32)[classes.reshape(len(classes), -1)]


def _numbers(given: NDArray[Any], n_steps: int, path: Path) -> NDArray[np.float32]:
    """Return targets ``(sample, time or 1, output)``."""
    if given.ndim > 3 or (given.ndim == 3 and given.shape[1] != n_steps):
        raise UnfitFile(f"{path}: y is {given.shape}; expected (sample, output) or (sample, {n_steps}, output)")
    return (given if given.ndim == 3 else given.reshape(len(given), 1, -1)).astype(np.float32)


def _mask(given: NDArray[Any], shape: tuple[int, ...], path: Path) -> NDArray[np.float32]:
    if given.shape not in (shape, shape[1:], (1, *shape[1:])):
        raise UnfitFile(f"{path}: mask is {given.shape}; expected {shape} or {shape[1:]}")
    mask = np.array(np.broadcast_to(given, shape), dtype=np.float32)
    if mask.min() < 0 or not mask.any(axis=1).all():
        raise UnfitFile(f"{path}: a mask must not be negative, and ask something of every sample")
    return mask
