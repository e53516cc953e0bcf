"""Mixed selectivity: correlation, across units, of the variances that two task variables explain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from spatialnets.aliases import FloatArray
from spatialnets.analyses.decoding import DEFAULT_DECODING, Decoding, check_codes, load_or_decode
from spatialnets.analyses.selection import Setups, setups_of
from spatialnets.analyses.wiring import build_dataset
from spatialnets.protocols import Analysis

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Selectivity", "correlation"]


def correlation(first: ArrayLike, second: ArrayLike, where: ArrayLike = True) -> FloatArray:
    """Return Pearson's correlation along the last dimension; NaN if either input is constant or not finite.

    Parameters
    ----------
    first, second
        Values ``(…, n)``.
    where
        Mask of the values to include, ``(…, n)``.

    Examples
    --------
    >>> correlation([[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]], [3.0, 2.0, 1.0]).tolist()
    [-1.0, nan]
    """
    a, b, mask = np.broadcast_arrays(
        np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64), np.asarray(where, dtype=bool)
    )
    count = mask.sum(axis=-1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (np.where(mask, values, 0) for values in (a, b))
        a, b = (np.where(mask, values - values.sum(axis=-1, keepdims=True) / count, 0) for values in (a, b))
        spread = (a**2).sum(axis=-1) * (b**2).sum(axis=-1)
        return np.asarray(np.where(spread > 0, np.clip((a * b).sum(axis=-1) / np.sqrt(spread), -1, 1), np.nan))


@dataclass(frozen=True)
class Selectivity(Analysis):
    """Test whether the same units represent the goal and the choices.

    ``selectivity_correlation`` is Pearson's correlation, across units, of the variances that two codes explain (see
    `Decoding`): -1 if each unit represents only one code, 0 if codes are assigned to units independently. Units that
    do not vary in a window are left out; ``selectivity_correlation_all`` includes them as zeros, which raises the
    correlation. The paper does not state which it used. ``mean_explained_variance`` is the mean over all units, for
    every code.

    Parameters
    ----------
    first, second
        Names of the two codes.
    decoding
        Decoding settings; a stored decoding with the same settings is reused.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 5a (the last window).
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    first: str = "goal"
    second: str = "choices"
    decoding: Decoding = DEFAULT_DECODING

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"first and second must be two different codes, not both {self.first!r}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, setups=setups_of(run), folder=run.folder))

    def of_shard(self, shard: xr.Dataset, setups: Setups, folder: Path) -> xr.Dataset:
        """Measure one shard of the run in `folder`; `setups` gives the core and task of each network."""
        table = load_or_decode(self.decoding, shard, setups, folder)
        check_codes((self.first, self.second), table)
        values = table["explained_variance"].transpose("network", "epoch", "window", "predictor", "unit")
        silent = table["explained_variance_all"].transpose("network", "epoch", "window", "unit").to_numpy() == 0
        first, second = (values.sel(predictor=code).to_numpy() for code in (self.first, self.second))
        mean = values.to_numpy().astype(np.float64).mean(axis=-1)
        dims = ("network", "epoch", "window")
        long_name = f"correlation across units of the variances explained by {self.first} and {self.second}"
        coords = {name: table[name] for name in ("epoch", "window", "window_start", "predictor")}
        return build_dataset(
            {
                "selectivity_correlation": (dims, correlation(first, second, ~silent), long_name, "1"),
                "selectivity_correlation_all": (
                    dims, correlation(first, second), f"{long_name}, silent units counted as 0", "1",
                ),
                "mean_explained_variance": (
                    (*dims, "predictor"), mean, "variance explained by one code alone, mean over units", "1",
                ),
            },
            {"network": shard["network"], **coords},
        )  # fmt: skip
