"""A comparison as tables, figures and a page of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spatialnets.experiments.blocks import brief
from spatialnets.experiments.declaration import BLOCKS
from spatialnets.files.atomic import write_text
from spatialnets.report.cells import csv_of
from spatialnets.report.comparison import CLAIMS, Comparison
from spatialnets.report.contrasts import FEWEST, SELECTIONS, Contrast
from spatialnets.report.example import SCENES, example_networks, scenes
from spatialnets.report.figures import MARKERS, PALETTE, PANELS, Picture, style
from spatialnets.report.html import plotly_script, template
from spatialnets.report.samples import Sample
from spatialnets.report.spatial_nulls import CENTRALITY, NULLS

__all__ = ["answers", "label_of", "unclaimed", "write_comparison"]

LABELS = {
    **{name: label for name, label in PANELS.items() if "{unit}" not in label},
    "weighted_edge_length": "Connection length (steps)",
    "mean_communicability": "Mean communicability",
    "modularity_directed": "Modularity Q, directed",
    "small_worldness": "Small-worldness",
    "small_worldness_paths": "Small-worldness, true paths",
}
MAIN = (
    "validation_accuracy",
    "total_weight",
    "weighted_edge_length",
    "weight_distance_correlation",
    "mean_communicability",
    "modularity",
    "small_worldness",
)
SHADES = dict(zip(SELECTIONS, ("#0072B2", "#E69F00", "#009E73"), strict=True))
NULL_LOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "anywhere": ("weights shuffled anywhere", {"marker": "o", "color": "white", "markeredgecolor": "0.3"}),
    "within_lengths": (
        "shuffled among connections of about the same length",
        {
            "marker": "o",
            "color": PALETTE[1],
            "markerfacecoloralt": "white",
            "fillstyle": "left",
            "markeredgecolor": "0.3",
        },
    ),
    "observed": ("as trained", {"marker": "o", "color": PALETTE[1]}),
}
LINES: tuple[Any, ...] = ("-", "--", ":", "-.")


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison.html``, ``figures/`` and the tables as CSV.

    Parameters
    ----------
    comparison
        What was found.
    folder
        Where files go; it is made if need be.

    Returns
    -------
    Path
        The page: one file that needs no other and no network.
    """
    pictures = _pictures(comparison)
    for picture in pictures:
        picture.save(folder / "figures")
    for name in ("groups", "effects", "claims", "nulls", "maps"):
        write_text(folder / f"{name}.csv", csv_of(getattr(comparison, name)))
    shown = _scenes(comparison)
    page = template("comparison.html").render(
        comparison=comparison,
        samples=[_sample_row(sample) for sample in comparison.samples],
        answers=answers(comparison),
        claims=_claim_rows(comparison),
        selections=[name for name in SELECTIONS if name in set(comparison.claims["selection"])],
        effects=_effect_rows(comparison),
        nulls=comparison.nulls.to_dict("records"),
        null_count=NULLS,
        fewest=FEWEST,
        maps=comparison.maps.to_dict("records"),
        centrality=CENTRALITY,
        labels=LABELS,
        pictures=[picture.embedded() for picture in pictures],
        scenes=shown,
        more=len(comparison.samples) > len(shown),
        plotly=plotly_script(),
        fixed=_fixed,
        whole=partial(_fixed, decimals=0),
        significant=_significant,
        rough=partial(_significant, digits=2),
        interval=_interval,
    )
    path = folder / "comparison.html"
    write_text(path, page)
    return path


def _fixed(value: float, decimals: int = 2) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if np.isfinite(value) else "-"  # + 0.0: never -0


def _significant(value: float, digits: int = 3) -> str:
    """Write a number with some significant digits and no exponent."""
    if not np.isfinite(value):
        return "-"
    place = int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:,.{max(0, digits - 1 - place)}f}"


def _interval(low: float, high: float, write: Callable[[float], str] = _fixed) -> str:
    return f"[{write(low)}, {write(high)}]" if np.isfinite(low + high) else ""


def label_of(measure: str) -> str:
    """Return what to call a measure."""
    return LABELS.get(measure, measure.replace("_", " "))


