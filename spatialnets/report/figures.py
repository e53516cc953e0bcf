"""The figures of a report; each comes with the values it shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from spatialnets.files.atomic import write_bytes, write_text
from spatialnets.report.cells import csv_of
from spatialnets.report.measured import at_scored, pass_accuracy, passing, scored_epoch

__all__ = [
    "Picture",
    "colors_of",
    "curves",
    "groups_of",
    "histogram",
    "line_and_band",
    "listed",
    "mean_and_error",
    "strengths",
    "style",
]

# Okabe & Ito's palette, told apart by readers with any colour vision
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")  # one more than colours: an eighth group looks like none before
PANELS = {
    "validation_accuracy": "Validation accuracy",
    "total_weight": "Total weight Σ|W|",
    "weight_distance_correlation": "corr(W, D)",
    "weighted_edge_length": "Connection length ({unit})",
    "communicability": "Communicability (off-diagonal sum)",
    "modularity": "Modularity Q",
}
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "svg.hashsalt": "spatialnets",  # the same figure gives the same file
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows in words, and the values in it.

    Parameters
    ----------
    name
        File name without ending.
    title
        A heading.
    caption
        What is seen, in a sentence or two.
    figure
        The drawing.
    values
        Every plotted value.
    note
        What is drawn, from how many networks, and what error bars are.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    values: pd.DataFrame
    note: str = ""

    @cached_property
    def png(self) -> bytes:
        """The drawing as PNG."""
        return self._drawn("png")

    def _drawn(self, kind: str) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self.figure)
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        with mpl.rc_context(STYLE):
            self.figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
        return buffer.getvalue()

    def embedded(self) -> dict[str, str]:
        """Return the drawing for a page: name, title, caption, note, and PNG as base64."""
        png = base64.b64encode(self.png).decode()
        return {"name": self.name, "title": self.title, "caption": self.caption, "note": self.note, "png": png}

    def save(self, folder: Path) -> None:
        """Write PNG, SVG and the values as CSV."""
        write_bytes(folder / f"{self.name}.png", self.png)
        write_bytes(folder / f"{self.name}.svg", self._drawn("svg"))
        write_text(folder / f"{self.name}.csv", csv_of(self.values))


def style() -> Any:
    """Return a context in which figures look alike."""
    return mpl.rc_context(STYLE)


def colors_of(groups: list[str]) -> dict[str, str]:
    """Return one colour per group."""
    return {group: PALETTE[place % len(PALETTE)] for place, group in enumerate(groups)}


def groups_of(table: xr.Dataset) -> list[str]:
    """Return the groups in their declared order."""
    return list(dict.fromkeys(str(group) for group in table["group"].to_numpy()))


def curves(table: xr.Dataset, unit: str) -> Picture:
    """Draw what changes while networks train: mean over the networks that pass, with two standard errors.

    Parameters
    ----------
    table
        As `spatialnets.report.measured.measured` gives it.
    unit
        The geometry's unit of length.
    """
    groups, passes = groups_of(table), passing(table)
    colors = colors_of(groups)
    shown = {name: label.format(unit=unit) for name, label in PANELS.items() if name in table}
    rows: list[pd.DataFrame] = []
    labels = {}
    with style():
        figure = Figure(figsize=(10, 3.0 * int(np.ceil(len(shown) / 3)) + 0.4))
        axes = figure.subplots(int(np.ceil(len(shown) / 3)), 3, squeeze=False)
        for place, group in enumerate(groups):
            member = table["group"].to_numpy() == group
            chosen, what = member & passes, f"{int((member & passes).sum())} that pass, of {int(member.sum())}"
            if not chosen.any():
                chosen, what = member, f"none passes; all {int(member.sum())}"
            labels[group] = f"{group} ({what})"
            for axis, name in zip(axes.flat, shown, strict=False):
                marker = MARKERS[place % len(MARKERS)]
                rows.append(line_and_band(axis, table, name, chosen, group, colors[group], marker))
        for axis, (name, label) in zip(axes.flat, shown.items(), strict=False):
            axis.set(title=label, xlabel="Epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            if name == "weight_distance_correlation":
                axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
            if name == "validation_accuracy":
                axis.axhline(pass_accuracy(table), color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        for axis in list(axes.flat)[len(shown) :]:
            axis.set_visible(False)
        handles = [
            mpl.lines.Line2D([], [], color=colors[group], marker=MARKERS[place % len(MARKERS)], label=labels[group])
            for place, group in enumerate(groups)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    epoch = scored_epoch(table)
    said = {"total_weight": ("total weight is", "{:.0f}"), "weight_distance_correlation": ("corr(W, D) is", "{:.2f}")}
    parts = [f"{words} {listed(table, name, passes, form)}" for name, (words, form) in said.items() if name in table]
    accuracy = listed(table, "validation_accuracy", passes, "{:.2f}")
    caption = f"At epoch {epoch} networks that pass have an accuracy of {accuracy}."
    if not np.isfinite(table["validation_accuracy"].to_numpy()).any():
        caption = "Nobody has stored how accurate these networks are."
    if parts:
        caption += f" Their {'; their '.join(parts)}."
    note = (
        f"Networks that pass (validation accuracy of {pass_accuracy(table):g} or more at epoch {epoch}). "
        "Lines are means, bands two standard errors of the networks shown. Epoch 0 is before training."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture("curves", "Figure 2a-d: while the networks train", caption, figure, values, note)


def line_and_band(
    axis: Any,
    table: xr.Dataset,
    name: str,
    chosen: np.ndarray[Any, Any],
    group: str,
    color: str,
    marker: str = "o",
) -> pd.DataFrame:
    """Draw the mean of a measure over epochs with two standard errors, and return what was drawn."""
    epochs, values = table["epoch"].to_numpy(), table[name].to_numpy()[chosen]
    mean, error = mean_and_error(values)
    axis.plot(epochs, mean, color=color, marker=marker, markersize=4)
    axis.fill_between(epochs, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)
    columns = {"measure": name, "group": group, "epoch": epochs, "mean": mean, "two_standard_errors": error}
    return pd.DataFrame({**columns, "n": np.isfinite(values).sum(axis=0)})


def histogram(
    axis: Any, table: xr.Dataset, name: str, chosen: np.ndarray[Any, Any], colors: Mapping[str, str]
) -> pd.DataFrame:
    """Draw how a measure at the scored epoch is spread over the chosen networks of each group; return its values."""
    last, frames = at_scored(table, name), []
    spread = last[chosen & np.isfinite(last)]
    bins = np.histogram_bin_edges(spread, bins=24) if len(spread) and np.ptp(spread) > 0 else np.linspace(0, 1, 11)
    for group, color in colors.items():
        own = last[(table["group"].to_numpy() == group) & chosen]
        own = own[np.isfinite(own)]
        axis.hist(own, bins=bins.tolist(), color=color, alpha=0.5, label=group)
        if len(own):
            axis.axvline(own.mean(), color=color, linewidth=1.5)
        frames.append(pd.DataFrame({"measure": name, "group": group, "value": own}))
    axis.set(ylabel="Networks")
    axis.yaxis.get_major_locator().set_params(integer=True)
    return pd.concat(frames, ignore_index=True)


def listed(table: xr.Dataset, name: str, chosen: np.ndarray[Any, Any], form: str) -> str:
    """Return the mean of a measure in each group at the scored epoch, in words: ``sernn 0.35, l1 0.15``."""
    last, words = at_scored(table, name), []
    for group in groups_of(table):
        own = last[(table["group"].to_numpy() == group) & chosen]
        own = own[np.isfinite(own)]
        words.append(f"{group} {form.format(own.mean()) if len(own) else '(none passes)'}")
    return ", ".join(words)


def mean_and_error(values: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return mean and two standard errors over networks, ``(network, …)``, without those that are not finite."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(finite, values, 0).sum(axis=0) / count
        variance = (np.where(finite, values - mean, 0) ** 2).sum(axis=0) / (count - 1)
        error = 2 * np.sqrt(variance / count)
    return mean, np.where(count > 1, error, 0)


def strengths(table: xr.Dataset) -> Picture:
    """Draw, for every network, accuracy, corr(W, D) and modularity against its strength."""
    shown = {
        name: PANELS[name]
        for name in ("validation_accuracy", "weight_distance_correlation", "modularity")
        if name in table
    }
    epoch, passes, groups = scored_epoch(table), passing(table), groups_of(table)
    colors = colors_of(groups)
    frame = pd.DataFrame(
        {
            "group": table["group"].to_numpy(),
            "network": table["network"].to_numpy(),
            "seed": table["seed"].to_numpy(),
            "strength": table["strength"].to_numpy(),
            "passed": passes,
            **{name: at_scored(table, name) for name in shown},
        }
    )
    rank = (frame["network"] + 1).astype(float)  # where there is no single strength, as in a sum of regularizers
    frame["strength"] = frame["strength"].where(frame["strength"].notna(), rank)
    largest = frame.groupby("group")["strength"].transform("max")
    frame.insert(4, "strength_percent", 100 * frame["strength"] / largest.where(largest > 0, 1))
    with style():
        figure = Figure(figsize=(10, 3.4))
        axes = figure.subplots(1, len(shown), squeeze=False)[0]
        for place, group in enumerate(groups):
            rows = frame[frame["group"] == group]
            for axis, name in zip(axes, shown, strict=True):
                for passed in (False, True):
                    some = rows[rows["passed"] == passed]
                    axis.scatter(
                        some["strength_percent"],
                        some[name],
                        s=16,
                        marker=MARKERS[place % len(MARKERS)],
                        facecolors=colors[group] if passed else "none",
                        edgecolors=colors[group],
                        linewidths=0.8,
                        alpha=0.8,
                    )
        for axis, label in zip(axes, shown.values(), strict=True):
            axis.set(title=label, xlabel="Strength (% of the group's largest)")
        axes[0].set_ylim(0, 1.04)
        handles = [
            mpl.lines.Line2D([], [], linestyle="none", color=colors[group], marker=MARKERS[place % len(MARKERS)],
                             label=f"{group} (strength to {frame.loc[frame['group'] == group, 'strength'].max():.3g})")
            for place, group in enumerate(groups)
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    weak = frame["strength_percent"] <= frame.groupby("group")["strength_percent"].transform("median")
    caption = " ".join(
        f"Of group {group}, {int(frame['passed'][own & weak].sum())} networks of the weaker half pass and "
        f"{int(frame['passed'][own & ~weak].sum())} of the stronger."
        for group in groups
        if (own := frame["group"] == group).any()
    )
    note = f"Every network at epoch {epoch}; filled where it passes, open where it does not."
    return Picture("strengths", "How strength shapes a network", caption, figure, frame, note)
