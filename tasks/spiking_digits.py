"""Classification of spoken digits from spikes: the Spiking Heidelberg Digits, from local files."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.limits import check_hdf5
from spatialnets.files.reading import InvalidFile, file_errors
from spatialnets.tasks.files import file_version
from spatialnets.tasks.samples import LabelledSamples, require_validation_share, subset_rows
from spatialnets.validation import require_at_least, require_positive

__all__ = ["SpikingDigits"]

COCHLEA_CHANNELS = 700


class Spikes(NamedTuple):
    """The spikes of all samples in a file, one sample after the other."""

    times: NDArray[np.float32]  # in s, (spike,)
    units: NDArray[np.uint16]  # cochlea channel, (spike,)
    starts: NDArray[np.int64]  # index of the first spike of each sample, and the number of spikes, (sample + 1,)
    labels: NDArray[np.int64]  # (sample,)


@dataclass(frozen=True)
class SpikingDigits(LabelledSamples):
    """Classify spoken digits, in English and German, from the spikes of a cochlea model.

    Each input is the number of spikes of a cochlea channel, or of a pool of neighbouring channels, in one step. Outputs
    are the 20 classes. Nothing is downloaded. The Spiking Speech Commands have the same format (set ``classes: 35``).

    Parameters
    ----------
    source
        Path of ``shd_train.h5``: HDF5 with ``spikes/times`` (s), ``spikes/units`` (0 to 699) and ``labels``.
    validation_source
        Path of ``shd_test.h5``, used for validation. Without it, `validation_share` of `source` is held out.
    n_steps
        Number of steps into which the duration is divided.
    duration_s
        Duration in s that is presented, from the start of a sample; later spikes are ignored.
    channels
        Number of inputs, a divisor of 700.
    classes
        Number of outputs.
    validation_share
        Fraction of the samples that are held out if there is no `validation_source`.
    part, answer_steps
        ``"training"`` or ``"validation"``; and the number of final steps at which the class must be reported.

    Raises
    ------
    ValueError
        If a file is missing or has unexpected contents, or a value is out of range.

    References
    ----------
    Cramer, Stradmann, Schemmel & Zenke (2022), doi:10.1109/TNNLS.2020.3044364.
    """

    references: ClassVar[tuple[str, ...]] = ("cramer2022",)

    source: str
    validation_source: str | None = None
    n_steps: int = 100
    duration_s: float = 1.4
    channels: int = COCHLEA_CHANNELS
    classes: int = 20
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        for name in ("source", "validation_source"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(getattr(self, name)))
        require_at_least("n_steps", self.n_steps, 1)
        require_positive("duration_s", self.duration_s)
        if self.channels < 1 or COCHLEA_CHANNELS % self.channels:
            raise ValueError(f"channels must be a divisor of {COCHLEA_CHANNELS}, not {self.channels}")
        require_at_least("classes", self.classes, 2)
        require_validation_share(self.validation_share)
        super().__post_init__()
        for source in (self.source, self.validation_source):
            if source is not None:
                _check_file(Path(source))  # the spikes themselves are read when first needed

    @property
    def n_inputs(self) -> int:
        """Number of cochlea channels, or of pools of them."""
        return self.channels

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return self.classes

    @property
    def steps(self) -> int:
        return self.n_steps

    def _spikes(self) -> tuple[Spikes, NDArray[np.int64]]:
        """Return the spikes of a file and the indices of its samples in the set."""
        separate = self.part == "validation" and self.validation_source is not None
        source = Path(str(self.validation_source)) if separate else Path(self.source)
        spikes = _read_spikes(source, file_version(source), self.classes)
        if self.validation_source is not None:
            return spikes, np.arange(len(spikes.labels))
        return spikes, subset_rows(len(spikes.labels), self.part, self.validation_share)

    def labels(self) -> NDArray[np.int64]:
        spikes, rows = self._spikes()
        return spikes.labels[rows]

    def samples(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        spikes, subset = self._spikes()
        first, counts = spikes.starts[subset[rows]], np.diff(spikes.starts)[subset[rows]]
        trial = np.repeat(np.arange(len(rows)), counts)
        spike = np.arange(len(trial)) - np.repeat(counts.cumsum() - counts, counts) + np.repeat(first, counts)
        step = (spikes.times[spike] * (self.n_steps / self.duration_s)).astype(np.int64)
        channel = spikes.units[spike].astype(np.int64) * self.channels // COCHLEA_CHANNELS
        flat = ((trial * self.n_steps + step) * self.channels + channel)[step < self.n_steps]
        inputs = np.bincount(flat, minlength=len(rows) * self.n_steps * self.channels)
        return inputs.reshape(len(rows), self.n_steps, self.channels).astype(np.float32)


def _check_file(path: Path) -> None:
    """Raise a ValueError unless a file has the expected datasets, all of the same length."""
    import h5py

    with file_errors(path, "an HDF5 file of spikes"):
        check_hdf5(path)
    with file_errors(path, "an HDF5 file of spikes"), h5py.File(path, "r") as file:
        for name in ("spikes/times", "spikes/units", "labels"):
            if name not in file:
                raise InvalidFile(f"{path} has no {name}; expected spikes/times, spikes/units and labels")
        counts = [len(file[name]) for name in ("spikes/times", "spikes/units", "labels")]
        if len(set(counts)) > 1 or counts[0] < 2:
            raise InvalidFile(
                f"{path} has {counts[0]} samples of times, {counts[1]} of units and {counts[2]} labels; expected the "
                "same number of each, 2 or more"
            )


@lru_cache(maxsize=2)
def _read_spikes(path: Path, version: tuple[int, int], classes: int) -> Spikes:
    import h5py

    _check_file(path)
    with file_errors(path, "an HDF5 file of spikes"), h5py.File(path, "r") as file:
        times = [np.asarray(sample, dtype=np.float32) for sample in file["spikes/times"][:]]
        units = [np.asarray(sample) for sample in file["spikes/units"][:]]
        labels = np.asarray(file["labels"][:])
        for number, (time, unit) in enumerate(zip(times, units, strict=True)):
            if time.shape != unit.shape or time.ndim != 1:
                raise InvalidFile(f"{path}: sample {number} has {time.size} times and {unit.size} units")
        starts = np.cumsum([0] + [len(time) for time in times])
        all_times, all_units = np.concatenate(times), np.concatenate(units)
        if all_units.size and not 0 <= all_units.min() <= all_units.max() < COCHLEA_CHANNELS:
            limits = f"{all_units.min()} to {all_units.max()}"
            raise InvalidFile(f"{path}: expected units 0 to {COCHLEA_CHANNELS - 1}, not {limits}")
        if not (np.isfinite(all_times) & (all_times >= 0)).all():
            raise InvalidFile(f"{path}: spike times (s) must be finite and not negative")
        if labels.dtype.kind not in "iu" or not 0 <= labels.min() <= labels.max() < classes:
            raise InvalidFile(f"{path}: expected labels from 0 to {classes - 1}, not {labels.min()} to {labels.max()}")
        return Spikes(all_times, all_units.astype(np.uint16), starts, labels.astype(np.int64))
