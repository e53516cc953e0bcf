"""Small-worldness of every network at every epoch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.analyses.wiring import magnitudes
from spatialnets.graph.small_worldness import small_worldness
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.run import Run

__all__ = ["SmallWorldness"]


@dataclass(frozen=True)
class SmallWorldness(Analysis):
    """Small-worldness of the strongest tenth of the connections, as the paper's code has it and with true paths.

    ``small_worldness`` is clustering against chance, which is what the authors' code computes;
    ``small_worldness_paths`` divides it by path length against chance. See
    `spatialnets.graph.small_worldness.small_worldness`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 3b; Humphries & Gurney (2008); Watts &
    Strogatz (1998).
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "humphries2008", "watts1998")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        import xarray as xr

        weights = magnitudes(shard)
        return xr.Dataset(
            {
                "small_worldness": (
                    ("network", "epoch"),
                    small_worldness(weights),
                    {"long_name": "small-worldness, as the paper computed it", "units": "1"},
                ),
                "small_worldness_paths": (
                    ("network", "epoch"),
                    small_worldness(weights, "paths"),
                    {"long_name": "small-worldness, with true path lengths", "units": "1"},
                ),
            },
            {"network": shard["network"], "epoch": shard["epoch"]},
        )
