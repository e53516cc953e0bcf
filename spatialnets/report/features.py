"""Figures of how features of trained networks correlate, and how they change with strength (Fig. 6c)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

import numpy as np
import pandas as pd
import xarray as xr

from spatialnets.aliases import FloatArray
from spatialnets.report.figures import Picture, join_items, panels, style
from spatialnets.report.measured import at_scored_epoch, passing_networks, scored_epoch
from spatialnets.report.sweet_spot import SweetSpot

__all__ = ["EARLY", "FEATURES", "LATE", "MIDDLE", "balance", "feature_correlations", "features"]

EARLY, MIDDLE, LATE = 3, 6, 9  # windows of five time steps: goal shown, choices just shown, decision
STARTS = {EARLY: 15, MIDDLE: 30, LATE: 45}  # the first time step of each


def at_the_papers_windows(measurement: xr.Dataset | None) -> TypeGuard[xr.Dataset]:
    """Return whether windows 3, 6 and 9 cover the same time steps as in the paper, which other delays change."""
    if measurement is None or "window_start" not in measurement.coords:
        return False
    starts = dict(zip(measurement["window"].to_numpy().tolist(), measurement["window_start"].to_numpy(), strict=True))
    return len(starts) == 10 and all(starts.get(window) == start for window, start in STARTS.items())


@dataclass(frozen=True)
class Feature:
    """A feature: its label, and the stored variable and coordinates that hold it."""

    label: str
    measurement: str
    variable: str
    at: Mapping[str, Any]


FEATURES = (
    Feature("Strength", "", "strength", {}),
    Feature("Σ|W|", "", "total_weight", {}),
    Feature("Efficiency", "", "efficiency", {}),
    Feature("Modularity", "", "modularity", {}),
    Feature("corr(W, D)", "", "weight_distance_correlation", {}),
    Feature("Small-worldness", "", "small_worldness", {}),
    Feature("p goal", "spatial_coding", "p", {"window": LATE, "code": "goal"}),
    Feature("p choices", "spatial_coding", "p", {"window": LATE, "code": "choices"}),
    Feature("EV goal", "selectivity", "mean_explained_variance", {"window": LATE, "predictor": "goal"}),
    Feature("EV choices", "selectivity", "mean_explained_variance", {"window": LATE, "predictor": "choices"}),
    Feature("Selectivity r", "selectivity", "selectivity_correlation", {"window": LATE}),
)
"""The eleven features of Supplementary Fig. 14, in the decision window."""


def features(table: xr.Dataset, measurements: Mapping[str, xr.Dataset], group: str = "sernn") -> pd.DataFrame:
    """Return the measured features of the networks of a group that pass, one row for each network.

    Parameters
    ----------
    table, measurements
        From `metrics_table` and `load_measurements` of `spatialnets.report.measured`.
    group
        Name of the group.
    """
    chosen = np.flatnonzero((table["group"].to_numpy() == group) & passing_networks(table))
    columns = {}
    for feature in FEATURES:
        source = measurements.get(feature.measurement) if feature.measurement else table
        if source is None or feature.variable not in source:
            continue
        if feature.measurement and not at_the_papers_windows(source):
            continue
        values = source[feature.variable]
        try:
            if "epoch" in values.dims:
                values = values.isel(epoch=-1) if feature.measurement else values.sel(epoch=scored_epoch(table))
            columns[feature.label] = values.sel(dict(feature.at)).to_numpy()[chosen]
        except KeyError:  # the task has other windows or conditions
            continue
    return pd.DataFrame(columns)


def feature_correlations(rows: pd.DataFrame, group: str = "sernn") -> Picture:
    """Plot Pearson's correlations between features over networks (Supplementary Fig. 14)."""
    r = rows.corr()
    names = list(r.columns)
    with style():
        figure, (axis,) = panels(1, 6.6, 5.6)
        image = axis.imshow(r, cmap="RdBu_r", vmin=-1, vmax=1)
        figure.colorbar(image, ax=axis, label="Pearson's r over networks")
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axis.set_yticks(range(len(names)), names)
        for row, column in np.ndindex(r.shape):
            value = r.iloc[row, column]
            axis.text(column, row, f"{value:z.2f}".replace("0.", "."), ha="center", va="center", fontsize=7,
                      color="white" if abs(value) > 0.6 else "black")  # fmt: skip
    off_diagonal = r.where(~np.eye(len(r), dtype=bool)).stack()
    caption = ""
    if len(off_diagonal):
        one, other = strongest = off_diagonal.abs().idxmax()
        caption = f"The strongest correlation is between {one} and {other} (r = {off_diagonal[strongest]:.2f})."
    with_strength = r["Strength"].drop("Strength").dropna() if "Strength" in r else pd.Series(dtype=float)
    if len(with_strength):
        most = [f"{name} ({with_strength[name]:z.2f})" for name in with_strength.abs().nlargest(3).index]
        caption += f" Regularization strength correlates most with {join_items(most)}."
    note = f"The {len(rows)} networks of group {group} that pass, at the scored epoch and in the last window."
    title, values = "Supplementary Figure 14: correlations between features", r.rename_axis("feature").reset_index()
    return Picture("feature_correlations", title, caption, figure, values, note)


