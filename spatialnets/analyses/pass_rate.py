"""Pass rate: which networks have learned the task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.paper import PASS_ACCURACY
from spatialnets.protocols import Analysis
from spatialnets.validation import require_fraction

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["PassRate"]


@dataclass(frozen=True)
class PassRate(Analysis):
    """Determine whether each network reaches a validation accuracy; diverged networks do not.

    Parameters
    ----------
    threshold
        Minimum fraction of correct validation trials, 0.9 in the paper. The report of the run uses it as well.
    strict
        If True, networks must exceed the threshold. The authors' code does both: 390 and 388 seRNNs pass.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 2a.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    threshold: float = PASS_ACCURACY
    strict: bool = False

    def __post_init__(self) -> None:
        require_fraction("threshold", self.threshold)

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(self.of_shard, scores_only=True)

    def of_shard(self, shard: xr.Dataset) -> xr.Dataset:
        """Measure one shard."""
        accuracy = shard["validation_accuracy"]
        passed = accuracy > self.threshold if self.strict else accuracy >= self.threshold
        long_name = f"validation accuracy {'above' if self.strict else 'of at least'} {self.threshold:g}"
        values = passed.drop_vars([str(name) for name in passed.coords if name not in passed.dims])
        attrs = {"long_name": long_name, "units": "1", "threshold": self.threshold}
        return values.assign_attrs(attrs).to_dataset(name="passed")
