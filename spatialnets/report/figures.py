"""Figures of the report, each with the values that it shows."""

from __future__ import annotations

import base64
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
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
from spatialnets.report.measured import at_scored_epoch, pass_accuracy, passing_networks, scored_epoch
from spatialnets.report.space import plural

__all__ = [
    "Picture",
    "colors_of",
    "curves",
    "draw_band",
    "draw_histogram",
    "draw_mean_and_band",
    "group_means",
    "groups_of",
    "join_items",
    "label_epochs",
    "legend_above",
    "panels",
    "passing_by_group",
    "strengths",
    "style",
    "text_by_group",
]

# Okabe and Ito's palette, which readers with any colour vision can distinguish
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")  # one more than colours, so that no two groups look alike
PANELS = {
    "validation_accuracy": "Validation accuracy",
    "total_weight": "Total weight Σ|W|",
    "weight_distance_correlation": "corr(W, D)",
    "weighted_edge_length": "Mean connection length ({unit})",
    "communicability": "Communicability (off-diagonal sum)",
    "modularity": "Modularity Q",
}
STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "legend.frameon": False,
    "svg.hashsalt": "spatialnets",  # the same figure is always the same file
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Picture:
    """A figure with its title, its caption and the values plotted in it.

    Parameters
    ----------
    name
        File name without extension.
    title
        Heading.
    caption
        The result, in one or two sentences.
    figure
        The figure itself.
    values
        Every plotted value.
    note
        What is plotted, from which networks, and what error bars mean.
    """

    name: str
    title: str
    caption: str
    figure: Figure
    values: pd.DataFrame
    note: str = ""

    @cached_property
    def png(self) -> bytes:
        """The figure as PNG."""
        return self._render("png")

    def _render(self, kind: str) -> bytes:
        buffer = io.BytesIO()
        FigureCanvasAgg(self.figure)
        metadata = {"Date": None} if kind == "svg" else {"Software": None}
        with mpl.rc_context(STYLE):
            self.figure.savefig(buffer, format=kind, dpi=150, metadata=metadata)
        return buffer.getvalue()

    def embed(self) -> dict[str, str]:
        """Return what a page embeds: name, title, caption, note, and the figure as PNG in base64."""
        png = base64.b64encode(self.png).decode()
        return {"name": self.name, "title": self.title, "caption": self.caption, "note": self.note, "png": png}

    def save(self, folder: Path) -> None:
        """Write the figure as PNG and SVG, and its values as CSV."""
        write_bytes(folder / f"{self.name}.png", self.png)
        write_bytes(folder / f"{self.name}.svg", self._render("svg"))
        write_text(folder / f"{self.name}.csv", csv_of(self.values))


def style() -> Any:
    """Return a context manager that sets the common style of figures."""
    return mpl.rc_context(STYLE)


def colors_of(groups: list[str]) -> dict[str, str]:
    """Return a colour for each group."""
    return {group: PALETTE[place % len(PALETTE)] for place, group in enumerate(groups)}


def _line_styles(groups: list[str]) -> dict[str, dict[str, str]]:
    """Return the colour and marker of each group."""
    colors, markers = colors_of(groups).items(), itertools.cycle(MARKERS)
    return {group: {"color": color, "marker": marker} for (group, color), marker in zip(colors, markers, strict=False)}


def groups_of(table: xr.Dataset) -> list[str]:
    """Return the names of the groups, in the order in which they were declared."""
    return list(dict.fromkeys(str(group) for group in table["group"].to_numpy()))


def passing_by_group(table: xr.Dataset) -> dict[str, np.ndarray[Any, np.dtype[np.bool_]]]:
    """Return which networks of each group pass, ``(network,)``, by the group's name."""
    names, passes = table["group"].to_numpy(), passing_networks(table)
    return {group: (names == group) & passes for group in groups_of(table)}


