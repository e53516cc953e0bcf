"""Selectivity: whether units represent one thing each, or several mixed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.analyses.decoding import DEFAULT, Decoding, decoded, refuse_unknown
from spatialnets.analyses.selection import Parts, parts_of
from spatialnets.protocols import Analysis, FloatArray

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Selectivity", "correlation"]


def correlation(one: ArrayLike, other: ArrayLike, where: ArrayLike = True) -> FloatArray:
    """Return Pearson's correlation along the last dimension; NaN where one of the two does not vary or is not finite.

    Parameters
    ----------
    one, other
        Values ``(…, n)``.
    where
        Which of them count, ``(…, n)``.

    Examples
    --------
    >>> correlation([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]], [3.0, 2.0, 1.0]).tolist()
    [-1.0, nan]
    """
    a, b, counts = np.broadcast_arrays(
        np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64), np.asarray(where, dtype=bool)
    )
    number = counts.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (np.where(counts, part, 0) for part in (a, b))
        a, b = (np.where(counts, part - part.sum(axis=-1, keepdims=True) / number, 0) for part in (a, b))
        spread = (a**2).sum(axis=-1) * (b**2).sum(axis=-1)
        return np.asarray(np.where(spread > 0, np.clip((a * b).sum(axis=-1) / np.sqrt(spread), -1, 1), np.nan))


@dataclass(frozen=True)
class Selectivity(Analysis):
    """Whether units that represent the goal also represent the choices.

    ``selectivity_correlation`` is Pearson's correlation across units between the variances that two codes explain, as
    `Decoding` gives them: -1 where each unit has its own code, 0 where codes are dealt to units independently. Units
    that do not vary in a window represent nothing and do not count; in ``selectivity_correlation_all`` they do, as
    zeros, which draws the correlation up. The paper does not say which it is. ``mean_explained_variance`` is the mean
    over all units for every code.

    Parameters
    ----------
    first, second
        The two codes.
    decoding
        How units are decoded. If the run has that stored, it is not done again.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 5a (the last window).
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    first: str = "goal"
    second: str = "choices"
    decoding: Decoding = DEFAULT

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"first and second must be two codes, not both {self.first!r}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, parts=parts_of(run), folder=run.folder))

    def of_shard(self, shard: xr.Dataset, parts: Parts, folder: Path) -> xr.Dataset:
        """Measure one shard; `parts` says what its networks were made from, `folder` where its run is."""
        import xarray as xr

        table = decoded(self.decoding, shard, parts, folder)
        refuse_unknown((self.first, self.second), table)
        values = table["explained_variance"].transpose("network", "epoch", "window", "predictor", "unit")
        silent = table["explained_variance_all"].transpose("network", "epoch", "window", "unit").to_numpy() == 0
        first, second = (values.sel(predictor=code).to_numpy() for code in (self.first, self.second))
        over = ("network", "epoch", "window")
        words = f"correlation across units of what {self.first} and {self.second} explain"
        return xr.Dataset(
            {
                "selectivity_correlation": (
                    over,
                    correlation(first, second, ~silent),
                    {"long_name": words, "units": "1"},
                ),
                "selectivity_correlation_all": (
                    over,
                    correlation(first, second),
                    {"long_name": f"{words}, silent units counted as 0", "units": "1"},
                ),
                "mean_explained_variance": (
                    (*over, "predictor"),
                    values.to_numpy().astype(np.float64).mean(axis=-1),
                    {"long_name": "variance explained by a code alone, mean over units", "units": "1"},
                ),
            },
            {
                "network": shard["network"],
                **{name: table[name] for name in ("epoch", "window", "window_start", "predictor")},
            },
        )