# Words and tables


def answers(comparison: Comparison) -> list[str]:
    """Return in a sentence for each geometry which of the paper's structural features its networks show.

    Empty where no networks with a spatial penalty stand against L1 networks on the same geometry.
    """
    sentences = []
    claims = comparison.claims
    for place in claims["geometry"].unique():
        own = claims[claims["geometry"] == place]
        words = []
        for selection in ("passing", "equal total weight"):
            some = own[own["selection"] == selection]
            if not len(some):
                continue
            found = {
                verdict: [CLAIMS[str(row.measure)].feature for row in some.itertuples() if row.verdict == verdict]
                for verdict in ("holds", "open", "reversed")
            }
            among = "among networks that pass" if selection == "passing" else "at equal total weight"
            text = f"{among}, {len(found['holds'])} of {len(some)} hold"
            text += f" ({', '.join(found['holds'])})" if found["holds"] else ""
            text += f", open: {', '.join(found['open'])}" if found["open"] else ""
            text += f", the reverse: {', '.join(found['reversed'])}" if found["reversed"] else ""
            words.append(text)
        if words:
            sentences.append(f"{place}: {'; '.join(words)}")
    return sentences


def unclaimed(comparison: Comparison) -> list[Contrast]:
    """Return the contrasts that the table of claims does not hold."""
    claimed = set(zip(comparison.claims["first"], comparison.claims["second"], strict=True))
    return [one for one in comparison.contrasts if (one.first.label, one.second.label) not in claimed]


def _sample_row(sample: Sample) -> dict[str, Any]:
    strength = sample.table["strength"].to_numpy().astype(float)
    return {
        "label": sample.label,
        "geometry": brief("geometry", sample.blocks["geometry"]),
        "units": len(sample.geometry.distances),
        "mean": f"{sample.geometry.mean_distance:.3g} {sample.geometry.length_unit}",
        "step": f"{1 / sample.geometry.steps_per_unit:.3g} {sample.geometry.length_unit}",
        "regularizer": sample.kind("regularizer"),
        "strength": f"{np.nanmin(strength):.3g} to {np.nanmax(strength):.3g}" if np.isfinite(strength).any() else "-",
        "networks": len(strength),
        "passes": int(sample.passes.sum()),
    }


def _claim_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one row for each geometry and claim, with a cell for each selection."""
    rows = []
    for (place, claim), own in comparison.claims.groupby(["geometry", "claim"], sort=False):
        cells = {row["selection"]: row for row in own.to_dict("records")}
        rows.append({"geometry": place, "claim": claim, "figure": own["figure"].iloc[0], "cells": cells})
    return rows


def _effect_rows(comparison: Comparison) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the effects of each contrast at the scored epoch, of networks that pass."""
    effects = comparison.effects
    own = effects[(effects["epoch"] == comparison.epoch) & (effects["selection"] == "passing")]
    return [
        (f"{one} - {other}", rows.to_dict("records"))
        for (one, other), rows in own.groupby(["first", "second"], sort=False)
    ]


def _scenes(comparison: Comparison) -> list[tuple[str, str]]:
    """Return an example network of up to six samples, those with a spatial penalty first."""
    order = sorted(comparison.samples, key=lambda sample: sample.blind)
    examples = []
    for sample in order[:SCENES]:
        full = sample.table.assign(loss=sample.table["validation_accuracy"])  # finite where a network is
        found = example_networks(sample.run, full, comparison.epoch)
        examples += [replace(example, group=sample.label) for example in found]
    return scenes(examples)


# Figures


def _pictures(comparison: Comparison) -> list[Picture]:
    pictures = []
    if len(comparison.claims):
        pictures.append(_claims_picture(comparison))
    rest = unclaimed(comparison)
    for family in dict.fromkeys(contrast.family for contrast in rest):
        chosen = [contrast for contrast in rest if contrast.family == family]
        picture = _effects_picture(comparison, chosen, family) if chosen and len(comparison.effects) else None
        if picture is not None:
            pictures.append(picture)
    pictures.append(_curves_picture(comparison))
    if len(comparison.nulls):
        pictures.append(_nulls_picture(comparison))
    return pictures


