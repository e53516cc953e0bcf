"""A task defined by arrays of inputs and targets, read from files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import read_array
from spatialnets.files.reading import InvalidFile, file_errors
from spatialnets.protocols import Trials
from spatialnets.tasks.files import file_version, read_csv, read_npz
from spatialnets.tasks.samples import Part, require_validation_share, subset_rows
from spatialnets.tasks.scores import ScoredTask
from spatialnets.validation import require_at_least

__all__ = ["Arrays"]

MAX_CLASSES = 10_000

Problem = Literal["classification", "regression"]


class SampleArrays(NamedTuple):
    """Inputs, targets, mask and labels of all samples."""

    inputs: NDArray[np.float32]  # (sample, time, input)
    targets: NDArray[np.float32]  # (sample, time, output)
    mask: NDArray[np.float32]  # (sample, time)
    labels: NDArray[np.int64] | None  # (sample,), if each sample has a single class


@dataclass(frozen=True)
class Arrays(ScoredTask):
    """A task defined by your own arrays, read from files: inputs ``X``, targets ``y`` and an optional ``mask``.

    ``X`` is ``(sample, time, input)``, or ``(sample, time)`` with one input. In classification, ``y`` holds classes
    counted from 0: ``(sample,)``, scored at the last step, or ``(sample, time)``, scored at every step. In regression,
    ``y`` is ``(sample, output)``, scored at the last step, or ``(sample, time, output)``, scored at every step. Trials
    are drawn with replacement from the training or the validation set; the split is random but always the same.

    For classification, loss is cross-entropy and accuracy the fraction of correct classes. For regression, loss is the
    mean squared error and accuracy the fraction of variance explained (R², or 0 if negative).

    Parameters
    ----------
    inputs
        File of ``X``: ``.npy``; ``.npz``, from its array ``X``; or ``.csv``, a table of numbers with one sample per
        line and one step per column, with or without a header line.
    targets
        File of ``y``, in one of the same formats. By default, the array ``y`` of the NPZ file of inputs.
    mask
        File of the loss weight of each step, ``(sample, time)`` or ``(time,)``, not negative. By default, the array
        ``mask`` of the NPZ file of inputs if it has one, otherwise 1 at the steps named above.
    problem
        ``"classification"`` or ``"regression"``.
    channels
        Number of inputs per step if ``X`` has two dimensions; its columns are the inputs of step 1, those of step 2, …
    validation_share
        Fraction of the samples that are held out for validation.
    part
        Set to draw from: ``"training"``, or ``"validation"``, the held-out samples on which networks are scored.

    Raises
    ------
    ValueError
        If a file is missing or has unexpected contents, shapes do not match, or a number is not finite.
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
        require_at_least("channels", self.channels, 1)
        require_validation_share(self.validation_share)
        self._samples()

    def _samples(self) -> SampleArrays:
        paths = (self.inputs, self.targets, self.mask)
        versions = tuple(None if path is None else file_version(path) for path in paths)
        return _load(paths, versions, self.problem, self.channels)

    @property
    def n_inputs(self) -> int:
        """Number of inputs per step."""
        return self._samples().inputs.shape[2]

    @property
    def n_outputs(self) -> int:
        """Number of classes, which is the largest class plus one, or of target values per step."""
        return self._samples().targets.shape[2]

    def held_out(self) -> Arrays:
        """Return the same task on the held-out samples."""
        return replace(self, part="validation")

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        return self.numbered(self.draw_numbers(count, generator))

    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        subset = subset_rows(len(self._samples().inputs), self.part, self.validation_share)
        return subset[generator.integers(len(subset), size=count)]

    def numbered(self, numbers: NDArray[np.int64]) -> Trials:
        """Return samples by their row in the files."""
        inputs, targets, mask, labels = self._samples()
        conditions: dict[str, NDArray[Any]] = {"sample": numbers}
        codes: dict[str, NDArray[np.float32]] = {}
        if labels is not None:
            conditions["label"] = labels[numbers]
            codes["label"] = np.eye(self.n_outputs, dtype=np.float32)[labels[numbers]]
        scored = np.flatnonzero(mask.any(axis=0))
        periods = {"sample": (0, inputs.shape[1]), "answer": (int(scored[0]), int(scored[-1]) + 1)}
        return Trials(inputs[numbers], targets[numbers], mask[numbers], conditions, periods, codes)

    @property
    def _continuous(self) -> bool:
        return self.problem == "regression"


