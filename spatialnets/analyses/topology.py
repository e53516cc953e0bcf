"""How every network is connected, at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.wiring import dataset_of, magnitudes
from spatialnets.graph.clustering import clustering
from spatialnets.graph.degree import assortativity
from spatialnets.graph.matching import matching_index
from spatialnets.graph.matrices import measure_each
from spatialnets.graph.paths import betweenness, characteristic_path_length, efficiency, path_lengths
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import Analysis, FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Topology"]

WORDS = {
    "efficiency": "global efficiency, weighted",
    "efficiency_per_weight": "global efficiency over total weight",
    "clustering_weighted": "mean weighted clustering",
    "efficiency_binary": "global efficiency of the strongest connections",
    "path_length": "mean path length of the strongest connections",
    "connected_pairs": "share of pairs that the strongest connections connect",
    "clustering": "mean clustering of the strongest connections",
    "betweenness": "mean betweenness in the strongest connections",
    "assortativity": "assortativity of the strongest connections, out to in",
    "matching": "mean matching index of the strongest connections, undirected",
}


@dataclass(frozen=True)
class Topology(Analysis):
    """Efficiency, clustering, path length, betweenness, assortativity and matching, one number per network.

    Of all weights: ``efficiency``, ``efficiency_per_weight`` (divided by the total weight) and ``clustering_weighted``
    (Onnela). Of the strongest connections, directed and binary: ``efficiency_binary``, ``path_length``,
    ``connected_pairs`` (those that a way connects, over which path length is a mean), ``clustering``, ``betweenness``
    and ``assortativity``. Of those stronger still, made undirected: ``matching``. Of units and pairs the mean is taken.

    Parameters
    ----------
    density
        Share of all possible connections that are the strongest.
    matching_density
        The same for the matching index: the paper's, for the networks that generative models are compared with.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, whose code measures the efficiencies; Rubinov &
    Sporns (2010), doi:10.1016/j.neuroimage.2009.10.003; and those of the functions of `spatialnets.graph`.
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
        found = measure_each(magnitudes(shard), "topology", self._of_network, (len(WORDS),))
        return dataset_of(
            shard, {name: (found[..., place], words, "1") for place, (name, words) in enumerate(WORDS.items())}
        )

    def _of_network(self, weights: FloatArray) -> FloatArray:
        n_units, total = len(weights), weights.sum()
        strongest = threshold_proportional(weights, self.density) > 0
        few = threshold_proportional(weights, self.matching_density) > 0
        own_efficiency = efficiency(weights)
        lengths = path_lengths(strongest)
        pairs = n_units * (n_units - 1)
        measured = {
            "efficiency": own_efficiency,
            "efficiency_per_weight": own_efficiency / total if total > 0 else np.nan,
            "clustering_weighted": clustering(weights, weighted=True).mean(),
            "efficiency_binary": efficiency(strongest),
            "path_length": characteristic_path_length(strongest),
            "connected_pairs": (np.isfinite(lengths).sum() - n_units) / pairs if pairs else np.nan,
            "clustering": clustering(strongest).mean(),
            "betweenness": betweenness(strongest).mean(),
            "assortativity": assortativity(strongest),
            "matching": matching_index(few | few.T).sum() / pairs if pairs else np.nan,
        }
        return np.array([measured[name] for name in WORDS], dtype=np.float64)
