"""Small-worldness of every network at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.analyses.wiring import dataset_by_epoch, magnitudes
from spatialnets.graph.propensity import small_world_propensity
from spatialnets.graph.small_worldness import NULL_COUNTS, small_worldness
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["SmallWorldness"]


@dataclass(frozen=True)
class SmallWorldness(Analysis):
    """Measure small-worldness of the strongest tenth of connections, and small-world propensity of all weights.

    ``small_worldness`` is clustering relative to random networks, as computed by the authors' code;
    ``small_worldness_paths`` divides it by path length relative to random networks. ``small_world_propensity`` is
    measured on the symmetrised weights; ``clustering_deficit`` and ``length_excess`` are its two components. See
    `spatialnets.graph.small_worldness.small_worldness` and `spatialnets.graph.propensity.small_world_propensity`.

    Parameters
    ----------
    nulls
        Null model of the first two: random networks of the same ``"density"``, as in the paper, or with the same
        ``"degree"`` of every unit, which takes ten times as long.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3b; Humphries & Gurney (2008); Watts &
    Strogatz (1998); Muldoon, Bridgeford & Bassett (2016).
    """

    references: ClassVar[tuple[str, ...]] = (
        "achterberg2023",
        "humphries2008",
        "watts1998",
        "muldoon2016",
        "maslov2002",
    )

    nulls: Literal["density", "degree"] = "density"

    def __post_init__(self) -> None:
        if self.nulls not in NULL_COUNTS:
            raise ValueError(f"nulls must be density or degree, not {self.nulls!r}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        weights = magnitudes(shard)
        small_world = small_worldness(weights, nulls=self.nulls)
        paths = small_worldness(weights, "paths", nulls=self.nulls)
        propensity, deficit, excess = small_world_propensity(weights)
        return dataset_by_epoch(
            shard,
            {
                "small_worldness": (small_world, "small-worldness, as the paper computed it", "1"),
                "small_worldness_paths": (paths, "small-worldness, with path lengths", "1"),
                "small_world_propensity": (propensity, "small-world propensity", "1"),
                "clustering_deficit": (deficit, "clustering deficit relative to a lattice", "1"),
                "length_excess": (excess, "excess path length relative to random networks", "1"),
            },
        )