@lru_cache(maxsize=4)
def _load(
    paths: tuple[str | None, str | None, str | None],
    versions: tuple[tuple[int, int] | None, ...],
    problem: Problem,
    channels: int,
) -> SampleArrays:
    source = Path(str(paths[0]))
    target, weight = (source if path is None else Path(path) for path in paths[1:])
    inputs = _inputs(_read(source, "X"), source, channels)
    y = _read(target, "y")
    if y.shape[:1] != inputs.shape[:1]:
        raise InvalidFile(f"{target}: y has shape {y.shape}; expected one row for each of the {len(inputs)} samples")
    targets = (_classes if problem == "classification" else _numbers)(y, inputs.shape[1], target)
    mask = np.zeros(inputs.shape[:2], dtype=np.float32)
    mask[:, 0 if targets.shape[1] > 1 else -1 :] = 1  # all steps if each has its own target, otherwise the last one
    if paths[2] is not None or (source.suffix == ".npz" and "mask" in read_npz(source)):
        mask = _mask(_read(weight, "mask"), mask.shape, weight)
    labels = y.astype(np.int64) if problem == "classification" and y.ndim == 1 else None
    return SampleArrays(inputs, targets * (mask > 0)[:, :, None], mask, labels)


def _read(path: Path, name: str) -> NDArray[Any]:
    """Return the numbers in a file; `name` selects one array of an NPZ file."""
    if path.suffix == ".npz":
        values: NDArray[Any] = read_npz(path, name)[name]
    elif path.suffix == ".npy":
        with file_errors(path, "an NPY file"):
            values = read_array(path)
    elif path.suffix == ".csv":
        values = read_csv(path)
        if name == "y" and values.shape[1] == 1:
            values = values[:, 0]
    else:
        raise InvalidFile(f"{path}: expected a .npy, .npz or .csv file")
    if values.dtype.kind not in "biuf" or not values.size:
        raise InvalidFile(f"{path}: {name} is {values.dtype} of shape {values.shape}; expected numbers")
    if not np.isfinite(values).all():
        raise InvalidFile(f"{path}: {name} contains values that are not finite")
    return values


def _inputs(values: NDArray[Any], path: Path, channels: int) -> NDArray[np.float32]:
    if values.ndim == 2 and values.shape[1] % channels == 0:
        values = values.reshape(len(values), -1, channels)
    if values.ndim != 3 or (channels != 1 and values.shape[2] != channels):
        raise InvalidFile(
            f"{path}: X has shape {values.shape}; expected (sample, time, input), or (sample, column) with a multiple "
            f"of {channels} columns"
        )
    if len(values) < 2:
        raise InvalidFile(f"{path}: X has {len(values)} sample; expected two or more, so that some can be held out")
    return values.astype(np.float32)


def _classes(values: NDArray[Any], steps: int, path: Path) -> NDArray[np.float32]:
    """Return one-hot classes, ``(sample, time or 1, class)``."""
    with np.errstate(invalid="ignore"):  # values that are too large raise an error below
        classes = values.astype(np.int64)
    if values.shape[1:] not in ((), (steps,)) or (classes != values).any() or classes.min() < 0 or classes.max() < 1:
        raise InvalidFile(
            f"{path}: y has shape {values.shape} and values from {values.min():g} to {values.max():g}; expected "
            f"classes, counted from 0, of shape (sample,) or (sample, {steps})"
        )
    if classes.max() >= MAX_CLASSES:
        raise InvalidFile(f"{path}: y has class {classes.max()}; expected classes below {MAX_CLASSES:,}")
    return np.eye(classes.max() + 1, dtype=np.float32)[classes.reshape(len(classes), -1)]


def _numbers(values: NDArray[Any], steps: int, path: Path) -> NDArray[np.float32]:
    """Return targets, ``(sample, time or 1, output)``."""
    if values.ndim > 3 or (values.ndim == 3 and values.shape[1] != steps):
        raise InvalidFile(f"{path}: y has shape {values.shape}; expected (sample, output) or (sample, {steps}, output)")
    return (values if values.ndim == 3 else values.reshape(len(values), 1, -1)).astype(np.float32)


def _mask(values: NDArray[Any], shape: tuple[int, ...], path: Path) -> NDArray[np.float32]:
    if values.shape not in (shape, shape[1:], (1, *shape[1:])):
        raise InvalidFile(f"{path}: mask has shape {values.shape}; expected {shape} or {shape[1:]}")
    mask = np.array(np.broadcast_to(values, shape), dtype=np.float32)
    if mask.min() < 0 or not mask.any(axis=1).all():
        raise InvalidFile(f"{path}: mask must not be negative, and must be above 0 at some step of each sample")
    return mask