def _forest(axis: Any, rows: Sequence[Sequence[dict[str, Any]]], names: Sequence[str]) -> None:
    """Draw effects with their intervals, one line a name, one colour a selection."""
    for place, own in enumerate(rows):
        for row in own:
            offset = 0.22 * (SELECTIONS.index(row["selection"]) - 1)
            color = SHADES[row["selection"]]
            if np.isfinite(row["low"]):
                axis.plot([row["low"], row["high"]], [place + offset] * 2, color=color, linewidth=1.4)
            axis.plot(row["g"], place + offset, "o", color=color, markersize=4)
    axis.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)


def _legend(figure: Figure, selections: Sequence[str]) -> None:
    handles = [
        mpl.lines.Line2D([], [], color=SHADES[name], marker="o", markersize=4, label=name)
        for name in SELECTIONS
        if name in selections
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)


def _claims_picture(comparison: Comparison) -> Picture:
    claims = comparison.claims
    measures = [name for name in CLAIMS if name in set(claims["measure"])]
    places = list(claims["geometry"].unique())
    with style():
        figure = Figure(figsize=(2.9 * len(measures) + 1.4, 0.55 * len(places) + 1.7))
        axes = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
        for axis, measure in zip(axes, measures, strict=True):
            own = claims[claims["measure"] == measure]
            _forest(axis, [own[own["geometry"] == place].to_dict("records") for place in places], places)
            expected = "lower" if CLAIMS[measure].sign < 0 else "higher"
            axis.set(title=f"{label_of(measure)}\n(expected: {expected})", xlabel="Hedges' g, spatial minus L1")
        _legend(figure, list(claims["selection"].unique()))
    caption = (
        f"Networks with the spatial penalty against L1 networks on the same geometry, at epoch {comparison.epoch}: "
        "Hedges' g with its 95 % interval (BCa bootstrap over networks)."
    )
    return Picture("claims", "The paper's structural features on each geometry", caption, figure, claims)


def _effects_picture(comparison: Comparison, chosen: Sequence[Contrast], family: str) -> Picture | None:
    effects = comparison.effects[comparison.effects["epoch"] == comparison.epoch]
    defined = set(effects.loc[np.isfinite(effects["g"]), "measure"])
    measures = [name for name in MAIN if name in defined] or sorted(defined)

    def rows(contrast: Contrast, measure: str) -> list[dict[str, Any]]:
        own = effects[
            (effects["first"] == contrast.first.label)
            & (effects["second"] == contrast.second.label)
            & (effects["measure"] == measure)
        ]
        found: list[dict[str, Any]] = own[np.isfinite(own["g"])].to_dict("records")
        return found

    values = pd.DataFrame([row for contrast in chosen for measure in measures for row in rows(contrast, measure)])
    if not len(values):
        return None
    names = [contrast.label for contrast in chosen]
    with style():
        if len(chosen) == 1:
            figure = Figure(figsize=(7.5, 0.5 * len(measures) + 1.5))
            axis = figure.subplots()
            _forest(axis, [rows(chosen[0], measure) for measure in measures], [label_of(name) for name in measures])
            axis.set(title=names[0], xlabel="Hedges' g")
        else:
            columns = 3
            lines = int(np.ceil(len(measures) / columns))
            figure = Figure(figsize=(11, lines * (0.42 * len(chosen) + 1.1) + 0.5))
            axes = figure.subplots(lines, columns, squeeze=False, sharey=True)
            for axis, measure in zip(axes.flat, measures, strict=False):
                _forest(axis, [rows(contrast, measure) for contrast in chosen], names)
                axis.set(title=label_of(measure), xlabel="Hedges' g")
            for axis in list(axes.flat)[len(measures) :]:
                axis.set_visible(False)
        _legend(figure, list(values["selection"].unique()))
    what = f"Groups that differ in their {family} alone" if family else "Groups"
    caption = (
        f"{what}, at epoch {comparison.epoch}: Hedges' g, first minus second, with its 95 % interval (BCa bootstrap "
        "over networks)."
    )
    return Picture(f"effects_{family or 'groups'}", f"What the {family or 'group'} changes", caption, figure, values)


