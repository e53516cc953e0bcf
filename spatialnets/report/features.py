"""What goes with what in networks that learn, and how it changes with strength (Fig. 6c)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from spatialnets.protocols import FloatArray
from spatialnets.report.figures import Picture, style
from spatialnets.report.measured import at_scored, passing, scored_epoch
from spatialnets.report.sweet_spot import SweetSpot

__all__ = ["EARLY", "FEATURES", "LATE", "MIDDLE", "balance", "feature_correlations", "features"]

EARLY, MIDDLE, LATE = 3, 6, 9  # windows of five steps: goal on, choices just on, decision
STARTS = {EARLY: 15, MIDDLE: 30, LATE: 45}  # their first steps


def at_the_papers_windows(measurement: xr.Dataset | None) -> bool:
    """Tell whether windows 3, 6 and 9 of a measurement are those of the paper; with other delays they are not."""
    if measurement is None or "window_start" not in measurement.coords:
        return False
    starts = dict(zip(measurement["window"].to_numpy().tolist(), measurement["window_start"].to_numpy(), strict=True))
    return len(starts) == 10 and all(starts.get(window) == start for window, start in STARTS.items())


@dataclass(frozen=True)
class Feature:
    """One of the eleven features: where it is stored, at which window and of what."""

    label: str
    measurement: str
    variable: str
    chosen: Mapping[str, Any]


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
"""The eleven features of Supplementary Fig. 14, at the decision window."""


def features(table: xr.Dataset, found: Mapping[str, xr.Dataset], group: str = "sernn") -> pd.DataFrame:
    """Return the features of the networks of a group that pass, one row each; what was not measured is left out.

    Parameters
    ----------
    table, found
        As `spatialnets.report.measured.measured` and `measurements` give them.
    group
        Whose networks.
    """
    chosen = np.flatnonzero((table["group"].to_numpy() == group) & passing(table))
    columns = {}
    for feature in FEATURES:
        source = found.get(feature.measurement) if feature.measurement else table
        if source is None or not (feature.variable in source or feature.variable in source.coords):
            continue
        values = source[feature.variable]
        if feature.measurement and not at_the_papers_windows(source):
            continue
        try:
            if "epoch" in values.dims:
                values = values.isel(epoch=-1) if feature.measurement else values.sel(epoch=scored_epoch(table))
            columns[feature.label] = values.sel(dict(feature.chosen)).to_numpy()[chosen]
        except KeyError:  # a task with other periods or other conditions
            continue
    return pd.DataFrame(columns)


def feature_correlations(rows: pd.DataFrame, group: str = "sernn") -> Picture:
    """Draw how the features of networks go together: Pearson's correlation over networks (Supplementary Fig. 14)."""
    r = rows.corr()
    names = list(r.columns)
    with style():
        figure = Figure(figsize=(6.6, 5.6))
        axis = figure.subplots()
        drawn = axis.imshow(r, cmap="RdBu_r", vmin=-1, vmax=1)
        figure.colorbar(drawn, ax=axis, label="Pearson's r over networks")
        axis.set_xticks(range(len(names)), names, rotation=60, ha="right")
        axis.set_yticks(range(len(names)), names)
        for row, column in np.ndindex(r.shape):
            value = r.iloc[row, column]
            axis.text(column, row, f"{value:.2f}".replace("0.", "."), ha="center", va="center", fontsize=7,
                      color="white" if abs(value) > 0.6 else "black")  # fmt: skip
    off = r.where(~np.eye(len(r), dtype=bool)).stack()
    strongest = off.abs().idxmax() if len(off) else ("", "")
    with_strength = r["Strength"].drop("Strength").dropna() if "Strength" in r else pd.Series(dtype=float)
    most = ", ".join(f"{name} ({with_strength[name]:.2f})" for name in with_strength.abs().nlargest(3).index)
    caption = f"Closest together are {strongest[0]} and {strongest[1]} (r = {off[strongest]:.2f})." if len(off) else ""
    if most:
        caption += f" With strength go above all {most}."
    note = f"The {len(rows)} networks of group {group} that pass, at the scored epoch and the last window."
    values = r.rename_axis("feature").reset_index()
    return Picture(
        "feature_correlations", "Supplementary Figure 14: what goes with what", caption, figure, values, note
    )


