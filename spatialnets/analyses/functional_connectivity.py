"""Functional connectivity: correlations between the activities of units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.analyses.selection import RecordingAnalysis, Setups, scored_epoch, varies
from spatialnets.analyses.selectivity import correlation
from spatialnets.analyses.wiring import build_dataset, distances_of, magnitudes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FunctionalConnectivity", "functional_connectivity"]


def functional_connectivity(states: ArrayLike) -> FloatArray:
    """Return Pearson's correlation between the states of all pairs of units, over all trials and time steps.

    Parameters
    ----------
    states
        ``(trial, time, unit)``.

    Returns
    -------
    ndarray
        ``(unit, unit)``, 1 on the diagonal; NaN for units that do not vary or have non-finite states.

    Raises
    ------
    ValueError
        If `states` does not have three dimensions.

    Examples
    --------
    >>> functional_connectivity([[[0.0, 1.0, 5.0], [1.0, 0.0, 5.0]]]).round(3).tolist()
    [[1.0, -1.0, nan], [-1.0, 1.0, nan], [nan, nan, nan]]
    """
    values = np.asarray(states)
    if values.ndim != 3:
        raise ValueError(f"expected states (trial, time, unit), got shape {values.shape}")
    flat = values.reshape(-1, values.shape[-1])
    valid = np.isfinite(flat).all(axis=0)
    valid[valid] = varies(flat[:, valid])
    result = np.full((len(valid), len(valid)), np.nan)
    centred = flat[:, valid].astype(np.float64)
    centred -= centred.mean(axis=0)
    products = centred.T @ centred
    norms = np.sqrt(products.diagonal())
    result[np.ix_(valid, valid)] = np.clip(products / np.outer(norms, norms), -1, 1)
    return result


@dataclass(frozen=True)
class FunctionalConnectivity(RecordingAnalysis):
    """Correlate functional connectivity with distance and with weight.

    `functional_connectivity` is correlated with distance (``functional_distance_correlation``) and with the magnitude
    of weights, averaged over both directions (``functional_weight_correlation``), over all pairs of different units
    that are not silent. ``mean_functional_connectivity`` is its mean magnitude over these pairs and ``silent_units``
    the number of units that do not vary. Networks that have not learned the task are NaN.

    Parameters
    ----------
    trials, input_noise, epoch, accuracy
        Recording settings and which networks are measured; see `spatialnets.analyses.selection.RecordingAnalysis`.
    """

    def of_shard(self, shard: xr.Dataset, setups: Setups) -> xr.Dataset:
        """Measure one shard; `setups` gives the core and task of each network."""
        epoch = scored_epoch(shard, self.epoch)
        scored = shard.sel(epoch=[epoch])
        weights, distances = magnitudes(scored)[:, 0], distances_of(scored)[:, 0]
        pairs = np.triu_indices(weights.shape[-1], 1)
        measures = np.full((4, shard.sizes["network"], 1), np.nan)
        for row, recording in self.recordings(shard, setups):
            connectivity = functional_connectivity(recording.states[0])
            measures[3, row] = np.isnan(connectivity.diagonal()).sum()
            valid = np.isfinite(connectivity[pairs])
            if not valid.any():
                continue
            values, weight = connectivity[pairs][valid], (weights[row] + weights[row].T)[pairs][valid] / 2
            measures[0, row] = correlation(values, distances[row][pairs][valid])
            measures[1, row] = correlation(values, weight)
            measures[2, row] = np.abs(values).mean()
        long_names = {
            "functional_distance_correlation": "correlation of functional connectivity and distance",
            "functional_weight_correlation": "correlation of functional connectivity and weight",
            "mean_functional_connectivity": "mean magnitude of functional connectivity",
            "silent_units": "number of units that do not vary",
        }
        return build_dataset(
            {
                name: (("network", "epoch"), values, long_name, "1")
                for (name, long_name), values in zip(long_names.items(), measures, strict=True)
            },
            {"network": shard["network"], "epoch": [epoch]},
        )