def _looks(samples: Sequence[Sample]) -> dict[str, tuple[str, Any, str]]:
    """Return a colour, a line and a marker for each sample: where two parts vary, one is colour and one is line."""
    looks = {}
    places = list(dict.fromkeys(sample.identity("geometry") for sample in samples))
    rest = [
        (sample.run.folder, *(sample.identity(family) for family in BLOCKS if family != "geometry"))
        for sample in samples
    ]
    others = list(dict.fromkeys(rest))
    for sample, other in zip(samples, rest, strict=True):
        first, second = places.index(sample.identity("geometry")), others.index(other)
        if len(places) == 1:
            first, second = second, 0
        line = LINES[second % len(LINES)]
        looks[sample.label] = (PALETTE[first % len(PALETTE)], line, MARKERS[first % len(MARKERS)])
    return looks


def _curves_picture(comparison: Comparison) -> Picture:
    groups, looks = comparison.groups, _looks(comparison.samples)
    measures = [name for name in MAIN if name in set(groups["measure"])] or list(groups["measure"].unique()[:6])
    with style():
        lines = int(np.ceil(len(measures) / 3))
        legend_lines = int(np.ceil(len(comparison.samples) / 4))
        figure = Figure(figsize=(11, 2.7 * lines + 0.3 * legend_lines + 0.2))
        axes = figure.subplots(lines, 3, squeeze=False)
        for axis, measure in zip(axes.flat, measures, strict=False):
            for label, (color, line, marker) in looks.items():
                own = groups[(groups["measure"] == measure) & (groups["sample"] == label)]
                axis.plot(own["epoch"], own["mean"], color=color, linestyle=line, marker=marker, markersize=3.5)
                axis.fill_between(own["epoch"], own["low"], own["high"], color=color, alpha=0.15, linewidth=0)
            axis.set(title=label_of(measure), xlabel="Epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
        for axis in list(axes.flat)[len(measures) :]:
            axis.set_visible(False)
        handles = [
            mpl.lines.Line2D([], [], color=color, linestyle=line, marker=marker, markersize=4, label=label)
            for label, (color, line, marker) in looks.items()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=4)
    caption = (
        f"Means of the networks that pass at epoch {comparison.epoch}, with 95 % intervals (BCa bootstrap over "
        "networks)."
    )
    return Picture("groups", "While the networks train", caption, figure, groups[groups["measure"].isin(measures)])


def _nulls_picture(comparison: Comparison) -> Picture:
    nulls = comparison.nulls
    measures, labels = list(nulls["measure"].unique()), list(nulls["sample"].unique())
    with style():
        figure = Figure(figsize=(3.4 * len(measures) + 1, 0.32 * len(labels) + 1.5))
        axes = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
        for axis, measure in zip(axes, measures, strict=True):
            own = nulls[nulls["measure"] == measure].set_index("sample")
            for place, label in enumerate(labels):
                row = own.loc[label]
                three = [row[column] for column in NULL_LOOKS]
                axis.plot([min(three), max(three)], [place] * 2, color="0.6", linewidth=1.2, zorder=1)
            for column, (_, look) in NULL_LOOKS.items():
                axis.plot(own.loc[labels, column], range(len(labels)), linestyle="none", **look)
            axis.set_yticks(range(len(labels)), labels)
            axis.set_ylim(len(labels) - 0.5, -0.5)
            axis.set(title=label_of(measure), xlabel="Mean over networks")
        handles = [
            mpl.lines.Line2D([], [], linestyle="none", label=label, **look) for label, look in NULL_LOOKS.values()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=3)
    caption = (
        f"Networks that pass, at epoch {comparison.epoch}, and the same with their weights shuffled, {NULLS} times "
        "each. From the empty point to the half-filled one goes what the lengths of connections explain; from there to "
        "the full one, which units they connect."
    )
    return Picture("nulls", "What distance alone explains", caption, figure, nulls)
