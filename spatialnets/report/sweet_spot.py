"""The sweet spot: the regularization strengths and epochs at which all four features of the paper occur together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.paper import PASS_ACCURACY
from spatialnets.report.figures import Picture, join_items, label_epochs, panels, style
from spatialnets.report.measured import at_scored_epoch, pass_accuracy

__all__ = ["SweetSpot", "Thresholds", "map_picture", "sweet_spot"]

MAX_ROWS = 50  # of a map; if there are more networks, each row averages neighbours in the order of strength
MAPS = {
    "validation_accuracy": "Accuracy",
    "total_weight": "Total weight",
    "modularity": "Modularity Q",
    "small_worldness": "Small-worldness",
}


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the four features; the paper draws the corresponding borders but does not print their values.

    Parameters
    ----------
    accuracy
        Lowest validation accuracy.
    total_weight
        Highest total weight, as a share of the initial total weight.
    modularity
        Lowest modularity. 0.25 is above the modularity of nine in ten L1 networks that learn, and below that of most
        spatially embedded networks at medium strength.
    small_worldness
        Lowest small-worldness. It is 1 in a random network and 1.0 to 1.1 before training.
    """

    accuracy: float = PASS_ACCURACY
    total_weight: float = 0.5
    modularity: float = 0.25
    small_worldness: float = 1.5


