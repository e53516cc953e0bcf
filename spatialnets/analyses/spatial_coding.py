"""Spatial coding: whether units that represent the same thing live close together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spatialnets.analyses.decoding import DEFAULT, Decoding, decoded, refuse_unknown
from spatialnets.analyses.selection import Parts, parts_of
from spatialnets.analyses.wiring import distances_of
from spatialnets.protocols import Analysis, FloatArray
from spatialnets.rng import numpy_stream

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["SpatialCoding", "spatial_spread"]


def spatial_spread(
    distances: ArrayLike, units: ArrayLike, orders: NDArray[np.int64], loads: ArrayLike | None = None
) -> float:
    r"""Return which share of random sets of units lie closer together than a given set.

    The spread of :math:`n` units is :math:`T = n^{-2} \sum_{ij} \ell_i D_{ij}`, with distance :math:`D` and load
    :math:`\ell`; the random sets are as large and carry the same loads. Near 0 the units are clustered, near 1 they are
    spread out; of a set drawn by chance it is uniform.

    Parameters
    ----------
    distances
        ``(unit, unit)``, 0 on the diagonal.
    units
        The numbers of the units in the set, ``(n,)``.
    orders
        Random orders of all units, ``(set, unit)``; the first n of each are a random set.
    loads
        How much each unit of the set counts, ``(n,)``; by default all the same.

    Returns
    -------
    float
        :math:`\#(T > T_{random})` over the number of sets; NaN for fewer than two units, whose spread is always 0, and
        for all of them with equal loads, of which there is but one set.

    Raises
    ------
    ValueError
        If shapes do not fit together.

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
    lengths, chosen = np.asarray(distances, dtype=np.float64), np.asarray(units)
    weights = np.ones(len(chosen)) if loads is None else np.asarray(loads, dtype=np.float64)
    n_units, size = len(lengths), len(chosen)
    if lengths.shape != (n_units, n_units) or orders.shape[1:] != (n_units,) or weights.shape != (size,):
        raise ValueError(
            "expected distances (unit, unit), orders (set, unit) and one load per unit of the set, "
            f"got {lengths.shape}, {orders.shape} and {weights.shape} for {size} units"
        )
    if size < 2 or (size == n_units and np.ptp(weights) == 0):
        return float("nan")
    drawn = orders[:, :size]
    member = np.zeros(orders.shape)
    np.put_along_axis(member, drawn, 1, axis=1)
    reach = np.take_along_axis(member @ lengths, drawn, axis=1)  # summed distance of each unit to its set
    own = weights @ lengths[np.ix_(chosen, chosen)].sum(axis=1)
    slack = 1e-12 * abs(own)  # sets of equal spread differ by rounding
    return float((own > reach @ weights + slack).mean())


@dataclass(frozen=True)
class SpatialCoding(Analysis):
    r"""Whether units that prefer the goal, and units that prefer the choices, lie closer together than by chance.

    A unit's preference is :math:`\delta = |V_{goal}| - |V_{choices}|`, of explained variances as `Decoding` gives them:
    above 0 it is a goal unit, below 0 a choice unit, and in the spread of its set (see `spatial_spread`) it counts by
    :math:`|\delta|`. ``p`` is the share of random sets that lie closer together: 0 clustered, 1 spread out.

    ``p_top`` looks at each code by itself: at the 50 units with the highest explained variance, all counting the same.
    Fewer, if fewer have any above zero: which of the rest come first would be an accident of their order.

    The random sets of a network and window depend on the network's seed and the window alone.

    Parameters
    ----------
    first, second
        The two codes.
    sets
        How many random sets.
    top
        How many units `p_top` looks at.
    signed
        Whether :math:`\delta = V_{goal} - V_{choices}`, as in the paper's text, without magnitudes, as in its code.
    decoding
        How units are decoded. If the run has that stored, it is not done again.

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
    decoding: Decoding = DEFAULT

    def __post_init__(self) -> None:
        for name, least in (("sets", 1), ("top", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if self.first == self.second:
            raise ValueError(f"first and second must be two codes, not both {self.first!r}")

    def measure(self, run: Run) -> xr.Dataset:
        return run.map(partial(self.of_shard, parts=parts_of(run), folder=run.folder))

    def of_shard(self, shard: xr.Dataset, parts: Parts, folder: Path) -> xr.Dataset:
        """Measure one shard; `parts` says what its networks were made from, `folder` where its run is."""
        import xarray as xr

        table = decoded(self.decoding, shard, parts, folder)
        refuse_unknown((self.first, self.second), table)
        codes = [self.first, self.second]
        values = table["explained_variance"].sel(predictor=codes).to_numpy().astype(np.float64)
        distances = distances_of(shard.sel(epoch=table["epoch"].to_numpy()))[:, 0]
        seeds = shard["seed"].to_numpy()
        n_networks, n_windows = len(values), values.shape[3]
        p = np.full((n_networks, 1, n_windows, 2), np.nan)
        p_top = np.full_like(p, np.nan)
        for network in np.flatnonzero(np.isfinite(values).all(axis=(1, 2, 3, 4))):
            for window in range(n_windows):
                orders = _orders(int(seeds[network]), window, self.sets, distances.shape[-1])
                explained = values[network, 0, :, window]
                first, second = (explained if self.signed else np.abs(explained)).T
                p[network, 0, window] = _preferring(distances[network], first - second, orders)
                for code in range(2):
                    best = np.argsort(-explained[:, code], kind="stable")[: self.top]
                    best = best[explained[best, code] > 0]
                    p_top[network, 0, window, code] = spatial_spread(distances[network], best, orders)
        over = ("network", "epoch", "window", "code")
        return xr.Dataset(
            {
                "p": (
                    over,
                    p,
                    {
                        "long_name": "share of random sets closer together than the units preferring a code",
                        "units": "1",
                    },
                ),
                "p_top": (
                    over,
                    p_top,
                    {"long_name": f"the same of the {self.top} units with the most of a code", "units": "1"},
                ),
            },
            {
                "network": shard["network"],
                "epoch": table["epoch"],
                "window": table["window"],
                "window_start": table["window_start"],
                "code": np.array(codes, dtype=object),
            },
        )


def _orders(seed: int, window: int, sets: int, n_units: int) -> NDArray[np.int64]:
    numbers = np.tile(np.arange(n_units), (sets, 1))
    return numpy_stream(seed, "spatial coding sets", window).permuted(numbers, axis=1)


def _preferring(distances: FloatArray, preference: FloatArray, orders: NDArray[np.int64]) -> tuple[float, float]:
    """Return the spread of the units that prefer the first and the second of two codes, by preference ``(unit,)``."""
    sides = (np.flatnonzero(preference > 0), np.flatnonzero(preference < 0))
    first, second = (spatial_spread(distances, side, orders, np.abs(preference[side])) for side in sides)
    return first, second
