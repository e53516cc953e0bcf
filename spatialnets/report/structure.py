"""Figures of modularity, small-worldness, entropy and generative wiring rules (Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from spatialnets.report.figures import (
    Picture,
    colors_of,
    draw_histogram,
    draw_mean_and_band,
    group_means,
    groups_of,
    join_items,
    label_epochs,
    panels,
    passing_by_group,
    style,
)
from spatialnets.report.measured import passing_networks, scored_epoch

__all__ = ["entropy_and_spectrum", "growth", "structure"]

MEASURES = {"modularity": "Modularity Q", "small_worldness": "Small-worldness"}
ENTROPIES = {
    "weight_entropy": "Weight entropy (bits)",
    "communicability_entropy": "Communicability entropy (bits)",
    "spectral_entropy": "Spectral entropy (bits)",
    "log_spectral_abscissa": "Log spectral abscissa",
}


def structure(table: xr.Dataset) -> Picture | None:
    """Plot modularity and small-worldness over training, and their distributions at the scored epoch (Fig. 3a-b)."""
    shown = {name: label for name, label in MEASURES.items() if name in table}
    if not shown:
        return None
    passes, epoch, frames = passing_networks(table), scored_epoch(table), []
    with style():
        figure, axes = panels(2 * len(shown), 12, 3.2)
        for over_epochs, at_last, (name, label) in zip(axes[::2], axes[1::2], shown.items(), strict=True):
            frames.append(_draw_curves(over_epochs, table, name, label))
            draw_histogram(at_last, table, name, passes, colors_of(groups_of(table)))
            at_last.set(title=f"At epoch {epoch}", xlabel=label)
            if name == "small_worldness":
                over_epochs.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
        figure.legend(*axes[1].get_legend_handles_labels(), loc="outside upper center", ncols=5)
    means = [
        f"mean {label[0].lower()}{label[1:]} is {group_means(table, name, passes, 'z.2f')}"
        for name, label in shown.items()
    ]
    note = (
        "Networks that pass. Lines: means; bands: two standard errors; vertical lines: means at the scored epoch. "
        "The dotted line marks the small-worldness of a random network."
    )
    caption, values = f"At epoch {epoch}, {'; '.join(means)}.", pd.concat(frames, ignore_index=True)
    return Picture("structure", "Figure 3a-b: modularity and small-worldness", caption, figure, values, note)


def entropy_and_spectrum(table: xr.Dataset) -> Picture | None:
    """Plot entropies and the spectral abscissa over training, as in the follow-up paper (arXiv 2409.17693)."""
    shown = {name: label for name, label in ENTROPIES.items() if name in table}
    if not shown:
        return None
    passes = passing_networks(table)
    with style():
        figure, axes = panels(len(shown), 12, 3.0)
        frames = [
            _draw_curves(axis, table, name, label) for axis, (name, label) in zip(axes, shown.items(), strict=True)
        ]
        axes[0].legend()
    means = [
        f"mean {label.split(' (')[0].lower()} is {group_means(table, name, passes, 'z.2f')}"
        for name, label in list(shown.items())[:2]
    ]
    caption = f"At epoch {scored_epoch(table)}, {'; '.join(means)}."
    note = (
        "Networks that pass. Lines: means; bands: two standard errors. Measures of Sheeran, Ham et al. (2024), "
        "arXiv 2409.17693."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("entropy", "Follow-up paper: entropy and spectrum", caption, figure, values, note)


def _draw_curves(axis: Any, table: xr.Dataset, name: str, label: str) -> pd.DataFrame:
    """Plot a measure of each group's passing networks over epochs; return the plotted values."""
    colors = colors_of(groups_of(table))
    label_epochs(axis, title=label)
    return pd.concat(
        draw_mean_and_band(axis, table, name, passes, group, colors[group])
        for group, passes in passing_by_group(table).items()
    )


def growth(measurements: Mapping[str, xr.Dataset], groups: list[str]) -> Picture | None:
    """Plot how closely each generative wiring rule reproduces the trained networks (Fig. 3c)."""
    table = measurements.get("generative")
    if table is None:
        return None
    energy = table["energy"].isel(epoch=-1)
    rules = energy["rule"].to_numpy().tolist()
    colors, frames, medians = colors_of(groups), [], {}
    with style():
        figure, (axis,) = panels(1, 12, 3.6)
        by_group = {group: energy[(table["group"] == group).to_numpy()].to_numpy() for group in groups}
        shown = {group: energies for group, energies in by_group.items() if np.isfinite(energies).any()}
        for place, (group, energies) in enumerate(shown.items()):
            energies = energies[np.isfinite(energies).all(axis=1)]
            width = 0.8 / len(shown)
            boxes = axis.boxplot(
                energies, positions=np.arange(len(rules)) + (place + 0.5) * width - 0.4, widths=0.85 * width,
                patch_artist=True, manage_ticks=False, flierprops={"markersize": 2},
                medianprops={"color": "black"},
            )  # fmt: skip
            for box in boxes["boxes"]:
                box.set(facecolor=colors[group], alpha=0.6)
            axis.plot([], [], color=colors[group], linewidth=6, alpha=0.6, label=f"{group} ({len(energies)} networks)")
            medians[group] = dict(zip(rules, np.median(energies, axis=0), strict=True))
            frame = pd.DataFrame(energies, columns=rules).assign(group=group)
            frames.append(frame.melt("group", var_name="rule", value_name="energy"))
        if not shown:
            return None
        axis.set_xticks(range(len(rules)), rules, rotation=35, ha="right")
        axis.set(ylabel="Lowest energy (0: perfect fit)", ylim=(0, None))
        axis.legend()
    best = {group: sorted(median, key=lambda rule: median[rule])[:2] for group, median in medians.items()}
    caption = " ".join(
        f"The rules that best reproduce {group} networks are "
        + join_items([f"{rule} (median energy {medians[group][rule]:.3f})" for rule in two])
        + "."
        for group, two in best.items()
    )
    note = (
        "Energy is the largest of four Kolmogorov-Smirnov statistics (degree, clustering, betweenness and connection "
        "length) between a grown network and the strongest connections of a trained network. For each network and rule "
        "it is the lowest over all parameters tried. Boxes: quartiles; whiskers: 1.5 interquartile ranges."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("growth", "Figure 3c: generative wiring rules", caption, figure, values, note)
