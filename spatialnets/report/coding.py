"""Figures of what units encode, where they are, and how active they are (Figs 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from spatialnets.report.features import EARLY, LATE, MIDDLE, at_the_papers_windows
from spatialnets.report.figures import (
    Picture,
    colors_of,
    draw_band,
    draw_histogram,
    group_means,
    groups_of,
    join_items,
    panels,
    passing_by_group,
    style,
    text_by_group,
)
from spatialnets.report.measured import at_scored_epoch, passing_networks

__all__ = ["economy", "explained_variance", "function_and_structure", "spatial_coding"]

WINDOWS = (EARLY, MIDDLE, LATE)


def explained_variance(table: xr.Dataset, measurements: Mapping[str, xr.Dataset]) -> Picture | None:
    """Plot how much of the units' variance goal, choices and answer explain over the trial (Fig. 4b-d)."""
    selectivity = measurements.get("selectivity")
    if selectivity is None:
        return None
    explained = selectivity["mean_explained_variance"].isel(epoch=-1)
    colors, predictors = colors_of(groups_of(table)), explained["predictor"].to_numpy().tolist()
    windows, frames, peaks = explained["window"].to_numpy(), [], []
    with style():
        figure, axes = panels(len(predictors), 12, 3.2, sharey=True)
        for axis, predictor in zip(axes, predictors, strict=True):
            for group, passes in passing_by_group(table).items():
                values = explained.sel(predictor=predictor).to_numpy()[passes]
                if not np.isfinite(values).any():
                    continue
                mean, error = draw_band(axis, windows, values, group, colors[group])
                columns = {"predictor": predictor, "group": group, "window": windows}
                frames.append(pd.DataFrame({**columns, "mean": mean, "two_standard_errors": error}))
                peaks.append((group, f"{predictor} best in window {windows[np.nanargmax(mean)]}"))
            axis.axhline(0, color="0.6", linewidth=0.8)
            axis.set(title=predictor, xlabel="Window")
        if not frames:
            return None
        axes[0].set(ylabel="Unique explained variance")
        axes[0].legend()
    first = peaks[0][0]
    caption = f"Units of {first} encode {join_items([peak for group, peak in peaks if group == first])}."
    note = (
        f"The trial is divided into equal windows, numbered {windows[0]} to {windows[-1]}. Unique explained variance: "
        "how much less of a unit's variance a regression explains without the predictor, averaged over units. "
        "Networks that pass. Lines: means over networks; bands: two standard errors."
    )
    frame = pd.concat(frames, ignore_index=True)
    return Picture("explained", "Figure 4a-d: what units encode over the trial", caption, figure, frame, note)


def spatial_coding(table: xr.Dataset, measurements: Mapping[str, xr.Dataset], variable: str = "p") -> Picture | None:
    """Plot how clustered the units of each code are (Fig. 4e; Supplementary Fig. 12 with `variable` ``p_top``)."""
    measurement = measurements.get("spatial_coding")
    if not at_the_papers_windows(measurement):
        return None
    p, codes = measurement[variable].isel(epoch=-1), measurement["code"].to_numpy().tolist()
    colors, bins, frames = colors_of(groups_of(table)), np.linspace(0, 1, 21), []
    shown = {group: passes for group, passes in passing_by_group(table).items() if np.isfinite(p[passes]).any()}
    if not shown:
        return None
    with style():
        figure = Figure(figsize=(10, 5.4))
        axes = figure.subplots(len(codes), len(WINDOWS), sharex=True, sharey="row", squeeze=False)
        for row, code in zip(axes, codes, strict=True):
            for axis, window in zip(row, WINDOWS, strict=True):
                for group, passes in shown.items():
                    of_group = p.sel(window=window, code=code).to_numpy()[passes]
                    of_group = of_group[np.isfinite(of_group)]
                    share = np.full(len(of_group), 100 / max(len(of_group), 1))
                    axis.hist(of_group, bins=bins, weights=share, histtype="stepfilled", color=colors[group],
                              alpha=0.45, label=f"{group} (n = {len(of_group)})")  # fmt: skip
                    frames.append(pd.DataFrame({"group": group, "code": code, "window": window, "p": of_group}))
                axis.axhline(5, color="black", linewidth=0.8, linestyle=":")
                axis.set(title=f"{code}, window {window}", xlim=(0, 1))
                if not sum(len(frame) for frame in frames[-len(shown) :]):
                    axis.text(0.5, 0.5, "no units with this code", transform=axis.transAxes, ha="center", color="0.4")
            row[0].set(ylabel="Networks (%)")
        for axis in axes[-1]:
            axis.set(xlabel="p (0: clustered, 1: spread out)")
        axes[0, 0].legend(loc="upper center")
    values = pd.concat(frames, ignore_index=True)
    middle = values[values["window"] == MIDDLE].groupby(["group", "code"], sort=False)["p"].median()
    medians = [
        f"{join_items([f'{p:.2f} for {code}' for code, p in middle[group].items()])} in {group}"
        for group in list(shown)[:2]
        if group in middle
    ]
    caption = f"In window {MIDDLE}, the median p is {', and '.join(medians)}." if medians else ""
    if variable == "p":
        name, title = "where_coded", "Figure 4e: spatial arrangement of codes"
        units = "the units that encode one variable more than the other"
    else:
        name, title = "where_coded_top", "Supplementary Figure 12: spatial arrangement of the best units"
        units = "the units that encode a variable best (by default fifty)"
    note = (
        f"p is the share of random sets of units that are closer together than {units}. The dotted line is the chance "
        "level. Networks that pass."
    )
    return Picture(name, title, caption, figure, values, note)


