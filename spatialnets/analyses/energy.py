"""Energy: how active the units of a network are while it decides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.selection import Parts, Recorded, scored_epoch
from spatialnets.analyses.wiring import magnitudes
from spatialnets.protocols import Trials
from spatialnets.statistics.regression import activity_regression

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Energy", "activity_regression", "deciding"]


@dataclass(frozen=True)
class Energy(Recorded):
    """How active units are while the network decides, and how strong its weights are.

    ``activity`` is the mean magnitude of a unit's state over trials, from when the choices are shown: the task's period
    ``choice``, or its last one. ``mean_activity`` is the mean over units, ``mean_weight`` that of the magnitudes of all
    recurrent weights. `activity_regression` sets groups against each other. Networks that have not learned the task are
    NaN.

    Parameters
    ----------
    trials, input_noise, epoch, accuracy
        What is recorded, and of which networks: see `spatialnets.analyses.selection.Recorded`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 5b.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    def of_shard(self, shard: xr.Dataset, parts: Parts) -> xr.Dataset:
        """Measure one shard; `parts` says what its networks were made from."""
        import xarray as xr

        epoch = scored_epoch(shard, self.epoch)
        n_networks, n_units = shard.sizes["network"], shard.sizes["pre"]
        activity, weight = np.full((n_networks, 1, n_units), np.nan), np.full((n_networks, 1), np.nan)
        strengths = magnitudes(shard.sel(epoch=[epoch])).mean(axis=(-2, -1))
        for place, recording in self.recordings(shard, parts):
            start, stop = deciding(recording.trials[0])
            activity[place, 0] = np.abs(recording.states[0, :, start:stop]).mean(axis=(0, 1), dtype=np.float64)
            weight[place] = strengths[place]
        over = ("network", "epoch")
        return xr.Dataset(
            {
                "activity": (
                    (*over, "unit"),
                    activity,
                    {"long_name": "mean magnitude of the state while deciding", "units": "1"},
                ),
                "mean_activity": (
                    over,
                    activity.mean(axis=-1),
                    {"long_name": "mean magnitude of the state while deciding, over units", "units": "1"},
                ),
                "mean_weight": (over, weight, {"long_name": "mean magnitude of recurrent weights", "units": "1"}),
            },
            {"network": shard["network"], "epoch": [epoch], "unit": np.arange(n_units)},
        )


def deciding(trials: Trials) -> tuple[int, int]:
    """Return the steps in which a network decides."""
    return trials.periods.get("choice") or max(trials.periods.values(), key=lambda period: period[1])