@dataclass(frozen=True)
class SweetSpot:
    """Maps of four features over regularization strength and epoch, for one group.

    Parameters
    ----------
    thresholds
        The thresholds of the features.
    percent
        Strength of each row, in percent of the largest, ``(row,)``.
    epochs
        Epochs, from 1 on, ``(epoch,)``.
    maps
        Mean of each measure over the networks of a row, ``(row, epoch)``.
    shares
        Share of a row's networks that have each feature, by the name of its threshold, ``(row, epoch)``.
    """

    thresholds: Thresholds
    percent: FloatArray
    epochs: NDArray[np.int64]
    maps: Mapping[str, FloatArray]
    shares: Mapping[str, FloatArray]

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Where at least half of the networks have each of the features, ``(row, epoch)``."""
        return np.all([share >= 0.5 for share in self.shares.values()], axis=0)

    @property
    def area(self) -> float:
        """The share of the strength-epoch plane that is inside the sweet spot."""
        return float(self.inside.mean())

    @property
    def reach(self) -> tuple[float, float] | None:
        """The lowest and highest strength inside, in percent of the largest; None if the sweet spot is empty."""
        rows = np.flatnonzero(self.inside.any(axis=1))
        return (float(self.percent[rows[0]]), float(self.percent[rows[-1]])) if len(rows) else None

    @property
    def first_epoch(self) -> int | None:
        """The first epoch inside; None if the sweet spot is empty."""
        columns = np.flatnonzero(self.inside.any(axis=0))
        return int(self.epochs[columns[0]]) if len(columns) else None


def sweet_spot(table: xr.Dataset, group: str = "sernn", thresholds: Thresholds | None = None) -> SweetSpot | None:
    """Map accuracy, total weight, modularity and small-worldness over strength and epoch, and find where all are good.

    Parameters
    ----------
    table
        From `spatialnets.report.measured.metrics_table`.
    group
        Name of the group. Networks that diverged are left out.
    thresholds
        Thresholds of the features; by default with the accuracy that networks of this run need to pass.

    Returns
    -------
    SweetSpot or None
        None if the group has no epoch 0, fewer than eight networks, equal or no strengths, or lacks a measure.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Fig. 6a.
    """
    networks = table.isel(network=np.flatnonzero(table["group"].to_numpy() == group))
    if not set(MAPS) <= set(networks.data_vars) or 0 not in networks["epoch"] or networks.sizes["epoch"] < 2:
        return None
    finite = np.isfinite(networks["strength"].to_numpy()) & np.isfinite(at_scored_epoch(networks, "total_weight"))
    networks = networks.isel(network=np.flatnonzero(finite)).sortby("strength")
    strengths = networks["strength"].to_numpy()
    if len(strengths) < 8 or np.ptp(strengths) == 0:
        return None
    thresholds = thresholds or Thresholds(accuracy=pass_accuracy(table))
    values = {name: networks[name].to_numpy().astype(float) for name in MAPS}
    with np.errstate(invalid="ignore"):
        present = {
            "accuracy": values["validation_accuracy"] >= thresholds.accuracy,
            "total_weight": values["total_weight"] <= thresholds.total_weight * values["total_weight"][:, :1],
            "modularity": values["modularity"] >= thresholds.modularity,
            "small_worldness": values["small_worldness"] >= thresholds.small_worldness,
        }
    rows = np.array_split(np.arange(len(strengths)), min(MAX_ROWS, len(strengths)))

    def by_row(of_networks: NDArray[Any]) -> FloatArray:
        masked = np.ma.masked_invalid(of_networks.astype(float))
        return np.ma.stack([masked[row].mean(axis=0) for row in rows])[:, 1:].filled(np.nan)

    return SweetSpot(
        thresholds=thresholds,
        percent=np.array([100 * strengths[row].mean() / strengths[-1] for row in rows]),
        epochs=networks["epoch"].to_numpy()[1:],
        maps={name: by_row(of_networks) for name, of_networks in values.items()},
        shares={name: by_row(of_networks) for name, of_networks in present.items()},
    )


def map_picture(spot: SweetSpot, group: str = "sernn") -> Picture:
    """Plot the maps with the border of each feature, and the area inside all borders (Fig. 6a)."""
    edges = np.concatenate([spot.epochs - 0.5, spot.epochs[-1:] + 0.5])
    rows = np.arange(len(spot.percent) + 1) / len(spot.percent) * 100
    frames = []
    with style():
        figure, axes = panels(5, 12, 3.4, sharey=True)
        for axis, (name, label), (feature, share) in zip(axes, MAPS.items(), spot.shares.items(), strict=False):
            mapped = spot.maps[name]
            mesh = axis.pcolormesh(edges, rows, mapped, cmap="viridis", rasterized=True)
            figure.colorbar(mesh, ax=axis, shrink=0.85)
            _outline(axis, edges, rows, share >= 0.5, "white")
            _outline(axis, edges, rows, spot.inside, "#ff5fa2")
            axis.set(title=f"{label}\n{_threshold_text(spot.thresholds, feature)}")
            frames.append(_frame(spot, name, mapped))
        together = np.sum([share >= 0.5 for share in spot.shares.values()], axis=0)
        mesh = axes[4].pcolormesh(edges, rows, together, cmap="Greys", vmin=0, vmax=4, rasterized=True)
        figure.colorbar(mesh, ax=axes[4], shrink=0.85, ticks=range(5))
        _outline(axes[4], edges, rows, spot.inside, "#ff5fa2")
        axes[4].set(title="Number of\nfeatures present")
        frames.append(_frame(spot, "features", together.astype(float)))
        for axis in axes:
            label_epochs(axis)
        axes[0].set(ylabel="Strength (percentile)")
        axes[0].invert_yaxis()
    if spot.reach is None:
        caption = "There is no combination of strength and epoch at which all four features occur together."
    else:
        caption = (
            f"All four features occur together in {100 * spot.area:.0f} % of the strength-epoch plane, from epoch "
            f"{spot.first_epoch} on and at {spot.reach[0]:.0f} to {spot.reach[1]:.0f} % of the largest strength. "
            f"{_missing_features(spot)}"
        )
    note = (
        f"Networks of group {group} in order of strength, averaged into up to {MAX_ROWS} rows of equal size. "
        "Colours: means. White borders: at least half of a row's networks have the feature. Pink border: they have all "
        "four. The paper does not print its thresholds; these were chosen for this report."
    )
    return Picture("sweet_spot", "Figure 6a: sweet spot", caption, figure, pd.concat(frames, ignore_index=True), note)


def _missing_features(spot: SweetSpot) -> str:
    """Return which features networks below and above the sweet spot lack at the last epoch, as a sentence."""
    assert spot.reach is not None
    texts = []
    for side, rows in (("weaker", spot.percent < spot.reach[0]), ("stronger", spot.percent > spot.reach[1])):
        lacking = [name for name, share in spot.shares.items() if (share[rows, -1] < 0.5).mean() > 0.5]
        if rows.any() and lacking:
            texts.append(f"{side} penalties mostly lack {join_items(lacking).replace('_', ' ')}")
    return f"{'; '.join(texts)}.".capitalize() if texts else ""


def _threshold_text(thresholds: Thresholds, feature: str) -> str:
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