def economy(table: xr.Dataset, measurements: Mapping[str, xr.Dataset]) -> Picture | None:
    """Plot how mixed the units' codes are, and their activity at a given total weight (Fig. 5)."""
    selectivity, energy = measurements.get("selectivity"), measurements.get("energy")
    if energy is None or not at_the_papers_windows(selectivity):
        return None
    if "total_weight" not in table or 0 not in table["epoch"]:
        return None
    colors, frames, medians = colors_of(groups_of(table)), [], {}
    r = selectivity["selectivity_correlation"].isel(epoch=-1).sel(window=LATE).to_numpy()
    activity = energy["mean_activity"].isel(epoch=-1).to_numpy()
    remaining = 100 * at_scored_epoch(table, "total_weight") / table["total_weight"].sel(epoch=0).to_numpy()
    bins = np.arange(0, 105, 10)  # per cent
    with style():
        figure, (left, right) = panels(2, 10, 3.6)
        for group, passes in passing_by_group(table).items():
            correlations = r[passes & np.isfinite(r)]
            if not len(correlations):
                continue
            medians[group] = float(np.median(correlations))
            left.hist(correlations, bins=np.linspace(-1, 1, 33).tolist(), color=colors[group], alpha=0.5, label=group)
            left.axvline(medians[group], color=colors[group], linewidth=1.5)
            place = np.digitize(remaining, bins) - 1
            rows = []
            for number in np.unique(place[passes]):
                in_bin = activity[passes & np.isfinite(activity) & (place == number)]
                n = len(in_bin)
                if n > 1:
                    rows.append((bins[number] + 5, in_bin.mean(), 2 * in_bin.std(ddof=1) / np.sqrt(n), n))
            frame = pd.DataFrame(rows, columns=["total_weight_percent", "activity", "two_standard_errors", "n"])
            right.errorbar(frame["total_weight_percent"], frame["activity"], frame["two_standard_errors"],
                           color=colors[group], marker="o", capsize=3, label=group)  # fmt: skip
            frames.append(frame.assign(group=group))
        left.set(title="Mixed selectivity", xlabel="Correlation of goal and choice selectivity")
        left.set_ylabel("Number of networks")
        left.axvline(0, color="0.6", linewidth=0.8)
        right.set(title="Decision activity", xlabel="Total weight (% of initial)", ylabel="Mean unit activity")
        if not medians:
            return None
        left.legend()
        right.legend()
    caption = (
        "The median correlation between goal and choice selectivity is "
        f"{text_by_group({group: f'{median:z.2f}' for group, median in medians.items()})} (0: fully mixed). "
        f"{_activity_text(frames)}"
    )
    note = (
        f"Networks that pass. Left: the correlation over the units of each network in window {LATE}; lines: medians. "
        "Right: activity after the choices are shown, by the remaining share of the initial weight; means and two "
        "standard errors over networks."
    )
    return Picture("economy", "Figure 5: mixed selectivity and energy", caption, figure, pd.concat(frames), note)


def function_and_structure(table: xr.Dataset) -> Picture | None:
    """Plot the correlation of functional connectivity with the units' distance and with the weight between them."""
    labels = {"functional_distance_correlation": "distance", "functional_weight_correlation": "weight"}
    shown = {name: label for name, label in labels.items() if name in table}
    if not shown:
        return None
    passes, colors, frames = passing_networks(table), colors_of(groups_of(table)), []
    with style():
        figure, axes = panels(len(shown), 9, 3.2)
        for axis, (name, label) in zip(axes, shown.items(), strict=True):
            frames.append(draw_histogram(axis, table, name, passes, colors))
            axis.axvline(0, color="0.6", linewidth=0.8)
            axis.set(title=f"Functional connectivity and {label}", xlabel="Correlation over pairs of units")
            axis.legend()
    means = [f"with {label}: {group_means(table, name, passes, 'z.2f')}" for name, label in shown.items()]
    caption = f"Mean correlation of functional connectivity {'; '.join(means)}."
    note = (
        "For each network that passes: the correlation, over pairs of units, of functional connectivity (how the "
        "units' activity correlates) with their distance or with the mean weight of both directions. Not in the paper."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("function_and_structure", "Functional connectivity and structure", caption, figure, values, note)


def _activity_text(frames: list[pd.DataFrame]) -> str:
    """Return a sentence on which of the first two groups is less active at equal total weight."""
    frames = [frame for frame in frames if len(frame)]
    if len(frames) < 2:
        return ""
    one, other = frames[:2]
    both = one.merge(other, on="total_weight_percent")
    if not len(both):
        return "The groups have no range of total weight in common."
    lower = int((both["activity_x"] < both["activity_y"]).sum())
    return (
        f"At equal total weight, units of {one['group'].iloc[0]} are less active than those of "
        f"{other['group'].iloc[0]} in {lower} of {len(both)} bins."
    )
