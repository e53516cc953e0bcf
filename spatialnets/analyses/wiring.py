"""Wiring: how much, how long, how redundant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from spatialnets.graph.communicability import communicability
from spatialnets.protocols import Analysis, FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.run import Run

__all__ = ["Wiring", "magnitudes", "weight_distance_correlation"]


def magnitudes(shard: xr.Dataset) -> FloatArray:
    """Return |weights| of a shard, ``(network, epoch, pre, post)``, float64, summed over gates if there are several."""
    weights = abs(shard["weights"].astype(np.float64))
    return (weights.sum("gate") if "gate" in weights.dims else weights).to_numpy()


def weight_distance_correlation(weights: FloatArray, distances: FloatArray) -> FloatArray:
    """Return Pearson's correlation between weight and distance over all connections that exist.

    Parameters
    ----------
    weights
        Magnitudes ``(…, pre, post)``. As in the paper, a connection exists where its weight is above zero, and
        connections of a unit to itself (distance 0) count.
    distances
        ``(pre, post)``.

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
    exists = weights > 0
    count = exists.sum(axis=(-2, -1))

    def mean(values: FloatArray) -> FloatArray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return (values * exists).sum(axis=(-2, -1)) / count

    with np.errstate(invalid="ignore", divide="ignore"):
        weight_off = weights - mean(weights)[..., None, None]
        length_off = distances - mean(np.broadcast_to(distances, weights.shape))[..., None, None]
        spread = mean(weight_off**2) * mean(length_off**2)
        result = mean(weight_off * length_off) / np.sqrt(spread)
    undefined = (count < 2) | ~(spread > 0) | ~np.isfinite(weights).all(axis=(-2, -1))
    return np.asarray(np.where(undefined, np.nan, np.clip(result, -1, 1)))


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
        import torch
        import xarray as xr

        weights, distances = magnitudes(shard), shard["distances"].to_numpy()
        unit = str(shard.attrs["length_unit"])
        total = weights.sum(axis=(-2, -1))
        with np.errstate(invalid="ignore", divide="ignore"):
            length = (weights * distances).sum(axis=(-2, -1)) / total
        finite = np.isfinite(total)
        exchanged = np.full(total.shape, np.nan)
        if finite.any():
            exchanged[finite] = communicability(torch.from_numpy(weights[finite])).sum(dim=(-2, -1)).numpy()
        n_units = len(distances)
        variables: dict[str, tuple[FloatArray, str, str]] = {
            "total_weight": (total, "total weight", "1"),
            "weight_distance_correlation": (
                weight_distance_correlation(weights, distances),
                "correlation of weight and distance",
                "1",
            ),
            "weighted_edge_length": (length, "mean connection length, weighted", unit),
            "weighted_edge_length_paper": (
                (weights @ distances).mean(axis=(-2, -1)),
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
        return xr.Dataset(
            {
                name: (("network", "epoch"), values, _attributes(words, units))
                for name, (values, words, units) in variables.items()
            },
            {"network": shard["network"], "epoch": shard["epoch"]},
        )


def _attributes(long_name: str, units: str) -> dict[str, Any]:
    return {"long_name": long_name, "units": units}
