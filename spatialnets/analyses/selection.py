"""Which networks an analysis of function looks at, and what they were made from."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.paper import PASS_ACCURACY, scored_among
from spatialnets.protocols import Analysis, PerNetwork, RecurrentCore, Task

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.networks.recording import Recording
    from spatialnets.runs.run import Run

__all__ = ["Made", "Parts", "Recorded", "made_of", "parts_of", "passing", "scored_epoch", "varies"]


class Made(NamedTuple):
    """What some networks of a group were made from: their numbers, core and task."""

    numbers: tuple[int, ...]
    core: RecurrentCore
    task: Task


Parts: TypeAlias = Mapping[str, tuple[Made, ...]]
"""What the networks of every group were made from."""


def parts_of(run: Run) -> Parts:
    """Return what the networks of a run were made from, by group."""
    parts: dict[str, tuple[Made, ...]] = {}
    for group in run.groups:
        left = {number for shard in run.shards if shard.group == group for number in shard.networks}
        while left:
            networks = run.parts(group, min(left))
            parts[group] = (*parts.get(group, ()), Made(networks.numbers, networks.core, networks.task))
            left -= set(networks.numbers)
    return parts


def made_of(parts: Parts, group: str, network: int) -> Made:
    """Return what one network was made from; of fields that differ per network, its own value."""
    made = next(made for made in parts[group] if network in made.numbers)
    place = made.numbers.index(network)
    return Made((network,), _own(made.core, place), _own(made.task, place))


def _own(part: Any, place: int) -> Any:
    hints = get_type_hints(type(part), include_extras=True)
    own = {name: getattr(part, name) for name, hint in hints.items() if hint == PerNetwork}
    return dataclasses.replace(
        part, **{name: values[place : place + 1] for name, values in own.items() if isinstance(values, tuple)}
    )


def scored_epoch(shard: xr.Dataset, epoch: int) -> int:
    """Return an epoch, or the last one if training was shorter (see `spatialnets.paper.scored_among`)."""
    return scored_among(shard["epoch"].to_numpy(), epoch)


def passing(shard: xr.Dataset, epoch: int, accuracy: float) -> NDArray[np.bool_]:
    """Tell which networks have at least some validation accuracy at an epoch, ``(network,)``; none that diverged."""
    return np.asarray(shard["validation_accuracy"].sel(epoch=epoch).to_numpy() >= accuracy)


def varies(states: ArrayLike) -> NDArray[np.bool_]:
    """Tell which columns of finite states ``(sample, unit)`` vary by more than the rounding of float32."""
    values = np.asarray(states)
    spread, largest = values.std(axis=0, dtype=np.float64), np.maximum(values.max(axis=0), -values.min(axis=0))
    return np.asarray(spread > 1e-6 * largest)


@dataclass(frozen=True)
class Recorded(Analysis):
    """An analysis of what units do while networks that have learned their task work on new trials.

    Parameters
    ----------
    trials
        How many trials to record of each network.
    input_noise
        Standard deviation of the noise on the inputs while recording.
    epoch
        After which epoch; the last one if training was shorter.
    accuracy
        Validation accuracy that a network must have there; others are NaN.
    """

    trials: int = 640
    input_noise: float = 0.0
    epoch: int = 9
    accuracy: float = PASS_ACCURACY

    def __post_init__(self) -> None:
        for name, least in (("trials", 1), ("epoch", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not (math.isfinite(self.input_noise) and self.input_noise >= 0):
            raise ValueError(f"input_noise must be finite and not negative, not {self.input_noise}")
        if not 0 <= self.accuracy <= 1:
            raise ValueError(f"accuracy must be between 0 and 1, not {self.accuracy}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, parts=parts_of(run)))

    @abstractmethod
    def of_shard(self, shard: xr.Dataset, parts: Parts) -> xr.Dataset:
        """Measure one shard; `parts` says what its networks were made from."""

    def recordings(self, shard: xr.Dataset, parts: Parts) -> Iterator[tuple[int, Recording]]:
        """Yield the place and the recording of each network that has learned its task, one at a time."""
        from spatialnets.networks.recording import record

        epoch = scored_epoch(shard, self.epoch)
        for place in np.flatnonzero(passing(shard, epoch, self.accuracy)).tolist():
            made = made_of(parts, str(shard.attrs["group"]), int(shard["network"][place]))
            yield place, record(shard.isel(network=[place]), epoch, made.core, made.task, self.trials, self.input_noise)