def balance(
    table: xr.Dataset, found: Mapping[str, xr.Dataset], spot: SweetSpot | None, group: str = "sernn"
) -> tuple[Picture, list[float]]:
    """Draw how features change with strength among networks that pass (Fig. 6c).

    Returns
    -------
    Picture
        Total weight, corr(W, D), correlation of selectivities, and how well goal and choices are decoded.
    list of float
        The strengths, in percent of the largest, at which goal and choices are decoded equally well.
    """
    epoch, chosen = scored_epoch(table), np.flatnonzero((table["group"].to_numpy() == group) & passing(table))
    strength = table["strength"].to_numpy().astype(float)
    percent = 100 * strength[chosen] / strength[table["group"].to_numpy() == group].max()
    selectivity = found.get("selectivity")
    shown: list[tuple[str, dict[str, FloatArray]]] = [
        (label, {label: at_scored(table, name)[chosen]})
        for name, label in (("total_weight", "Total weight Σ|W|"), ("weight_distance_correlation", "corr(W, D)"))
        if name in table
    ]
    crossings: list[float] = []
    if (
        selectivity is not None
        and at_the_papers_windows(selectivity)
        and {"goal", "choices"} <= set(selectivity["predictor"].to_numpy().tolist())
    ):
        at = selectivity.isel(epoch=-1, network=chosen)
        shown.append(("Selectivity r", {"Selectivity r": at["selectivity_correlation"].sel(window=LATE).to_numpy()}))
        explained = at["mean_explained_variance"]
        goal = explained.sel(window=MIDDLE, predictor="goal").to_numpy()
        choices = explained.sel(window=LATE, predictor="choices").to_numpy()
        shown.append(("Explained variance", {f"goal, window {MIDDLE}": goal, f"choices, window {LATE}": choices}))
        crossings = _crossings(percent, goal - choices)
    frames = [pd.DataFrame({"strength_percent": percent, **{name: v for _, own in shown for name, v in own.items()}})]
    with style():
        figure = Figure(figsize=(12, 3.2))
        axes = np.atleast_1d(figure.subplots(1, max(len(shown), 1)))
        for axis, (label, own) in zip(axes, shown, strict=False):
            for color, (name, values) in zip(("#0072B2", "#D55E00"), own.items(), strict=False):
                axis.scatter(percent, values, s=8, alpha=0.35, color=color, linewidths=0)
                middle, mean = _running(percent, values)
                axis.plot(middle, mean, color=color, linewidth=2, label=name)
            axis.set(title=label, xlabel="Strength (% of the largest)")
            if len(own) > 1:
                axis.legend()
            if label == "Selectivity r":
                axis.axhline(0, color="0.6", linewidth=0.8)
            if spot is not None and spot.reach is not None:
                axis.axvspan(*spot.reach, color="#ff5fa2", alpha=0.12, linewidth=0)
    band = "" if spot is None or spot.reach is None else " The pink band is the sweet spot of Fig. 6a."
    said = []
    for label, own in shown[:2]:
        values = next(iter(own.values()))
        known = np.isfinite(percent) & np.isfinite(values)
        if known.sum() > 2 and np.ptp(percent[known]) > 0 < np.ptp(values[known]):
            said.append(f"{label} {float(np.corrcoef(percent[known], values[known])[0, 1]):.2f}")
    caption = f"Among the {len(chosen)} networks that pass, strength correlates with {', '.join(said)}." if said else ""
    if crossings:
        where = " and ".join(dict.fromkeys(f"{crossing:.0f}" for crossing in crossings))
        caption += f" Goal and choices are explained equally well at {where} % of the largest strength."
    elif selectivity is not None:
        caption += " Goal and choices are explained equally well at no strength."
    note = f"Each dot a network of group {group} that passes, at epoch {epoch}; lines are running means.{band}"
    return Picture("balance", "Figure 6c: balance with strength", caption, figure, frames[0], note), crossings


def _running(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the means of neighbouring networks, a tenth of all at a time."""
    finite = np.isfinite(x) & np.isfinite(y)
    order = np.argsort(x[finite], kind="stable")
    x, y = x[finite][order], y[finite][order]
    width = max(len(x) // 10, 3)
    if len(x) < width:
        return x, y
    kernel = np.ones(width) / width
    return np.convolve(x, kernel, "valid"), np.convolve(y, kernel, "valid")


def _crossings(percent: FloatArray, difference: FloatArray) -> list[float]:
    """Return where the running mean of a difference changes its sign."""
    middle, mean = _running(percent, difference)
    change = np.flatnonzero(np.sign(mean[1:]) != np.sign(mean[:-1]))
    return [float(middle[place]) for place in change]
