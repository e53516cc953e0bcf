"""The sweet spot: the strengths and epochs at which every feature of the paper is there at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from numpy.typing import NDArray

from spatialnets.paper import PASS_ACCURACY
from spatialnets.protocols import FloatArray
from spatialnets.report.figures import Picture, style
from spatialnets.report.measured import at_scored, pass_accuracy

__all__ = ["SweetSpot", "Thresholds", "map_picture", "sweet_spot"]

MOST_ROWS = 50  # of a map; more networks are averaged, in the order of their strengths
MAPS = {
    "validation_accuracy": "Accuracy",
    "total_weight": "Total weight",
    "modularity": "Modularity Q",
    "small_worldness": "Small-worldness",
}


@dataclass(frozen=True)
class Thresholds:
    """From where on a feature counts as there; the paper draws such borders and does not print them.

    Parameters
    ----------
    accuracy
        Least validation accuracy.
    total_weight
        Largest total weight, as a share of the initial one.
    modularity
        Least modularity. 0.25 lies above nine in ten of the L1 networks that learn, and below most that are spatially
        embedded at medium strength.
    small_worldness
        Least small-worldness; a random network has 1, and networks before training 1.0 to 1.1.
    """

    accuracy: float = PASS_ACCURACY
    total_weight: float = 0.5
    modularity: float = 0.25
    small_worldness: float = 1.5


@dataclass(frozen=True)
class SweetSpot:
    """Maps of a group over strength and epoch.

    Parameters
    ----------
    thresholds
        What counts as there.
    percent
        The strength of each row, in percent of the largest, ``(row,)``.
    epochs
        ``(epoch,)``, from 1 on.
    maps
        Mean over the networks of a row, by measure, ``(row, epoch)``.
    shares
        The share of a row's networks in which the feature is there, by name of the threshold, ``(row, epoch)``.
    """

    thresholds: Thresholds
    percent: FloatArray
    epochs: NDArray[np.int64]
    maps: Mapping[str, FloatArray]
    shares: Mapping[str, FloatArray]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Where each feature is there in at least half of the networks, ``(row, epoch)``."""
        return np.all([share >= 0.5 for share in self.shares.values()], axis=0)

    @property
    def area(self) -> float:
        """The share of the plane of strength and epoch that lies inside."""
        return float(self.inside.mean())

    @property
    def reach(self) -> tuple[float, float] | None:
        """The lowest and the highest strength inside, in percent of the largest; None if nothing is."""
        rows = np.flatnonzero(self.inside.any(axis=1))
        return (float(self.percent[rows[0]]), float(self.percent[rows[-1]])) if len(rows) else None

    @property
    def first_epoch(self) -> int | None:
        """The first epoch at which something lies inside; None if nothing does."""
        columns = np.flatnonzero(self.inside.any(axis=0))
        return int(self.epochs[columns[0]]) if len(columns) else None


def sweet_spot(table: xr.Dataset, group: str = "sernn", thresholds: Thresholds | None = None) -> SweetSpot | None:
    """Map accuracy, total weight, modularity and small-worldness over strength and epoch, and where all are good.

    Parameters
    ----------
    table
        As `spatialnets.report.measured.measured` gives it.
    group
        Whose networks; in the order of their strengths, those that diverged left out.
    thresholds
        What counts as good.

    Returns
    -------
    SweetSpot or None
        None if the group has no strengths, no epoch 0, fewer than eight networks, or not all four measures.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 6a.
    """
    own = table.isel(network=np.flatnonzero(table["group"].to_numpy() == group))
    if not set(MAPS) <= set(own.data_vars) or 0 not in own["epoch"] or own.sizes["epoch"] < 2:
        return None
    strength = own["strength"].to_numpy().astype(float)
    own = own.isel(network=np.flatnonzero(np.isfinite(strength) & np.isfinite(at_scored(own, "total_weight"))))
    if own.sizes["network"] < 8 or np.ptp(own["strength"].to_numpy()) == 0:
        return None
    own = own.isel(network=np.argsort(own["strength"].to_numpy(), kind="stable"))
    thresholds = thresholds or Thresholds(accuracy=pass_accuracy(table))
    values = {name: own[name].to_numpy().astype(float) for name in MAPS}
    initial = values["total_weight"][:, :1]
    with np.errstate(invalid="ignore"):
        good = {
            "accuracy": values["validation_accuracy"] >= thresholds.accuracy,
            "total_weight": values["total_weight"] <= thresholds.total_weight * initial,
            "modularity": values["modularity"] >= thresholds.modularity,
            "small_worldness": values["small_worldness"] >= thresholds.small_worldness,
        }
    rows = np.array_split(np.arange(own.sizes["network"]), min(MOST_ROWS, own.sizes["network"]))
    strengths = own["strength"].to_numpy()

    def by_row(of_networks: NDArray[Any]) -> FloatArray:
        filled = np.ma.masked_invalid(of_networks.astype(float))
        return np.ma.stack([filled[row].mean(axis=0) for row in rows])[:, 1:].filled(np.nan)

    return SweetSpot(
        thresholds=thresholds,
        percent=np.array([100 * strengths[row].mean() / strengths[-1] for row in rows]),
        epochs=own["epoch"].to_numpy()[1:],
        maps={name: by_row(of_networks) for name, of_networks in values.items()},
        shares={name: by_row(found) for name, found in good.items()},
    )


