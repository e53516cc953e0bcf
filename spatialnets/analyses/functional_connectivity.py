"""Functional connectivity: which units are active together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.analyses.selection import Parts, Recorded, scored_epoch, varies
from spatialnets.analyses.selectivity import correlation
from spatialnets.analyses.wiring import distances_of, magnitudes
from spatialnets.protocols import FloatArray

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["FunctionalConnectivity", "functional_connectivity"]


def functional_connectivity(states: ArrayLike) -> FloatArray:
    """Return Pearson's correlation of the states of every two units, over all trials and steps.

    Parameters
    ----------
    states
        ``(trial, time, unit)``.

    Returns
    -------
    ndarray
        ``(unit, unit)``, 1 on the diagonal; NaN in row and column of a unit that does not vary or is not finite.

    Raises
    ------
    ValueError
        If `states` has other dimensions.

    Examples
    --------
    >>> functional_connectivity([[[0.0, 1.0, 5.0], [1.0, 0.0, 5.0]]]).round(3).tolist()
    [[1.0, -1.0, nan], [-1.0, 1.0, nan], [nan, nan, nan]]
    """
    values = np.asarray(states)
    if values.ndim != 3:
        raise ValueError(f"expected states (trial, time, unit), got {values.shape}")
    flat = values.reshape(-1, values.shape[-1])
    known = np.isfinite(flat).all(axis=0)
    known[known] = varies(flat[:, known])
    result = np.full((len(known), len(known)), np.nan)
    chosen = flat[:, known].astype(np.float64)
    chosen -= chosen.mean(axis=0)
    products = chosen.T @ chosen
    size = np.sqrt(products.diagonal())
    result[np.ix_(known, known)] = np.clip(products / np.outer(size, size), -1, 1)
    return result


@dataclass(frozen=True)
class FunctionalConnectivity(Recorded):
    """Whether units that are active together lie close to each other and are strongly connected.

    `functional_connectivity` is correlated with distance (``functional_distance_correlation``) and with the magnitude
    of weights, the mean of both directions (``functional_weight_correlation``), over all pairs of two different units
    that are not silent. ``mean_functional_connectivity`` is its mean magnitude over these pairs, ``silent_units`` the
    number of units that do not vary. Networks that have not learned the task are NaN.

    Parameters
    ----------
    trials, input_noise, epoch, accuracy
        What is recorded, and of which networks: see `spatialnets.analyses.selection.Recorded`.
    """

    def of_shard(self, shard: xr.Dataset, parts: Parts) -> xr.Dataset:
        """Measure one shard; `parts` says what its networks were made from."""
        import xarray as xr

        epoch = scored_epoch(shard, self.epoch)
        scored = shard.sel(epoch=[epoch])
        weights, distances = magnitudes(scored)[:, 0], distances_of(scored)[:, 0]
        pairs = np.triu_indices(weights.shape[-1], 1)
        found = np.full((4, shard.sizes["network"], 1), np.nan)
        for place, recording in self.recordings(shard, parts):
            together = functional_connectivity(recording.states[0])
            found[3, place] = np.isnan(together.diagonal()).sum()
            known = np.isfinite(together[pairs])
            if not known.any():
                continue
            values, wired = together[pairs][known], (weights[place] + weights[place].T)[pairs][known] / 2
            found[0, place] = correlation(values, distances[place][pairs][known])
            found[1, place] = correlation(values, wired)
            found[2, place] = np.abs(values).mean()
        names = {
            "functional_distance_correlation": "correlation of functional connectivity and distance",
            "functional_weight_correlation": "correlation of functional connectivity and weight",
            "mean_functional_connectivity": "mean magnitude of functional connectivity",
            "silent_units": "units that do not vary",
        }
        return xr.Dataset(
            {
                name: (("network", "epoch"), values, {"long_name": words, "units": "1"})
                for (name, words), values in zip(names.items(), found, strict=True)
            },
            {"network": shard["network"], "epoch": [epoch]},
        )
