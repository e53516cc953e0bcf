"""Modularity, small-worldness and the rules by which such networks grow (Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from spatialnets.report.figures import Picture, colors_of, groups_of, histogram, line_and_band, listed, style
from spatialnets.report.measured import passing, scored_epoch

__all__ = ["follow_up", "growth", "structure"]

MEASURES = {"modularity": "Modularity Q", "small_worldness": "Small-worldness"}


def structure(table: xr.Dataset) -> Picture | None:
    """Draw modularity and small-worldness while networks train, and of each network at the scored epoch (Fig. 3a-b)."""
    shown = {name: label for name, label in MEASURES.items() if name in table}
    if not shown:
        return None
    groups, passes, epoch = groups_of(table), passing(table), scored_epoch(table)
    colors, frames = colors_of(groups), []
    with style():
        figure = Figure(figsize=(12, 3.2))
        axes = figure.subplots(1, 2 * len(shown), squeeze=False)[0]
        for place, (name, label) in enumerate(shown.items()):
            over_epochs, at_last = axes[2 * place : 2 * place + 2]
            for group in groups:
                chosen = (table["group"].to_numpy() == group) & passes
                frames.append(line_and_band(over_epochs, table, name, chosen, group, colors[group]))
            over_epochs.set(title=label, xlabel="Epoch")
            over_epochs.xaxis.get_major_locator().set_params(integer=True)
            histogram(at_last, table, name, passes, colors)
            at_last.set(title=f"at epoch {epoch}", xlabel=label)
            if name == "small_worldness":
                over_epochs.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
        axes[1].legend()
    means = [listed(table, name, passes, "{:.2f}") for name in shown]
    caption = ". ".join(
        f"Mean {label.lower().replace(' q', ' Q')} at epoch {epoch}: {words}"
        for label, words in zip(shown.values(), means, strict=True)
    )
    note = (
        "Networks that pass. Lines are means, bands two standard errors; upright lines are means at the scored epoch. "
        "The dotted line is a random network."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("structure", "Figure 3a-b: modules and small worlds", f"{caption}.", figure, values, note)


def follow_up(table: xr.Dataset) -> Picture | None:
    """Draw entropies and spectrum while networks train, as the paper's follow-up does (arXiv 2409.17693)."""
    shown = {
        name: label
        for name, label in (
            ("weight_entropy", "Entropy of weights (bit)"),
            ("communicability_entropy", "Entropy of communicability (bit)"),
            ("spectral_entropy", "Entropy of eigenvalues (bit)"),
            ("log_spectral_abscissa", "log largest Re eigenvalue"),
        )
        if name in table
    }
    if not shown:
        return None
    groups, passes = groups_of(table), passing(table)
    colors, frames = colors_of(groups), []
    with style():
        figure = Figure(figsize=(12, 3.0))
        axes = figure.subplots(1, len(shown), squeeze=False)[0]
        for axis, (name, label) in zip(axes, shown.items(), strict=True):
            for group in groups:
                chosen = (table["group"].to_numpy() == group) & passes
                frames.append(line_and_band(axis, table, name, chosen, group, colors[group]))
            axis.set(title=label, xlabel="Epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
        for group in groups:
            axes[0].plot([], [], color=colors[group], marker="o", markersize=4, label=group)
        axes[0].legend()
    epoch = scored_epoch(table)
    said = [f"{label.split(' (')[0].lower()}: {listed(table, name, passes, '{:.2f}')}" for name, label in shown.items()]
    caption = f"At epoch {epoch}, {'; '.join(said[:2])}."
    note = "Networks that pass; means with two standard errors. Sheeran, Ham et al. (2024), arXiv 2409.17693."
    values = pd.concat(frames, ignore_index=True)
    return Picture("entropy", "Follow-up paper: entropy and spectrum", caption, figure, values, note)


def growth(found: Mapping[str, xr.Dataset], groups: list[str]) -> Picture | None:
    """Draw how well each generative rule grows networks like the trained ones (Fig. 3c)."""
    table = found.get("generative")
    if table is None:
        return None
    energy = table["energy"].isel(epoch=-1)
    rules = energy["rule"].to_numpy().tolist()
    colors, frames, medians = colors_of(groups), [], {}
    with style():
        figure = Figure(figsize=(12, 3.6))
        axis = figure.subplots()
        shown = [group for group in groups if np.isfinite(energy[(table["group"] == group).to_numpy()]).any()]
        for place, group in enumerate(shown):
            own = energy[(table["group"] == group).to_numpy()].to_numpy()
            own = own[np.isfinite(own).all(axis=1)]
            width = 0.8 / len(shown)
            boxes = axis.boxplot(
                own, positions=np.arange(len(rules)) + (place + 0.5) * width - 0.4, widths=0.85 * width,
                patch_artist=True, manage_ticks=False, flierprops={"markersize": 2},
                medianprops={"color": "black"},
            )  # fmt: skip
            for box in boxes["boxes"]:
                box.set(facecolor=colors[group], alpha=0.6)
            axis.plot([], [], color=colors[group], linewidth=6, alpha=0.6, label=f"{group} ({len(own)} networks)")
            medians[group] = dict(zip(rules, np.median(own, axis=0), strict=True))
            frames.append(
                pd.DataFrame(own, columns=rules).assign(group=group).melt("group", var_name="rule", value_name="energy")
            )
        if not shown:
            return None
        axis.set_xticks(range(len(rules)), rules, rotation=35, ha="right")
        axis.set(ylabel="Lowest energy (0 is a perfect fit)", ylim=(0, None))
        axis.legend()
    best = {group: sorted(own, key=lambda rule: own[rule])[:2] for group, own in medians.items()}
    caption = " ".join(
        f"Networks of group {group} are grown best by "
        + ", then by ".join(f"{rule} (median energy {medians[group][rule]:.3f})" for rule in two)
        + "."
        for group, two in best.items()
    )
    note = (
        "Energy is the largest of four Kolmogorov-Smirnov statistics (degree, clustering, betweenness, length of "
        "connections) between a grown network and the strongest of a trained one's connections; of each network "
        "the lowest over all parameters tried. Boxes are quartiles over networks, whiskers 1.5 of their distance."
    )
    values = pd.concat(frames, ignore_index=True)
    return Picture("growth", "Figure 3c: which rule grows such networks", caption, figure, values, note)
