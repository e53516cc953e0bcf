"""What units code, where, and at which price (Figs 4 and 5)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from spatialnets.report.features import EARLY, LATE, MIDDLE, at_the_papers_windows
from spatialnets.report.figures import Picture, colors_of, groups_of, histogram, listed, mean_and_error, style
from spatialnets.report.measured import at_scored, passing

__all__ = ["economy", "explained", "function_and_structure", "where_coded"]

WINDOWS = (EARLY, MIDDLE, LATE)


def explained(table: xr.Dataset, found: Mapping[str, xr.Dataset]) -> Picture | None:
    """Draw how well units tell goal, choices and answer over the trial (Fig. 4b-d)."""
    selectivity = found.get("selectivity")
    if selectivity is None:
        return None
    mean = selectivity["mean_explained_variance"].isel(epoch=-1)
    groups, passes = groups_of(table), passing(table)
    colors, predictors = colors_of(groups), mean["predictor"].to_numpy().tolist()
    windows, frames, peaks = mean["window"].to_numpy(), [], []
    with style():
        figure = Figure(figsize=(12, 3.2))
        axes = figure.subplots(1, len(predictors), sharey=True, squeeze=False)[0]
        for axis, predictor in zip(axes, predictors, strict=True):
            for group in groups:
                own = mean.sel(predictor=predictor).to_numpy()[(table["group"].to_numpy() == group) & passes]
                if not np.isfinite(own).any():
                    continue
                middle, error = mean_and_error(own)
                axis.plot(windows, middle, color=colors[group], marker="o", markersize=4, label=group)
                axis.fill_between(windows, middle - error, middle + error, color=colors[group], alpha=0.25, linewidth=0)
                frames.append(
                    pd.DataFrame(
                        {
                            "predictor": predictor,
                            "group": group,
                            "window": windows,
                            "mean": middle,
                            "two_standard_errors": error,
                        }
                    )
                )
                peaks.append((group, predictor, int(windows[np.nanargmax(middle)])))
            axis.axhline(0, color="0.6", linewidth=0.8)
            axis.set(title=predictor, xlabel="Window")
        if not frames:
            return None
        axes[0].set(ylabel="Drop in explained variance")
        axes[0].legend()
    first = [peak for peak in peaks if peak[0] == peaks[0][0]]
    caption = (
        f"In group {first[0][0]}, "
        + ", ".join(f"{predictor} is told best in window {window}" for _, predictor, window in first)
        + "."
    )
    note = (
        "By how much less of a unit's activity a regression explains without the predictor, mean over units; lines are "
        "means over networks that pass, bands two standard errors. Windows are of equal length, 0 the first."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("explained", "Figure 4a-d: what units tell, and when", caption, figure, values, note)


def where_coded(table: xr.Dataset, found: Mapping[str, xr.Dataset], variable: str = "p") -> Picture | None:
    """Draw how the units of each code lie in space, against chance (Fig. 4e; with `p_top`, Supplementary Fig. 12)."""
    measured = found.get("spatial_coding")
    if measured is None or not at_the_papers_windows(measured):
        return None
    p = measured[variable].isel(epoch=-1)
    groups, passes, codes = groups_of(table), passing(table), measured["code"].to_numpy().tolist()
    colors, bins, frames = colors_of(groups), np.linspace(0, 1, 21), []
    shown = [g for g in groups if np.isfinite(p[(table["group"] == g).to_numpy() & passes]).any()]
    if not shown:
        return None
    with style():
        figure = Figure(figsize=(10, 5.4))
        axes = figure.subplots(len(codes), len(WINDOWS), sharex=True, sharey="row", squeeze=False)
        for row, code in zip(axes, codes, strict=True):
            for axis, window in zip(row, WINDOWS, strict=True):
                for group in shown:
                    own = p.sel(window=window, code=code).to_numpy()[(table["group"].to_numpy() == group) & passes]
                    own = own[np.isfinite(own)]
                    axis.hist(own, bins=bins, weights=np.full(len(own), 100 / max(len(own), 1)), histtype="stepfilled",
                              color=colors[group], alpha=0.45, label=f"{group} (n = {len(own)})")  # fmt: skip
                    frames.append(pd.DataFrame({"group": group, "code": code, "window": window, "p": own}))
                axis.axhline(5, color="black", linewidth=0.8, linestyle=":")
                axis.set(title=f"{code}, window {window}", xlim=(0, 1))
                if not sum(len(frame) for frame in frames[-len(shown) :]):
                    axis.text(0.5, 0.5, "no such units yet", transform=axis.transAxes, ha="center", color="0.4")
            row[0].set(ylabel="Networks (%)")
        for axis in axes[-1]:
            axis.set(xlabel="p: 0 clustered, 1 spread out")
        axes[0, 0].legend(loc="upper center")
    values = pd.concat(frames, ignore_index=True)
    middle = values[values["window"] == MIDDLE].groupby(["group", "code"])["p"].median()
    caption = " ".join(
        f"In window {MIDDLE} the median p of {group} is "
        + " and ".join(f"{middle.get((group, code), np.nan):.2f} for {code}" for code in codes)
        + "."
        for group in shown[:2]
    )
    which = (
        "the units that tell more of one code than of the other"
        if variable == "p"
        else "the best units of a code (fifty by default)"
    )
    note = (
        f"How far apart {which} lie, as the share of random sets of as many units that lie closer together. "
        "The dotted line is chance. Networks that pass."
    )
    name, title = ("where_coded", "Figure 4e") if variable == "p" else ("where_coded_top", "Supplementary Figure 12")
    return Picture(name, f"{title}: where codes live", caption, figure, values, note)


def economy(table: xr.Dataset, found: Mapping[str, xr.Dataset]) -> Picture | None:
    """Draw how mixed the codes of units are, and how active units are for the weight they have (Fig. 5)."""
    selectivity, energy = found.get("selectivity"), found.get("energy")
    if selectivity is None or energy is None or not at_the_papers_windows(selectivity):
        return None
    if "total_weight" not in table or 0 not in table["epoch"]:
        return None
    groups, passes = groups_of(table), passing(table)
    colors, frames, medians = colors_of(groups), [], {}
    r = selectivity["selectivity_correlation"].isel(epoch=-1).sel(window=LATE).to_numpy()
    activity = energy["mean_activity"].isel(epoch=-1).to_numpy()
    remains = 100 * at_scored(table, "total_weight") / table["total_weight"].sel(epoch=0).to_numpy()
    bins = np.arange(0, 105, 10)  # per cent
    with style():
        figure = Figure(figsize=(10, 3.6))
        left, right = figure.subplots(1, 2)
        for group in groups:
            member = (table["group"].to_numpy() == group) & passes
            own = r[member & np.isfinite(r)]
            if not len(own):
                continue
            medians[group] = float(np.median(own))
            left.hist(own, bins=np.linspace(-1, 1, 33).tolist(), color=colors[group], alpha=0.5, label=group)
            left.axvline(medians[group], color=colors[group], linewidth=1.5)
            place = np.digitize(remains[member], bins) - 1
            rows = []
            for number in np.unique(place):
                some = activity[member][place == number]
                some = some[np.isfinite(some)]
                if len(some) > 1:
                    rows.append((bins[number] + 5, some.mean(), 2 * some.std(ddof=1) / np.sqrt(len(some)), len(some)))
            frame = pd.DataFrame(rows, columns=["total_weight_percent", "activity", "two_standard_errors", "n"])
            right.errorbar(frame["total_weight_percent"], frame["activity"], frame["two_standard_errors"],
                           color=colors[group], marker="o", capsize=3, label=group)  # fmt: skip
            frames.append(frame.assign(group=group))
        left.set(title="Correlation of selectivities", xlabel="r of goal and choices over units", ylabel="Networks")
        left.axvline(0, color="0.6", linewidth=0.8)
        right.set(
            title="Activity while deciding", xlabel="Total weight (% of initial)", ylabel="Mean activity of a unit"
        )
        if not medians:
            return None
        left.legend()
        right.legend()
    caption = (
        "The median correlation of what units tell of goal and choices is "
        + ", ".join(f"{value:.2f} in {group}" for group, value in medians.items())
        + "; 0 is a mixed code. "
        + _dearer(frames)
    )
    note = (
        f"Networks that pass. Left: one value a network, window {LATE}. Right: after the choices are shown, by the "
        "share of the initial weight that is left; means and two standard errors over networks."
    )
    return Picture("economy", "Figure 5: mixed selectivity and energy", caption, figure, pd.concat(frames), note)


def function_and_structure(table: xr.Dataset) -> Picture | None:
    """Draw how the correlation of two units' activity goes with their distance and with the weight between them."""
    shown = {
        name: label
        for name, label in (
            ("functional_distance_correlation", "with distance"),
            ("functional_weight_correlation", "with weight"),
        )
        if name in table
    }
    if not shown:
        return None
    passes, colors, frames = passing(table), colors_of(groups_of(table)), []
    with style():
        figure = Figure(figsize=(9, 3.2))
        for axis, (name, label) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown.items(), strict=True):
            frames.append(histogram(axis, table, name, passes, colors))
            axis.axvline(0, color="0.6", linewidth=0.8)
            axis.set(title=f"Functional connectivity {label}", xlabel="Correlation over pairs of units")
            axis.legend()
    said = [f"{label}: {listed(table, name, passes, '{:.2f}')}" for name, label in shown.items()]
    caption = f"Functional connectivity correlates {'; '.join(said)}."
    note = (
        "Of each network that passes: over pairs of units, the correlation between that of their activity and "
        "their distance, or the mean weight of both directions. Not in the paper."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("function_and_structure", "Function and structure", caption, figure, values, note)


def _dearer(frames: list[pd.DataFrame]) -> str:
    """Say which of the first two groups is more active at equal weight."""
    frames = [frame for frame in frames if len(frame)]
    if len(frames) < 2:
        return ""
    one, other = frames[:2]
    both = one.merge(other, on="total_weight_percent")
    if not len(both):
        return "No class of weight holds networks of both groups."
    lower = int((both["activity_x"] < both["activity_y"]).sum())
    return (
        f"At equal weight, units of {one['group'].iloc[0]} are less active than those of {other['group'].iloc[0]} in "
        f"{lower} of {len(both)} classes of weight."
    )
