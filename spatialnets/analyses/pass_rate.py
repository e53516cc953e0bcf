"""Which networks have learned the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.paper import PASS_ACCURACY
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["PassRate"]


@dataclass(frozen=True)
class PassRate(Analysis):
    """Whether the validation accuracy of a network reaches a threshold; a diverged network does not.

    Parameters
    ----------
    threshold
        Fraction of correct validation trials; the paper takes 0.9. The report of a run with this analysis takes it for
        what passing means.
    strict
        Whether the threshold itself is not enough. The authors' code has it both ways: 390 and 388 seRNNs.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 2a.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    threshold: float = PASS_ACCURACY
    strict: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must be between 0 and 1, not {self.threshold}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard, scores_only=True)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        accuracy = shard["validation_accuracy"]
        passed = accuracy > self.threshold if self.strict else accuracy >= self.threshold
        long_name = f"validation accuracy {'above' if self.strict else 'of at least'} {self.threshold:g}"
        kept = passed.drop_vars([str(name) for name in passed.coords if name not in passed.dims])
        said = {"long_name": long_name, "units": "1", "threshold": self.threshold}
        return kept.assign_attrs(said).to_dataset(name="passed")
