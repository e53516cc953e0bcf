"""Graph measures of every network at every epoch: efficiency, clustering, paths, assortativity and matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.analyses.wiring import dataset_by_epoch, magnitudes
from spatialnets.graph.clustering import clustering
from spatialnets.graph.degree import assortativity
from spatialnets.graph.matching import matching_index
from spatialnets.graph.matrices import measure_each
from spatialnets.graph.paths import betweenness, characteristic_path_length, efficiency, path_lengths
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Topology"]

LONG_NAMES = {
    "efficiency": "global efficiency, weighted",
    "efficiency_per_weight": "global efficiency divided by total weight",
    "clustering_weighted": "mean weighted clustering",
    "efficiency_binary": "global efficiency of the strongest connections",
    "path_length": "mean path length of the strongest connections",
    "connected_pairs": "fraction of pairs connected by the strongest connections",
    "clustering": "mean clustering of the strongest connections",
    "betweenness": "mean betweenness in the strongest connections",
    "assortativity": "assortativity of the strongest connections, out to in",
    "matching": "mean matching index of the strongest connections, undirected",
}


@dataclass(frozen=True)
class Topology(Analysis):
    """Measure efficiency, clustering, path length, betweenness, assortativity and matching index of each network.

    Measured on all weights: ``efficiency``, ``efficiency_per_weight`` (divided by the total weight) and
    ``clustering_weighted`` (Onnela). Measured on the strongest connections, directed and binary:
    ``efficiency_binary``, ``path_length``, ``connected_pairs`` (the fraction of pairs with a path, over which path
    length is averaged), ``clustering``, ``betweenness`` and ``assortativity``. Measured on even fewer connections, made
    undirected: ``matching``. Measures of units and pairs are averaged.

    Parameters
    ----------
    density
        Fraction of all possible connections to keep.
    matching_density
        The same for the matching index; the default is the paper's density of targets of generative models.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, whose code measures the efficiencies; Rubinov &
    Sporns (2010), doi:10.1016/j.neuroimage.2009.10.003; see also the functions in `spatialnets.graph`.
    """

    references: ClassVar[tuple[str, ...]] = (
        "achterberg2023",
        "watts1998",
        "latora2001",
        "onnela2005",
        "hilgetag2000",
        "newman2003",
        "brandes2001",
    )

    density: float = 0.1
    matching_density: float = 0.05

    def __post_init__(self) -> None:
        for name in ("density", "matching_density"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be above 0 and at most 1, not {getattr(self, name)}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        values = measure_each(magnitudes(shard), "topology", self._of_network, (len(LONG_NAMES),))
        return dataset_by_epoch(
            shard, {name: (values[..., i], long_name, "1") for i, (name, long_name) in enumerate(LONG_NAMES.items())}
        )

    def _of_network(self, weights: FloatArray) -> FloatArray:
        n_units, total = len(weights), weights.sum()
        strongest = threshold_proportional(weights, self.density) > 0
        fewer = threshold_proportional(weights, self.matching_density) > 0
        weighted_efficiency = efficiency(weights)
        lengths = path_lengths(strongest)
        pairs = n_units * (n_units - 1)
        values = {
            "efficiency": weighted_efficiency,
            "efficiency_per_weight": weighted_efficiency / total if total > 0 else np.nan,
            "clustering_weighted": clustering(weights, weighted=True).mean(),
            "efficiency_binary": efficiency(strongest),
            "path_length": characteristic_path_length(strongest),
            "connected_pairs": (np.isfinite(lengths).sum() - n_units) / pairs if pairs else np.nan,
            "clustering": clustering(strongest).mean(),
            "betweenness": betweenness(strongest).mean(),
            "assortativity": assortativity(strongest),
            "matching": matching_index(fewer | fewer.T).sum() / pairs if pairs else np.nan,
        }
        return np.array([values[name] for name in LONG_NAMES], dtype=np.float64)
