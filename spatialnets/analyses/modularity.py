"""Modularity of every network at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.wiring import dataset_by_epoch, magnitudes
from spatialnets.graph.modularity import modularity
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Modularity"]


@dataclass(frozen=True)
class Modularity(Analysis):
    """Measure the modularity of weight magnitudes, computed as in the paper and for directed networks.

    ``modularity`` treats the directed, weighted matrix as the paper did (in-strengths for both ends).
    ``modularity_directed`` uses out- and in-strengths. ``modularity_louvain`` (optional) uses the consensus of repeated
    Louvain runs. See `spatialnets.graph.modularity.modularity`.

    Parameters
    ----------
    louvain
        If True, also measure ``modularity_louvain``, which takes twice as long as the other two together.
    binary_density
        If given, also measure ``modularity_binary`` of this fraction of strongest connections, binarised. The paper's
        eq. 9 is written for binary connections, while its code uses weights.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3a; Newman (2006); Leicht & Newman (2008);
    Blondel et al. (2008); Lancichinetti & Fortunato (2012).
    """

    references: ClassVar[tuple[str, ...]] = (
        "achterberg2023",
        "newman2006",
        "leicht2008",
        "blondel2008",
        "lancichinetti2012",
    )

    louvain: bool = False
    binary_density: float | None = None

    def __post_init__(self) -> None:
        if self.binary_density is not None and not 0 < self.binary_density <= 1:
            raise ValueError(f"binary_density must be above 0 and at most 1, not {self.binary_density}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        weights = magnitudes(shard)
        variables = {
            "modularity": (modularity(weights)[0], "modularity Q, as the paper computed it", "1"),
            "modularity_directed": (modularity(weights, "directed")[0], "modularity Q, directed", "1"),
        }
        if self.louvain:
            quality = modularity(weights, "louvain")[0]
            variables["modularity_louvain"] = (quality, "modularity Q, directed, Louvain consensus", "1")
        if self.binary_density is not None:
            strongest = threshold_proportional(weights, self.binary_density)
            binary = np.where(np.isnan(strongest), np.nan, strongest > 0)
            variables["modularity_binary"] = (modularity(binary)[0], "modularity Q of the strongest connections", "1")
        return dataset_by_epoch(shard, variables)