def join_items(items: Sequence[str]) -> str:
    """Return items as a list in a sentence: ``a``, ``a and b``, or ``a, b and c``."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def text_by_group(texts: Mapping[str, str]) -> str:
    """Return the value of each group as text: ``0.34 in sernn and 0.15 in l1``, or ``1.00 in sernn and l1``."""
    if len(set(texts.values())) == 1:
        return f"{next(iter(texts.values()))} in {join_items(list(texts))}"
    return join_items([f"{text} in {group}" for group, text in texts.items()]) or "unknown"


def group_means(table: xr.Dataset, name: str, chosen: np.ndarray[Any, Any], form: str) -> str:
    """Return the mean of a measure over the chosen networks of each group, at the scored epoch, as text."""
    values = at_scored_epoch(table, name)
    chosen, group_names = chosen & np.isfinite(values), table["group"].to_numpy()
    means = {group: values[chosen & (group_names == group)] for group in groups_of(table)}
    return text_by_group({group: format(mean.mean(), form) for group, mean in means.items() if len(mean)})


def panels(
    count: int, width: float, height: float, margin: float = 0, columns: int | None = None, **options: Any
) -> tuple[Figure, list[Any]]:
    """Return a figure and `count` axes, by default in one row; sizes are in inches, and `height` is that of a row."""
    columns = columns or count
    rows = int(np.ceil(count / columns))
    figure = Figure(figsize=(width, height * rows + margin))
    axes = figure.subplots(rows, columns, squeeze=False, **options).ravel()
    for axis in axes[count:]:
        axis.remove()
    return figure, list(axes[:count])


def label_epochs(axis: Any, **settings: Any) -> None:
    """Label an axis of epochs, which are whole numbers; `settings` are other properties, such as the title."""
    axis.set(xlabel="Epoch", **settings)
    axis.xaxis.get_major_locator().set_params(integer=True)


def legend_above(figure: Figure, lines: Iterable[Mapping[str, Any]], columns: int) -> None:
    """Add a legend above all axes, with an entry for each set of line properties."""
    handles = [mpl.lines.Line2D([], [], **line) for line in lines]
    figure.legend(handles=handles, loc="outside upper center", ncols=columns)


def curves(table: xr.Dataset, unit: str) -> Picture:
    """Plot measures over training: mean and two standard errors over the networks that pass.

    Parameters
    ----------
    table
        From `spatialnets.report.measured.metrics_table`.
    unit
        The geometry's unit of length.
    """
    passes, rows, lines = passing_networks(table), [], []
    shown = {name: label.format(unit=plural(unit)) for name, label in PANELS.items() if name in table}
    with style():
        figure, axes = panels(len(shown), 10, 3.0, 0.4, columns=3)
        for group, line in _line_styles(groups_of(table)).items():
            member = table["group"].to_numpy() == group
            chosen, which = member & passes, f"{int((member & passes).sum())} of {int(member.sum())} pass"
            if not chosen.any():
                chosen, which = member, f"all {int(member.sum())}, as none passes"
            lines.append({**line, "label": f"{group} ({which})"})
            for axis, name in zip(axes, shown, strict=True):
                rows.append(draw_mean_and_band(axis, table, name, chosen, group, **line))
        for axis, (name, label) in zip(axes, shown.items(), strict=True):
            label_epochs(axis, title=label)
            if name == "weight_distance_correlation":
                axis.axhline(0, color="0.6", linewidth=0.8, zorder=0)
            if name == "validation_accuracy":
                axis.axhline(pass_accuracy(table), color="0.6", linewidth=0.8, linestyle=":", zorder=0)
        legend_above(figure, lines, columns=2)
    epoch = scored_epoch(table)
    forms = {"validation_accuracy": "z.2f", "total_weight": ".0f", "weight_distance_correlation": "z.2f"}
    has_accuracy = np.isfinite(table["validation_accuracy"].to_numpy()).any()
    means = [
        f"{PANELS[name][0].lower()}{PANELS[name][1:]} {group_means(table, name, passes, form)}"
        for name, form in forms.items()
        if name in table and (has_accuracy or name != "validation_accuracy")
    ]
    caption = "" if has_accuracy else "The accuracies of these networks are not stored. "
    if not passes.any():
        caption += f"No network passes at epoch {epoch}."
    elif means:
        caption += f"At epoch {epoch}, the means over networks that pass are: {'; '.join(means)}."
    note = (
        f"Networks that pass (validation accuracy of at least {pass_accuracy(table):g} at epoch {epoch}). "
        "Lines: means; bands: two standard errors over networks. Epoch 0 is before training."
    )
    return Picture("curves", "Figure 2a-d: training curves", caption, figure, pd.concat(rows, ignore_index=True), note)


def draw_mean_and_band(
    axis: Any, table: xr.Dataset, name: str, chosen: np.ndarray[Any, Any], group: str, color: str, marker: str = "o"
) -> pd.DataFrame:
    """Plot the mean of a measure over epochs with two standard errors; return the plotted values."""
    epochs, values = table["epoch"].to_numpy(), table[name].to_numpy()[chosen]
    mean, error = draw_band(axis, epochs, values, group, color, marker)
    columns = {"measure": name, "group": group, "epoch": epochs, "mean": mean, "two_standard_errors": error}
    return pd.DataFrame({**columns, "n": np.isfinite(values).sum(axis=0)})


def draw_histogram(
    axis: Any, table: xr.Dataset, name: str, chosen: np.ndarray[Any, Any], colors: Mapping[str, str]
) -> pd.DataFrame:
    """Plot the distribution of a measure over the chosen networks of each group, at the scored epoch; return it."""
    values, frames = at_scored_epoch(table, name), []
    chosen = chosen & np.isfinite(values)
    span = values[chosen]
    bins = np.histogram_bin_edges(span, bins=24) if len(span) and np.ptp(span) > 0 else np.linspace(0, 1, 11)
    for group, color in colors.items():
        of_group = values[(table["group"].to_numpy() == group) & chosen]
        axis.hist(of_group, bins=bins.tolist(), color=color, alpha=0.5, label=group)
        if len(of_group):
            axis.axvline(of_group.mean(), color=color, linewidth=1.5)
        frames.append(pd.DataFrame({"measure": name, "group": group, "value": of_group}))
    axis.set(ylabel="Number of networks")
    axis.yaxis.get_major_locator().set_params(integer=True)
    return pd.concat(frames, ignore_index=True)


def draw_band(
    axis: Any, x: np.ndarray[Any, Any], values: np.ndarray[Any, Any], label: str, color: str, marker: str = "o"
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Plot and return the mean of values, ``(network, x)``, and two standard errors; only finite values count."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(finite, values, 0).sum(axis=0) / count
        variance = (np.where(finite, values - mean, 0) ** 2).sum(axis=0) / (count - 1)
        error = np.where(count > 1, 2 * np.sqrt(variance / count), 0)
    axis.plot(x, mean, color=color, marker=marker, markersize=4, label=label)
    axis.fill_between(x, mean - error, mean + error, color=color, alpha=0.25, linewidth=0)
    return mean, error


def strengths(table: xr.Dataset) -> Picture:
    """Plot accuracy, corr(W, D) and modularity of every network against its regularization strength."""
    shown = [name for name in ("validation_accuracy", "weight_distance_correlation", "modularity") if name in table]
    styles = _line_styles(groups_of(table))
    frame = pd.DataFrame(
        {
            **{name: table[name].to_numpy() for name in ("group", "network", "seed", "strength")},
            "passed": passing_networks(table),
            **{name: at_scored_epoch(table, name) for name in shown},
        }
    )
    rank = (frame["network"] + 1).astype(float)  # for networks without a single strength, as with a sum of regularizers
    frame["strength"] = frame["strength"].where(frame["strength"].notna(), rank)
    largest = frame.groupby("group")["strength"].max()
    divisor = frame["group"].map(largest.where(largest > 0, 1))
    frame.insert(4, "strength_percent", 100 * frame["strength"] / divisor)
    with style():
        figure, axes = panels(len(shown), 10, 3.4)
        for axis, name in zip(axes, shown, strict=True):
            for group, line in styles.items():
                for passed in (False, True):
                    points = frame[(frame["group"] == group) & (frame["passed"] == passed)]
                    axis.scatter(
                        points["strength_percent"], points[name], s=16, linewidths=0.8, alpha=0.8,
                        marker=line["marker"], edgecolors=line["color"], facecolors=line["color"] if passed else "none",
                    )  # fmt: skip
            axis.set(title=PANELS[name], xlabel="Strength (% of group maximum)")
        axes[0].set_ylim(0, 1.04)
        lines = [
            {"linestyle": "none", **line, "label": f"{group} (strength ≤ {largest[group]:.3g})"}
            for group, line in styles.items()
        ]
        legend_above(figure, lines, columns=2)
    weak = frame["strength_percent"] <= frame.groupby("group")["strength_percent"].transform("median")
    caption = " ".join(
        f"In {group}, {(passed & weak).sum()} networks with strengths in the lower half pass, and "
        f"{(passed & ~weak).sum()} with strengths in the upper half."
        for group, passed in ((group, frame["passed"] & (frame["group"] == group)) for group in styles)
    )
    note = f"Each marker is a network at epoch {scored_epoch(table)}: filled if it passes, open if it does not."
    return Picture("strengths", "Effect of regularization strength", caption, figure, frame, note)
