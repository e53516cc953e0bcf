"""Energy: activity of the units during the choice period, and mean weight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.selection import RecordingAnalysis, Setups, scored_epoch
from spatialnets.analyses.wiring import build_dataset, magnitudes
from spatialnets.protocols import Trials
from spatialnets.statistics.regression import activity_regression

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Energy", "activity_regression", "choice_period"]


@dataclass(frozen=True)
class Energy(RecordingAnalysis):
    """Measure the activity of units during the choice period, and the mean magnitude of weights.

    ``activity`` is the mean magnitude of a unit's state over trials and over the steps of the task's period ``choice``
    (or of its last period). ``mean_activity`` is its mean over units and ``mean_weight`` the mean magnitude of all
    recurrent weights. `activity_regression` compares groups. Networks that have not learned the task are NaN.

    Parameters
    ----------
    trials, input_noise, epoch, accuracy
        Recording settings and which networks are measured; see `spatialnets.analyses.selection.RecordingAnalysis`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 5b.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    def of_shard(self, shard: xr.Dataset, setups: Setups) -> xr.Dataset:
        """Measure one shard; `setups` gives the core and task of each network."""
        epoch = scored_epoch(shard, self.epoch)
        n_networks, n_units = shard.sizes["network"], shard.sizes["pre"]
        activity, weight = np.full((n_networks, 1, n_units), np.nan), np.full((n_networks, 1), np.nan)
        mean_weights = magnitudes(shard.sel(epoch=[epoch])).mean(axis=(-2, -1))
        for row, recording in self.recordings(shard, setups):
            start, stop = choice_period(recording.trials[0])
            activity[row, 0] = np.abs(recording.states[0, :, start:stop]).mean(axis=(0, 1), dtype=np.float64)
            weight[row] = mean_weights[row]
        dims, long_name = ("network", "epoch"), "mean magnitude of the state during the choice period"
        return build_dataset(
            {
                "activity": ((*dims, "unit"), activity, long_name, "1"),
                "mean_activity": (dims, activity.mean(axis=-1), f"{long_name}, mean over units", "1"),
                "mean_weight": (dims, weight, "mean magnitude of recurrent weights", "1"),
            },
            {"network": shard["network"], "epoch": [epoch], "unit": np.arange(n_units)},
        )


def choice_period(trials: Trials) -> tuple[int, int]:
    """Return the first step and the end of the period ``choice``, or of the last period if there is none."""
    return trials.periods.get("choice") or max(trials.periods.values(), key=lambda period: period[1])
