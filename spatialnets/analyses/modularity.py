"""Modularity of every network at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.analyses.wiring import dataset_of, magnitudes
from spatialnets.graph.modularity import modularity
from spatialnets.graph.threshold import threshold_proportional
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Modularity"]


@dataclass(frozen=True)
class Modularity(Analysis):
    """Modularity of the magnitudes of the weights, as the paper computed it and truly directed.

    ``modularity`` treats the directed, weighted matrix as the paper did (in-strengths on both ends);
    ``modularity_directed`` tells out- and in-strengths apart; ``modularity_louvain``, if asked for, takes the modules
    that repeated runs of Louvain agree on. See `spatialnets.graph.modularity.modularity`.

    Parameters
    ----------
    louvain
        Whether to measure it by Louvain, too, which takes twice as long as both others together.
    binary_density
        If given, ``modularity_binary`` is that of this share of connections, the strongest, all counting the same: the
        paper's eq. 9 is written for binary links, while its code takes the weights.

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
            variables["modularity_louvain"] = (quality, "modularity Q, directed, by Louvain", "1")
        if self.binary_density is not None:
            strongest = threshold_proportional(weights, self.binary_density)
            binary = np.where(np.isnan(strongest), np.nan, strongest > 0)
            variables["modularity_binary"] = (modularity(binary)[0], "modularity Q of the strongest connections", "1")
        return dataset_of(shard, variables)
