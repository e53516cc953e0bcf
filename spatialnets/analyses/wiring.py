"""Wiring: how much, how long, how redundant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.graph.communicability import communicability
from spatialnets.graph.matrices import measure_each
from spatialnets.protocols import Analysis, FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Wiring", "dataset_of", "distances_of", "magnitudes", "weight_distance_correlation"]


def magnitudes(shard: xr.Dataset) -> FloatArray:
    """Return |weights| of a shard, ``(network, epoch, pre, post)``, float64, summed over gates if there are several."""
    weights = abs(shard["weights"].astype(np.float64))
    return (weights.sum("gate", skipna=False) if "gate" in weights.dims else weights).to_numpy()


def distances_of(shard: xr.Dataset) -> FloatArray:
    """Return distances, ``(network, epoch, pre, post)``, float64: throughout the same if none are learned."""
    distances = shard["distances"].to_numpy().astype(np.float64)
    if distances.ndim == 4:
        return distances
    return np.broadcast_to(distances, (shard.sizes["network"], shard.sizes["epoch"], *distances.shape))


def weight_distance_correlation(weights: FloatArray, distances: FloatArray) -> FloatArray:
    """Return Pearson's correlation between weight and distance over all connections that exist.

    Parameters
    ----------
    weights
        Magnitudes ``(…, pre, post)``. As in the paper, a connection exists where its weight is above zero, and
        connections of a unit to itself (distance 0) count.
    distances
        ``(pre, post)``, or one for each matrix of weights.

    Returns
    -------
    ndarray
        ``(…)``; NaN where fewer than two connections exist, or all are equal in weight or in length.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 2c.

    Examples
    --------
    >>> float(weight_distance_correlation(np.array([[3.0, 1.0], [1.0, 3.0]]), np.array([[0.0, 2.0], [2.0, 0.0]])))
    -1.0
    """

    def one(matrix: FloatArray, lengths: FloatArray) -> float:
        exists = matrix > 0
        own, length = matrix[exists], lengths[exists]
        if len(own) < 2 or np.ptp(own) == 0 or np.ptp(length) == 0:
            return np.nan
        own, length = own - own.mean(), length - length.mean()
        spread = float((own @ own) * (length @ length))
        return float(np.clip(own @ length / np.sqrt(spread), -1, 1)) if spread > 0 else np.nan

    return measure_each(weights, "the correlation of weight and distance", one, beside=distances)


def dataset_of(shard: xr.Dataset, variables: Mapping[str, tuple[FloatArray, str, str]]) -> xr.Dataset:
    """Return measurements of a shard, ``(network, epoch)`` each, given by name with their long name and unit."""
    import xarray as xr

    return xr.Dataset(
        {
            name: (("network", "epoch"), values, {"long_name": words, "units": units})
            for name, (values, words, units) in variables.items()
        },
        {"network": shard["network"], "epoch": shard["epoch"]},
    )


@dataclass(frozen=True)
class Wiring(Analysis):
    r"""Total weight, its correlation with distance, mean length and communicability.

    ``total_weight`` :math:`\sum |w|`; ``weight_distance_correlation``; ``weighted_edge_length``
    :math:`\sum |w| D / \sum |w|`, in the geometry's unit; ``weighted_edge_length_paper``, the mean entry of the matrix
    product :math:`|W| D`, as the paper's code has it; ``communicability``, the sum of :math:`C` off the diagonal, and
    ``mean_communicability``, its mean.

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
        unit = str(shard.attrs["length_unit"])
        total = measure_each(weights, "total weight", np.sum)
        length = measure_each(weights, "length", lambda matrix, own: (matrix * own).sum(), beside=distances)
        length = np.divide(length, total, out=np.full(total.shape, np.nan), where=total > 0)
        exchanged = measure_each(weights, "communicability", lambda matrix: communicability(matrix).sum())
        n_units = weights.shape[-1]
        variables: dict[str, tuple[FloatArray, str, str]] = {
            "total_weight": (total, "total weight", "1"),
            "weight_distance_correlation": (
                weight_distance_correlation(weights, distances),
                "correlation of weight and distance",
                "1",
            ),
            "weighted_edge_length": (length, "mean connection length, weighted", unit),
            "weighted_edge_length_paper": (
                measure_each(weights, "length", lambda matrix, own: (matrix @ own).mean(), beside=distances),
                "mean entry of |W| D",
                unit,
            ),
            "communicability": (exchanged, "sum of communicability off the diagonal", "1"),
            "mean_communicability": (
                exchanged / (n_units * (n_units - 1)),
                "mean communicability off the diagonal",
                "1",
            ),
        }
        return dataset_of(shard, variables)
