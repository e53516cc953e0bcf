"""Modularity of every network at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.analyses.wiring import magnitudes
from spatialnets.graph.modularity import modularity
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.run import Run

__all__ = ["Modularity"]


@dataclass(frozen=True)
class Modularity(Analysis):
    """Newman's modularity of the magnitudes of the weights, as the paper computed it and truly directed.

    ``modularity`` treats the directed, weighted matrix as the paper did (in-strengths on both ends);
    ``modularity_directed`` tells out- and in-strengths apart. See `spatialnets.graph.modularity.modularity`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3a; Newman (2006); Leicht & Newman (2008).
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "newman2006", "leicht2008")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        import xarray as xr

        summed = magnitudes(shard)
        return xr.Dataset(
            {
                "modularity": (
                    ("network", "epoch"),
                    modularity(summed)[0],
                    {"long_name": "modularity Q, as the paper computed it", "units": "1"},
                ),
                "modularity_directed": (
                    ("network", "epoch"),
                    modularity(summed, directed=True)[0],
                    {"long_name": "modularity Q, directed", "units": "1"},
                ),
            },
            {"network": shard["network"], "epoch": shard["epoch"]},
        )
