"""Spoken digits as spikes: the Spiking Heidelberg Digits, from files of one's own."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import check_hdf5
from spatialnets.files.reading import UnfitFile, reading
from spatialnets.tasks.files import state_of
from spatialnets.tasks.samples import LabelledSamples, check_share, part_of

__all__ = ["SpikingDigits"]

UNITS = 700  # channels of the cochlea model


class Spikes(NamedTuple):
    """Spikes of all samples of a file, one after the other.

    Parameters
    ----------
    times
        When, in s, ``(spike,)``.
    units
        On which channel, ``(spike,)``.
    starts
        Where each sample's begin, and the end, ``(sample + 1,)``.
    labels
        Classes, ``(sample,)``.
    """

    times: NDArray[np.float32]
    units: NDArray[np.uint16]
    starts: NDArray[np.int64]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class SpikingDigits(LabelledSamples):
    """Say which of 20 words was spoken: the digits in English and German, as spikes of a model of the cochlea.

    An input is how many spikes a channel, or a pool of neighbouring channels, has in a step. Outputs are the classes.
    Nothing is downloaded; the Spiking Speech Commands have the same format (``classes: 35``).

    Parameters
    ----------
    source
        ``shd_train.h5``: HDF5 with ``spikes/times`` (s), ``spikes/units`` (0 to 699) and ``labels``.
    validation_source
        ``shd_test.h5``, for validation. Without it, `validation_share` of `source` is kept apart.
    n_steps
        Into how many steps the duration is cut.
    duration_s
        What is seen of a sample, from its begin; what comes later is left out.
    channels
        How many inputs; 700 must be a multiple of it.
    classes
        How many outputs.
    validation_share
        What share of the samples is kept apart, if there is no `validation_source`.
    part, answer_steps
        As for all samples: ``"training"`` or ``"validation"``; and at how many of the last steps the class is asked.

    Raises
    ------
    ValueError
        If a file is not there or does not hold what it should, or one of the others cannot be.

    References
    ----------
    Cramer, Stradmann, Schemmel & Zenke (2022), doi:10.1109/TNNLS.2020.3044364.
    """

    references: ClassVar[tuple[str, ...]] = ("cramer2022",)

    source: str
    validation_source: str | None = None
    n_steps: int = 100
    duration_s: float = 1.4
    channels: int = UNITS
    classes: int = 20
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("source", "validation_source"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        if self.n_steps < 1:
            raise ValueError(f"n_steps must be 1 or more, not {self.n_steps}")
        if not (math.isfinite(self.duration_s) and self.duration_s > 0):
            raise ValueError(f"duration_s must be finite and more than 0, not {self.duration_s}")
        if self.channels < 1 or UNITS % self.channels:
            raise ValueError(f"channels must divide {UNITS}, which {self.channels} does not")
        if self.classes < 2:
            raise ValueError(f"classes must be 2 or more, not {self.classes}")
        check_share(self.validation_share)
        super().__post_init__()
        for source in (self.source, self.validation_source):
            if source is not None:
                _check(Path(source))  # the spikes themselves are read when first needed

    @property
    def n_inputs(self) -> int:
        """Channels of the cochlea, or pools of them."""
        return self.channels

    @property
    def n_outputs(self) -> int:
        """Classes."""
        return self.classes

    @property
    def steps(self) -> int:
        return self.n_steps

    def _spikes(self) -> tuple[Spikes, NDArray[np.int64]]:
        """Return spikes of a file, and which of its samples belong to the part."""
        apart = self.part == "validation" and self.validation_source is not None
        source = Path(str(self.validation_source)) if apart else Path(self.source)
        spikes = _read(source, state_of(source), self.classes)
        if self.validation_source is not None:
            return spikes, np.arange(len(spikes.labels))
        return spikes, part_of(len(spikes.labels), self.part, self.validation_share)

    def labels(self) -> NDArray[np.int64]:
        spikes, rows = self._spikes()
        return spikes.labels[rows]

    def samples(self, which: NDArray[np.int64]) -> NDArray[np.float32]:
        spikes, rows = self._spikes()
        first, counts = spikes.starts[rows[which]], np.diff(spikes.starts)[rows[which]]
        trial = np.repeat(np.arange(len(which)), counts)
        place = np.arange(len(trial)) - np.repeat(counts.cumsum() - counts, counts) + np.repeat(first, counts)
        step = (spikes.times[place] * (self.n_steps / self.duration_s)).astype(np.int64)
        channel = spikes.units[place].astype(np.int64) * self.channels // UNITS
        seen = step < self.n_steps
        flat = ((trial * self.n_steps + step) * self.channels + channel)[seen]
        counted = np.bincount(flat, minlength=len(which) * self.n_steps * self.channels)
        return counted.reshape(len(which), self.n_steps, self.channels).astype(np.float32)


def _check(path: Path) -> None:
    """Raise a ValueError unless a file has the parts that it should."""
    import h5py

    with reading(path, "an HDF5 file of spikes"):
        check_hdf5(path)
    with reading(path, "an HDF5 file of spikes"), h5py.File(path, "r") as file:
        for name in ("spikes/times", "spikes/units", "labels"):
            if name not in file:
                raise UnfitFile(f"{path} has no {name}; expected spikes/times, spikes/units and labels")
        counts = [len(file[name]) for name in ("spikes/times", "spikes/units", "labels")]
        if len(set(counts)) > 1 or counts[0] < 2:
            raise UnfitFile(
                f"{path} has {counts[0]} samples of times, {counts[1]} of units and {counts[2]} labels; expected as "
                "many of each, and two or more"
            )


@lru_cache(maxsize=2)
def _read(path: Path, state: tuple[int, int], classes: int) -> Spikes:
    import h5py

    _check(path)
    with reading(path, "an HDF5 file of spikes"), h5py.File(path, "r") as file:
        times = [np.asarray(one, dtype=np.float32) for one in file["spikes/times"][:]]
        units = [np.asarray(one) for one in file["spikes/units"][:]]
        labels = np.asarray(file["labels"][:])
        for number, (one, other) in enumerate(zip(times, units, strict=True)):
            if one.shape != other.shape or one.ndim != 1:
                raise UnfitFile(f"{path}: sample {number} has {one.size} times and {other.size} units")
        starts = np.cumsum([0] + [len(one) for one in times])
        every_time, every_unit = np.concatenate(times), np.concatenate(units)
        if every_unit.size and not 0 <= every_unit.min() <= every_unit.max() < UNITS:
            raise UnfitFile(f"{path}: expected units 0 to {UNITS - 1}, not {every_unit.min()} to {every_unit.max()}")
        if not (np.isfinite(every_time) & (every_time >= 0)).all():
            raise UnfitFile(f"{path}: expected times in s from 0, all finite")
        if labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < classes:
            raise UnfitFile(f"{path}: expected labels from 0 to {classes - 1}, not {labels.min()} to {labels.max()}")
        return Spikes(every_time, every_unit.astype(np.uint16), starts, labels.astype(np.int64))
