"""Selection of networks for analyses of recorded activity, with their cores and tasks."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import PerNetwork
from spatialnets.paper import PASS_ACCURACY, select_epoch
from spatialnets.protocols import Analysis, RecurrentCore, Task
from spatialnets.validation import require_at_least, require_fraction, require_not_negative

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.networks.recording import Recording
    from spatialnets.runs.run import Run

__all__ = [
    "NetworkSetup",
    "RecordingAnalysis",
    "Setups",
    "passing_mask",
    "scored_epoch",
    "setup_of",
    "setups_of",
    "varies",
]


class NetworkSetup(NamedTuple):
    """Core and task of some networks of a group, with their numbers."""

    numbers: Sequence[int]
    core: RecurrentCore
    task: Task


Setups: TypeAlias = Mapping[str, tuple[NetworkSetup, ...]]
"""Cores and tasks of all networks of a run, by group."""


def setups_of(run: Run) -> Setups:
    """Return the cores and tasks of all networks of a run, by group."""
    setups: dict[str, tuple[NetworkSetup, ...]] = {}
    for group in run.groups:
        remaining = {number for shard in run.shards if shard.group == group for number in shard.networks}
        while remaining:
            networks = run.parts(group, min(remaining))
            setups[group] = (*setups.get(group, ()), NetworkSetup(networks.numbers, networks.core, networks.task))
            remaining -= set(networks.numbers)
    return setups


def setup_of(setups: Setups, group: str, network: int) -> NetworkSetup:
    """Return the core and task of one network, reduced to its own values of fields that differ between networks."""
    setup = next(setup for setup in setups[group] if network in setup.numbers)
    index = setup.numbers.index(network)
    return NetworkSetup((network,), _select_values(setup.core, index), _select_values(setup.task, index))


def _select_values(component: Any, index: int) -> Any:
    hints = get_type_hints(type(component), include_extras=True)
    per_network = {name: getattr(component, name) for name, hint in hints.items() if hint == PerNetwork}
    return dataclasses.replace(
        component,
        **{name: values[index : index + 1] for name, values in per_network.items() if isinstance(values, tuple)},
    )


def scored_epoch(shard: xr.Dataset, epoch: int) -> int:
    """Return `epoch`, or the last epoch if training was shorter (see `spatialnets.paper.select_epoch`)."""
    return select_epoch(shard["epoch"].to_numpy(), epoch)


def passing_mask(shard: xr.Dataset, epoch: int, accuracy: float) -> NDArray[np.bool_]:
    """Return which networks reach a validation accuracy at an epoch, ``(network,)``; diverged networks do not."""
    return np.asarray(shard["validation_accuracy"].sel(epoch=epoch).to_numpy() >= accuracy)


def varies(states: ArrayLike) -> NDArray[np.bool_]:
    """Return which columns of finite states ``(sample, unit)`` vary by more than float32 rounding errors."""
    values = np.asarray(states)
    spread, largest = values.std(axis=0, dtype=np.float64), np.maximum(values.max(axis=0), -values.min(axis=0))
    return np.asarray(spread > 1e-6 * largest)


@dataclass(frozen=True)
class RecordingAnalysis(Analysis):
    """Base class of analyses that record the activity of networks that have learned their task, on new trials.

    Parameters
    ----------
    trials
        Number of trials to record for each network.
    input_noise
        Standard deviation of the input noise during recording.
    epoch
        Epoch to record; the last one if training was shorter.
    accuracy
        Minimum validation accuracy at that epoch; networks below it are NaN.
    """

    trials: int = 640
    input_noise: float = 0.0
    epoch: int = 9
    accuracy: float = PASS_ACCURACY

    def __post_init__(self) -> None:
        require_at_least("trials", self.trials, 1)
        require_at_least("epoch", self.epoch, 0)
        require_not_negative("input_noise", self.input_noise)
        require_fraction("accuracy", self.accuracy)

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, setups=setups_of(run)))

    @abstractmethod
    def of_shard(self, shard: xr.Dataset, setups: Setups) -> xr.Dataset:
        """Measure one shard; `setups` gives the core and task of each network."""

    def recordings(self, shard: xr.Dataset, setups: Setups) -> Iterator[tuple[int, Recording]]:
        """Yield the index and the recording of each network that has learned its task, one at a time."""
        from spatialnets.networks.recording import record

        epoch = scored_epoch(shard, self.epoch)
        for row in np.flatnonzero(passing_mask(shard, epoch, self.accuracy)).tolist():
            setup = setup_of(setups, str(shard.attrs["group"]), int(shard["network"][row]))
            yield row, record(shard.isel(network=[row]), epoch, setup.core, setup.task, self.trials, self.input_noise)
