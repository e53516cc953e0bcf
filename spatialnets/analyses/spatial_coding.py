"""Spatial coding: whether units that represent the same task variable are close together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.aliases import FloatArray
from spatialnets.analyses.decoding import DEFAULT_DECODING, Decoding, check_codes, load_or_decode
from spatialnets.analyses.selection import Setups, setups_of
from spatialnets.analyses.wiring import build_dataset, distances_of
from spatialnets.protocols import Analysis
from spatialnets.rng import numpy_stream
from spatialnets.validation import require_at_least

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["SpatialCoding", "spatial_spread"]


def spatial_spread(
    distances: ArrayLike, units: ArrayLike, orders: NDArray[np.int64], loads: ArrayLike | None = None
) -> float:
    r"""Return the fraction of random sets of units that are closer together than a given set.

    The spread of :math:`n` units is :math:`T = n^{-2} \sum_{ij} \ell_i D_{ij}`, with distances :math:`D` and loads
    :math:`\ell`; random sets have the same size and loads. The fraction is near 0 for clustered units, near 1 for
    units that are spread out, and uniformly distributed for random sets.

    Parameters
    ----------
    distances
        ``(unit, unit)``, 0 on the diagonal.
    units
        Indices of the units in the set, ``(n,)``.
    orders
        Random permutations of all units, ``(set, unit)``; the first n of each are a random set.
    loads
        Weight of each unit of the set, ``(n,)``; by default all are 1.

    Returns
    -------
    float
        :math:`\#(T > T_{random})` divided by the number of sets; NaN for fewer than two units, whose spread is always
        0, and for all units with equal loads, for which only one set exists.

    Raises
    ------
    ValueError
        If shapes do not match.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Methods, "Spatial permutation test", Fig. 4e.

    Examples
    --------
    >>> line = np.abs(np.subtract.outer(np.arange(20.0), np.arange(20.0)))
    >>> generator = np.random.default_rng(0)
    >>> orders = generator.permuted(np.tile(np.arange(20), (1000, 1)), axis=1)
    >>> spatial_spread(line, [3, 4, 5, 6], orders), spatial_spread(line, [0, 1, 18, 19], orders)
    (0.0, 1.0)
    """
    lengths, indices = np.asarray(distances, dtype=np.float64), np.asarray(units)
    weights = np.ones(len(indices)) if loads is None else np.asarray(loads, dtype=np.float64)
    n_units, size = len(lengths), len(indices)
    if lengths.shape != (n_units, n_units) or orders.shape[1:] != (n_units,) or weights.shape != (size,):
        raise ValueError(
            "expected distances (unit, unit), orders (set, unit) and one load per unit of the set, "
            f"got {lengths.shape}, {orders.shape} and {weights.shape} for {size} units"
        )
    if size < 2 or (size == n_units and np.ptp(weights) == 0):
        return float("nan")
    random_sets = orders[:, :size]
    member = np.zeros(orders.shape)
    np.put_along_axis(member, random_sets, 1, axis=1)
    summed = np.take_along_axis(member @ lengths, random_sets, axis=1)  # distance of each unit to all of its set
    spread = weights @ lengths[np.ix_(indices, indices)].sum(axis=1)
    tolerance = 1e-12 * abs(spread)  # equal spreads may differ by rounding
    return float((spread > summed @ weights + tolerance).mean())


@dataclass(frozen=True)
class SpatialCoding(Analysis):
    r"""Test whether units that prefer the goal, or those that prefer the choices, are closer together than by chance.

    The preference of a unit is :math:`\delta = |V_{goal}| - |V_{choices}|`, the difference of its explained variances
    (see `Decoding`): units with :math:`\delta > 0` prefer the goal, units with :math:`\delta < 0` the choices. Units
    are weighted by :math:`|\delta|` in the spread of their set (see `spatial_spread`). ``p`` is the fraction of random
    sets that are closer together: 0 clustered, 1 spread out.

    ``p_top`` treats each code separately: the 50 units with the highest explained variance, weighted equally, or fewer
    if fewer have explained variance above zero, because the order of the others would be arbitrary.

    The random sets depend only on the network's seed and the window.

    Parameters
    ----------
    first, second
        Names of the two codes.
    sets
        Number of random sets.
    top
        Number of units for ``p_top``.
    signed
        If True, :math:`\delta = V_{goal} - V_{choices}`, as in the paper's text; if False, with magnitudes, as in its
        code.
    decoding
        Decoding settings; a stored decoding with the same settings is reused.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 4e and Supplementary Fig. 12.
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    first: str = "goal"
    second: str = "choices"
    sets: int = 1000
    top: int = 50
    signed: bool = False
    decoding: Decoding = DEFAULT_DECODING

    def __post_init__(self) -> None:
        require_at_least("sets", self.sets, 1)
        require_at_least("top", self.top, 2)
        if self.first == self.second:
            raise ValueError(f"first and second must be two different codes, not both {self.first!r}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, setups=setups_of(run), folder=run.folder))

    def of_shard(self, shard: xr.Dataset, setups: Setups, folder: Path) -> xr.Dataset:
        """Measure one shard of the run in `folder`; `setups` gives the core and task of each network."""
        table = load_or_decode(self.decoding, shard, setups, folder)
        check_codes((self.first, self.second), table)
        codes = [self.first, self.second]
        values = table["explained_variance"].sel(predictor=codes).to_numpy().astype(np.float64)
        distances = distances_of(shard.sel(epoch=table["epoch"].to_numpy()))[:, 0]
        seeds = shard["seed"].to_numpy()
        n_networks, n_windows = len(values), values.shape[3]
        p = np.full((n_networks, 1, n_windows, 2), np.nan)
        p_top = np.full_like(p, np.nan)
        for network in np.flatnonzero(np.isfinite(values).all(axis=(1, 2, 3, 4))):
            for window in range(n_windows):
                orders = _random_orders(int(seeds[network]), window, self.sets, distances.shape[-1])
                explained = values[network, 0, :, window]
                first, second = (explained if self.signed else np.abs(explained)).T
                p[network, 0, window] = _spread_of_preferring(distances[network], first - second, orders)
                for code in range(2):
                    best = np.argsort(-explained[:, code], kind="stable")[: self.top]
                    best = best[explained[best, code] > 0]
                    p_top[network, 0, window, code] = spatial_spread(distances[network], best, orders)
        dims, fraction = ("network", "epoch", "window", "code"), "fraction of random sets closer together than the"
        coords = {name: table[name] for name in ("epoch", "window", "window_start")}
        return build_dataset(
            {
                "p": (dims, p, f"{fraction} units preferring a code", "1"),
                "p_top": (dims, p_top, f"{fraction} {self.top} units of which a code explains most", "1"),
            },
            {"network": shard["network"], **coords, "code": np.array(codes, dtype=object)},
        )


def _random_orders(seed: int, window: int, sets: int, n_units: int) -> NDArray[np.int64]:
    numbers = np.tile(np.arange(n_units), (sets, 1))
    return numpy_stream(seed, "spatial coding sets", window).permuted(numbers, axis=1)


def _spread_of_preferring(
    distances: FloatArray, preference: FloatArray, orders: NDArray[np.int64]
) -> tuple[float, float]:
    """Return the spread of the units that prefer the first code and of those that prefer the second."""
    sides = (np.flatnonzero(preference > 0), np.flatnonzero(preference < 0))
    first, second = (spatial_spread(distances, side, orders, np.abs(preference[side])) for side in sides)
    return first, second