def map_picture(spot: SweetSpot, group: str = "sernn") -> Picture:
    """Draw the maps, each with the border of its feature, and where all borders meet (Fig. 6a)."""
    edges = np.concatenate([spot.epochs - 0.5, spot.epochs[-1:] + 0.5])
    rows = np.arange(len(spot.percent) + 1) / len(spot.percent) * 100
    frames = []
    with style():
        figure = Figure(figsize=(12, 3.4))
        axes = figure.subplots(1, 5, sharey=True)
        for axis, (name, label), (feature, share) in zip(axes, MAPS.items(), spot.shares.items(), strict=False):
            mapped = spot.maps[name]
            drawn = axis.pcolormesh(edges, rows, mapped, cmap="viridis", rasterized=True)
            figure.colorbar(drawn, ax=axis, shrink=0.85)
            _outline(axis, edges, rows, share >= 0.5, "white")
            _outline(axis, edges, rows, spot.inside, "#ff5fa2")
            axis.set(title=f"{label}\n{_words(spot.thresholds, feature)}")
            frames.append(_frame(spot, name, mapped))
        together = np.sum([share >= 0.5 for share in spot.shares.values()], axis=0)
        drawn = axes[4].pcolormesh(edges, rows, together, cmap="Greys", vmin=0, vmax=4, rasterized=True)
        figure.colorbar(drawn, ax=axes[4], shrink=0.85, ticks=range(5))
        _outline(axes[4], edges, rows, spot.inside, "#ff5fa2")
        axes[4].set(title="Features that\nare there")
        frames.append(_frame(spot, "features", together.astype(float)))
        for axis in axes:
            axis.set(xlabel="Epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
        axes[0].set(ylabel="Strength (% of networks, weak first)")
        axes[0].invert_yaxis()
    if spot.reach is None:
        seen = "There is no combination of strength and epoch at which all four features are there at once."
    else:
        seen = (
            f"All four features are there at once in {100 * spot.area:.0f} % of the plane, from epoch "
            f"{spot.first_epoch} on and at {spot.reach[0]:.0f} to {spot.reach[1]:.0f} % of the largest strength. "
            f"{_missing(spot)}"
        )
    note = (
        f"Group {group}. Rows are networks in the order of their strengths, up to {MOST_ROWS} rows of equally many "
        "networks; colours are means, white borders enclose where at least half of a row's networks have the feature, "
        "the pink one where that is so of all four. The thresholds are ours: the paper does not print its own."
    )
    return Picture(
        "sweet_spot",
        "Figure 6a: where everything is there at once",
        seen,
        figure,
        pd.concat(frames, ignore_index=True),
        note,
    )


def _missing(spot: SweetSpot) -> str:
    """Say which features are missing at the last epoch for weaker and for stronger penalties than those inside."""
    assert spot.reach is not None
    said = []
    for side, rows in (("Weaker", spot.percent < spot.reach[0]), ("stronger", spot.percent > spot.reach[1])):
        lack = [name.replace("_", " ") for name, share in spot.shares.items() if (share[rows, -1] < 0.5).mean() > 0.5]
        if rows.any() and lack:
            said.append(f"{side} penalties mostly miss {' and '.join(lack)}")
    return f"{'; '.join(said)}." if said else ""


def _words(thresholds: Thresholds, feature: str) -> str:
    value = getattr(thresholds, feature)
    return f"≤ {100 * value:.0f} % of initial" if feature == "total_weight" else f"≥ {value:g}"


def _frame(spot: SweetSpot, name: str, mapped: FloatArray) -> pd.DataFrame:
    row, column = np.indices(mapped.shape)
    return pd.DataFrame(
        {
            "map": name,
            "strength_percent": spot.percent[row.ravel()],
            "epoch": spot.epochs[column.ravel()],
            "value": mapped.ravel(),
            "inside": spot.inside.ravel(),
        }
    )


def _outline(axis: Any, x: FloatArray, y: FloatArray, inside: NDArray[np.bool_], color: str) -> None:
    """Draw the border of a set of cells."""
    padded = np.pad(inside, 1)
    across = np.argwhere(padded[1:-1, 1:] != padded[1:-1, :-1])
    along = np.argwhere(padded[1:, 1:-1] != padded[:-1, 1:-1])
    for row, column in across:
        axis.plot([x[column]] * 2, y[[row, row + 1]], color=color, linewidth=1.6, solid_capstyle="round")
    for row, column in along:
        axis.plot(x[[column, column + 1]], [y[row]] * 2, color=color, linewidth=1.6, solid_capstyle="round")
