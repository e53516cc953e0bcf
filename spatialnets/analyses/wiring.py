"""Wiring: total weight, connection lengths, their correlation, and communicability."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.graph.communicability import communicability
from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = [
    "Wiring",
    "build_dataset",
    "dataset_by_epoch",
    "distances_of",
    "magnitudes",
    "weight_distance_correlation",
]


def magnitudes(shard: xr.Dataset) -> FloatArray:
    """Return the magnitudes of weights, ``(network, epoch, pre, post)``, float64, summed over gates if any."""
    weights = abs(shard["weights"].astype(np.float64))
    return (weights.sum("gate", skipna=False) if "gate" in weights.dims else weights).to_numpy()


def distances_of(shard: xr.Dataset) -> FloatArray:
    """Return distances, ``(network, epoch, pre, post)``, float64; repeated over networks and epochs unless learned."""
    distances = shard["distances"].to_numpy().astype(np.float64)
    if distances.ndim == 4:
        return distances
    return np.broadcast_to(distances, (shard.sizes["network"], shard.sizes["epoch"], *distances.shape))


def weight_distance_correlation(weights: FloatArray, distances: FloatArray) -> FloatArray:
    """Return Pearson's correlation between weight and distance over all existing connections.

    Parameters
    ----------
    weights
        Magnitudes ``(…, pre, post)``. As in the paper, positive entries are connections, and self-connections
        (distance 0) count.
    distances
        ``(pre, post)``, or one matrix for each matrix of weights.

    Returns
    -------
    ndarray
        ``(…)``; NaN if fewer than two connections exist, or if their weights or lengths are all equal.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 2c.

    Examples
    --------
    >>> float(weight_distance_correlation(np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([[0.0, 2.0], [2.0, 0.0]])))
    -1.0
    """

    def correlation_of(matrix: FloatArray, lengths: FloatArray) -> float:
        exists = matrix > 0
        weight, length = matrix[exists], lengths[exists]
        if len(weight) < 2 or np.ptp(weight) == 0 or np.ptp(length) == 0:
            return np.nan
        weight, length = weight - weight.mean(), length - length.mean()
        spread = float((weight @ weight) * (length @ length))
        return float(np.clip(weight @ length / np.sqrt(spread), -1, 1)) if spread > 0 else np.nan

    return measure_each(weights, "the correlation of weight and distance", correlation_of, second=distances)


def build_dataset(
    variables: Mapping[str, tuple[tuple[str, ...], ArrayLike, str, str]], coords: Mapping[str, Any]
) -> xr.Dataset:
    """Return a dataset of variables that are given as dimensions, values, long name and unit."""
    import xarray as xr

    return xr.Dataset(
        {
            name: (dims, values, {"long_name": long_name, "units": units})
            for name, (dims, values, long_name, units) in variables.items()
        },
        coords,
    )


def dataset_by_epoch(shard: xr.Dataset, variables: Mapping[str, tuple[FloatArray, str, str]]) -> xr.Dataset:
    """Return a dataset of measurements ``(network, epoch)`` that are given as values, long name and unit."""
    coords = {"network": shard["network"], "epoch": shard["epoch"]}
    return build_dataset({name: (("network", "epoch"), *rest) for name, rest in variables.items()}, coords)


@dataclass(frozen=True)
class Wiring(Analysis):
    r"""Measure total weight, its correlation with distance, mean connection length and communicability.

    ``total_weight`` is :math:`\sum |w|`; ``weight_distance_correlation`` is Pearson's correlation over connections;
    ``weighted_edge_length`` is :math:`\sum |w| D / \sum |w|`, in the geometry's unit; ``weighted_edge_length_paper`` is
    the mean entry of the matrix product :math:`|W| D`, as in the paper's code; ``communicability`` and
    ``mean_communicability`` are the sum and the mean of the off-diagonal entries of :math:`C`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 2b-d.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "estrada2008", "crofts2009")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        weights, distances = magnitudes(shard), distances_of(shard)
        unit, n_units = str(shard.attrs["length_unit"]), weights.shape[-1]
        total = measure_each(weights, "total weight", np.sum)
        correlation = weight_distance_correlation(weights, distances)
        length = measure_each(weights, "length", lambda matrix, lengths: (matrix * lengths).sum(), second=distances)
        length = np.divide(length, total, out=np.full(total.shape, np.nan), where=total > 0)
        product = measure_each(weights, "length", lambda matrix, lengths: (matrix @ lengths).mean(), second=distances)
        summed = measure_each(weights, "communicability", lambda matrix: communicability(matrix).sum())
        variables: dict[str, tuple[FloatArray, str, str]] = {
            "total_weight": (total, "total weight", "1"),
            "weight_distance_correlation": (correlation, "correlation of weight and distance", "1"),
            "weighted_edge_length": (length, "mean connection length, weighted", unit),
            "weighted_edge_length_paper": (product, "mean entry of |W| D", unit),
            "communicability": (summed, "sum of off-diagonal communicability", "1"),
            "mean_communicability": (summed / (n_units * (n_units - 1)), "mean off-diagonal communicability", "1"),
        }
        return dataset_by_epoch(shard, variables)