def balance(
    table: xr.Dataset, measurements: Mapping[str, xr.Dataset], spot: SweetSpot | None, group: str = "sernn"
) -> tuple[Picture, list[float]]:
    """Plot features of the networks that pass against regularization strength (Fig. 6c).

    Returns
    -------
    Picture
        Total weight, corr(W, D), correlation of selectivities, and the variance that goal and choices explain.
    list of float
        Strengths, in percent of the largest, at which goal and choices explain the same variance.
    """
    epoch, chosen = scored_epoch(table), np.flatnonzero((table["group"].to_numpy() == group) & passing_networks(table))
    strength = table["strength"].to_numpy().astype(float)
    percent = 100 * strength[chosen] / strength[table["group"].to_numpy() == group].max()
    selectivity = measurements.get("selectivity")
    shown: list[tuple[str, dict[str, FloatArray]]] = [
        (label, {label: at_scored_epoch(table, name)[chosen]})
        for name, label in (("total_weight", "Total weight Σ|W|"), ("weight_distance_correlation", "corr(W, D)"))
        if name in table
    ]
    crossings: list[float] = []
    if at_the_papers_windows(selectivity) and {"goal", "choices"} <= set(selectivity["predictor"].to_numpy().tolist()):
        trained = selectivity.isel(epoch=-1, network=chosen)
        correlation = trained["selectivity_correlation"].sel(window=LATE).to_numpy()
        shown.append(("Selectivity r", {"Selectivity r": correlation}))
        explained = trained["mean_explained_variance"]
        goal = explained.sel(window=MIDDLE, predictor="goal").to_numpy()
        choices = explained.sel(window=LATE, predictor="choices").to_numpy()
        shown.append(("Explained variance", {f"goal, window {MIDDLE}": goal, f"choices, window {LATE}": choices}))
        crossings = _crossings(percent, goal - choices)
    frame = pd.DataFrame({"strength_percent": percent} | {name: y for _, lines in shown for name, y in lines.items()})
    with style():
        figure, axes = panels(max(len(shown), 1), 12, 3.2)
        for axis, (label, lines) in zip(axes, shown, strict=False):
            for color, (name, values) in zip(("#0072B2", "#D55E00"), lines.items(), strict=False):
                axis.scatter(percent, values, s=8, alpha=0.35, color=color, linewidths=0)
                middle, mean = _running(percent, values)
                axis.plot(middle, mean, color=color, linewidth=2, label=name)
            axis.set(title=label, xlabel="Strength (% of the largest)")
            if len(lines) > 1:
                axis.legend()
            if label == "Selectivity r":
                axis.axhline(0, color="0.6", linewidth=0.8)
            if spot is not None and spot.reach is not None:
                axis.axvspan(*spot.reach, color="#ff5fa2", alpha=0.12, linewidth=0)
    r = frame.corr(min_periods=3)["strength_percent"]
    correlations = [
        f"{label[0].lower()}{label[1:]} (r = {r[name]:z.2f})" for label, (name, *_) in shown[:2] if np.isfinite(r[name])
    ]
    caption = f"Among the {len(chosen)} networks that pass, regularization strength correlates with "
    caption = f"{caption}{join_items(correlations)}." if correlations else ""
    if crossings:
        where = join_items(list(dict.fromkeys(f"{crossing:.0f}" for crossing in crossings)))
        caption += f" Goal and choices explain the same variance at {where} % of the largest strength."
    elif shown and shown[-1][0] == "Explained variance":
        caption += " Goal and choices do not explain the same variance at any strength."
    note = f"Each dot is a network of group {group} that passes, at epoch {epoch}; lines are running means."
    if spot is not None and spot.reach is not None:
        note += " Pink band: the sweet spot of Fig. 6a."
    return Picture("balance", "Figure 6c: features against strength", caption, figure, frame, note), crossings


def _running(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return running means of x and y over a tenth of the networks at a time, in the order of x."""
    finite = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[finite], kind="stable")
    x, y = x[finite][order], y[finite][order]
    width = max(len(x) // 10, 3)
    if len(x) < width:
        return x, y
    kernel = np.ones(width) / width
    return np.convolve(x, kernel, "valid"), np.convolve(y, kernel, "valid")


def _crossings(percent: FloatArray, difference: FloatArray) -> list[float]:
    """Return where the running mean of a difference changes sign."""
    middle, mean = _running(percent, difference)
    change = np.flatnonzero(np.sign(mean[1:]) != np.sign(mean[:-1]))
    return [float(middle[place]) for place in change]
