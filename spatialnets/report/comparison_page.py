"""Write a comparison as an HTML page, figures and CSV tables."""

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
from spatialnets.report.comparison import CLAIMS, Comparison, effects_of
from spatialnets.report.contrasts import MIN_NETWORKS, SELECTIONS, Contrast
from spatialnets.report.example import MAX_SCENES, example_networks, scenes
from spatialnets.report.figures import (
    MARKERS,
    PALETTE,
    PANELS,
    Picture,
    join_items,
    label_epochs,
    legend_above,
    panels,
    style,
)
from spatialnets.report.html import plotly_script, template
from spatialnets.report.samples import Sample
from spatialnets.report.space import length
from spatialnets.report.spatial_nulls import CENTRALITY, N_SHUFFLES

__all__ = ["answers", "contrasts_without_claims", "label_of", "write_comparison"]

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
SELECTION_COLORS = dict(zip(SELECTIONS, ("#0072B2", "#E69F00", "#009E73"), strict=True))
NULL_MARKERS: dict[str, tuple[str, dict[str, Any]]] = {
    "anywhere": ("weights shuffled among all connections", {"color": "white"}),
    "within_lengths": (
        "weights shuffled among connections of similar length",
        {"color": PALETTE[1], "markerfacecoloralt": "white", "fillstyle": "left"},
    ),
    "observed": ("as trained", {"color": PALETTE[1]}),
}
NULL_MARKER: dict[str, Any] = {"marker": "o", "markeredgecolor": "0.3", "linestyle": "none"}
LINES: tuple[Any, ...] = ("-", "--", ":", "-.")


def write_comparison(comparison: Comparison, folder: Path) -> Path:
    """Write ``comparison.html``, ``figures/`` and the tables as CSV.

    Parameters
    ----------
    comparison
        Results of `spatialnets.report.comparison.compare`.
    folder
        Output folder; created if it does not exist.

    Returns
    -------
    Path
        The page, a self-contained HTML file.
    """
    pictures = _pictures(comparison)
    for picture in pictures:
        picture.save(folder / "figures")
    for name in ("groups", "effects", "claims", "nulls", "maps"):
        write_text(folder / f"{name}.csv", csv_of(getattr(comparison, name)))
    page = template("comparison.html").render(
        comparison=comparison,
        samples=[_sample_row(sample) for sample in comparison.samples],
        answers=answers(comparison),
        claims=_claim_rows(comparison),
        selections=[name for name in SELECTIONS if name in set(comparison.claims["selection"])],
        effects=_effect_rows(comparison),
        nulls=comparison.nulls.to_dict("records"),
        n_shuffles=N_SHUFFLES,
        min_networks=MIN_NETWORKS,
        maps=comparison.maps.to_dict("records"),
        centrality=CENTRALITY,
        label_of=label_of,
        pictures=[picture.embed() for picture in pictures],
        scenes=_scenes(comparison),
        plotly=plotly_script(),
        fixed=_with_decimals,
        whole=partial(_with_decimals, decimals=0),
        significant=_with_digits,
        rough=partial(_with_digits, digits=2),
        interval=_interval,
    )
    path = folder / "comparison.html"
    write_text(path, page)
    return path


def _with_decimals(value: float, decimals: int = 2) -> str:
    return f"{round(value, decimals) + 0.0:.{decimals}f}" if np.isfinite(value) else "-"  # + 0.0 turns -0.0 into 0.0


def _with_digits(value: float, digits: int = 3) -> str:
    """Format a number with a number of significant digits and without an exponent."""
    if not np.isfinite(value):
        return "-"
    magnitude = int(np.floor(np.log10(abs(value)))) if value else 0
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def _interval(low: float, high: float, number: Callable[[float], str] = _with_decimals) -> str:
    return f"[{number(low)}, {number(high)}]" if np.isfinite(low + high) else ""


def label_of(measure: str) -> str:
    """Return the label of a measure in tables and figures."""
    return LABELS.get(measure, measure.replace("_", " ").capitalize())


# Sentences and tables


def answers(comparison: Comparison) -> list[str]:
    """Return a text for each geometry: which of the paper's structural features its networks show.

    Empty if a spatial penalty is not compared with L1 on any geometry.
    """
    texts = []
    for geometry, claims in comparison.claims.groupby("geometry", sort=False):
        sentences: list[str] = []
        for selection in ("passing", "equal total weight"):
            networks = "among networks that pass" if selection == "passing" else f"at {selection}"
            tested = claims[claims["selection"] == selection]
            features = {
                verdict: [CLAIMS[str(row.measure)].feature for row in tested.itertuples() if row.verdict == verdict]
                for verdict in ("holds", "open", "reversed")
            }
            holding = features.pop("holds")
            sentence = f"{networks}, {len(holding)} of {len(tested)} features hold{'s' * (len(holding) == 1)}"
            sentence += f" ({join_items(holding)})" if holding else ""
            for verdict, names in features.items():
                subject = "all" if len(names) == len(tested) else join_items(names)
                sentence += f"; {subject} {'is' if len(names) == 1 else 'are'} {verdict}" if names else ""
            if len(tested):
                sentences.append(sentence[0].upper() + sentence[1:] if sentences else sentence)
        if sentences:
            texts.append(f"{geometry}: {'. '.join(sentences)}")
    return texts


def contrasts_without_claims(comparison: Comparison) -> list[Contrast]:
    """Return the contrasts that do not appear in the table of claims."""
    claimed = set(zip(comparison.claims["first"], comparison.claims["second"], strict=True))
    return [one for one in comparison.contrasts if (one.first.label, one.second.label) not in claimed]


def _sample_row(sample: Sample) -> dict[str, Any]:
    strength = sample.table["strength"].to_numpy().astype(float)
    return {
        "label": sample.label,
        "geometry": brief("geometry", sample.blocks["geometry"]),
        "units": len(sample.geometry.distances),
        "mean": length(sample.geometry.mean_distance, sample.geometry.length_unit),
        "step": length(1 / sample.geometry.steps_per_unit, sample.geometry.length_unit),
        "regularizer": sample.kind("regularizer"),
        "strength": f"{np.nanmin(strength):.3g} to {np.nanmax(strength):.3g}" if np.isfinite(strength).any() else "-",
        "networks": len(strength),
        "passes": int(sample.passes.sum()),
    }


def _claim_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """Return one row per geometry and claim, with a cell per selection."""
    rows = []
    for (geometry, claim), tests in comparison.claims.groupby(["geometry", "claim"], sort=False):
        cells = {row["selection"]: row for row in tests.to_dict("records")}
        rows.append({"geometry": geometry, "claim": claim, "figure": tests["figure"].iloc[0], "cells": cells})
    return rows


def _effect_rows(comparison: Comparison) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return the effects of each contrast among passing networks at the compared epoch."""
    effects = comparison.effects
    passing = effects[(effects["epoch"] == comparison.epoch) & (effects["selection"] == "passing")]
    return [
        (f"{one} - {other}", rows.to_dict("records"))
        for (one, other), rows in passing.groupby(["first", "second"], sort=False)
    ]


def _scenes(comparison: Comparison) -> list[tuple[str, str]]:
    """Return interactive views of an example network of up to six samples, those with a spatial penalty first."""
    order = sorted(comparison.samples, key=lambda sample: not sample.spatial)
    examples = []
    for sample in order[:MAX_SCENES]:
        table = sample.table.assign(loss=sample.table["validation_accuracy"])  # marks trained networks: finite
        networks = example_networks(sample.run, table, comparison.epoch)
        examples += [replace(example, group=sample.label) for example in networks]
    return scenes(examples)


# Figures


def _pictures(comparison: Comparison) -> list[Picture]:
    remaining = contrasts_without_claims(comparison)
    pictures = [
        _claims_picture(comparison) if len(comparison.claims) else None,
        *(
            _effects_picture(comparison, [contrast for contrast in remaining if contrast.family == family], family)
            for family in dict.fromkeys(contrast.family for contrast in remaining)
            if len(comparison.effects)
        ),
        _curves_picture(comparison),
        _nulls_picture(comparison) if len(comparison.nulls) else None,
    ]
    return [picture for picture in pictures if picture is not None]


def _draw_effects(axis: Any, rows: Sequence[Sequence[dict[str, Any]]], names: Sequence[str]) -> None:
    """Draw effects with their intervals: one row per name, one colour per selection."""
    for index, effects in enumerate(rows):
        for row in effects:
            height = index + 0.22 * (SELECTIONS.index(row["selection"]) - 1)
            color = SELECTION_COLORS[row["selection"]]
            if np.isfinite(row["low"]):
                axis.plot([row["low"], row["high"]], [height] * 2, color=color, linewidth=1.4)
            axis.plot(row["g"], height, "o", color=color, markersize=4)
    axis.axvline(0, color="0.5", linewidth=0.8, zorder=0)
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)


def _legend(figure: Figure, table: pd.DataFrame) -> None:
    """Add a legend of the selections in a table."""
    selections = {name: color for name, color in SELECTION_COLORS.items() if name in set(table["selection"])}
    line = {"marker": "o", "markersize": 4}
    legend_above(figure, [{"label": name, "color": color, **line} for name, color in selections.items()], columns=3)


def _claims_picture(comparison: Comparison) -> Picture:
    claims = comparison.claims
    measures = [name for name in CLAIMS if name in set(claims["measure"])]
    geometries = list(claims["geometry"].unique())
    with style():
        figure, axes = panels(len(measures), 2.9 * len(measures) + 1.4, 0.55 * len(geometries), 1.7, sharey=True)
        for axis, measure in zip(axes, measures, strict=True):
            tests = claims[claims["measure"] == measure]
            rows = [tests[tests["geometry"] == geometry].to_dict("records") for geometry in geometries]
            _draw_effects(axis, rows, geometries)
            expected = "lower" if CLAIMS[measure].sign < 0 else "higher"
            axis.set(title=f"{label_of(measure)}\n(expected: {expected})", xlabel="Hedges' g, spatial minus L1")
        _legend(figure, claims)
    caption = (
        "Difference between networks with the spatial penalty and L1 networks on the same geometry at epoch "
        f"{comparison.epoch}: Hedges' g with 95 % intervals (BCa bootstrap over networks)."
    )
    return Picture("claims", "The paper's structural features on each geometry", caption, figure, claims)


def _effects_picture(comparison: Comparison, chosen: Sequence[Contrast], family: str) -> Picture | None:
    effects = comparison.effects[comparison.effects["epoch"] == comparison.epoch]
    effects = effects[np.isfinite(effects["g"])]
    defined = set(effects["measure"])
    measures = [name for name in MAIN if name in defined] or sorted(defined)
    rows = {
        (contrast.label, measure): effects_of(effects[effects["measure"] == measure], contrast).to_dict("records")
        for contrast in chosen
        for measure in measures
    }
    values = pd.DataFrame([row for records in rows.values() for row in records])
    if not len(values):
        return None
    names = [contrast.label for contrast in chosen]
    with style():
        if len(chosen) == 1:
            figure, (axis,) = panels(1, 7.5, 0.5 * len(measures), 1.5)
            _draw_effects(axis, list(rows.values()), list(map(label_of, measures)))
            axis.set(title=names[0], xlabel="Hedges' g")
        else:
            figure, axes = panels(len(measures), 11, 0.42 * len(chosen) + 1.1, 0.5, columns=3, sharey=True)
            for axis, measure in zip(axes, measures, strict=True):
                _draw_effects(axis, [rows[contrast.label, measure] for contrast in chosen], names)
                axis.set(title=label_of(measure), xlabel="Hedges' g")
        _legend(figure, values)
    groups = f"groups that differ only in their {family}" if family else "groups"
    caption = (
        f"Differences between {groups} at epoch {comparison.epoch}: Hedges' g, first minus second, with 95 % intervals "
        "(BCa bootstrap over networks)."
    )
    return Picture(f"effects_{family or 'groups'}", f"Effects of the {family or 'group'}", caption, figure, values)


def _line_styles(samples: Sequence[Sample]) -> dict[str, dict[str, Any]]:
    """Return the colour, line style and marker of each sample; if geometries differ, they set the colour and marker."""
    styles = {}
    geometries = list(dict.fromkeys(sample.identity("geometry") for sample in samples))
    others = [family for family in BLOCKS if family != "geometry"]
    settings = [(sample.run.folder, *map(sample.identity, others)) for sample in samples]
    unique_settings = list(dict.fromkeys(settings))
    for sample, setting in zip(samples, settings, strict=True):
        first, second = geometries.index(sample.identity("geometry")), unique_settings.index(setting)
        if len(geometries) == 1:
            first, second = second, 0
        line, marker = LINES[second % len(LINES)], MARKERS[first % len(MARKERS)]
        styles[sample.label] = {"color": PALETTE[first % len(PALETTE)], "linestyle": line, "marker": marker}
    return styles


def _curves_picture(comparison: Comparison) -> Picture:
    groups, styles = comparison.groups, _line_styles(comparison.samples)
    measures = [name for name in MAIN if name in set(groups["measure"])] or list(groups["measure"].unique()[:6])
    with style():
        legend_lines = int(np.ceil(len(comparison.samples) / 4))
        figure, axes = panels(len(measures), 11, 2.7, 0.3 * legend_lines + 0.2, columns=3)
        for axis, measure in zip(axes, measures, strict=True):
            for label, line in styles.items():
                curve = groups[(groups["measure"] == measure) & (groups["sample"] == label)]
                axis.plot(curve["epoch"], curve["mean"], markersize=3.5, **line)
                axis.fill_between(
                    curve["epoch"], curve["low"], curve["high"], color=line["color"], alpha=0.15, linewidth=0
                )
            label_epochs(axis, title=label_of(measure))
        legend_above(figure, [{"markersize": 4, "label": label, **line} for label, line in styles.items()], columns=4)
    caption = (
        f"Mean over the networks that pass at epoch {comparison.epoch}. Bands are 95 % intervals (BCa bootstrap over "
        f"networks); groups with fewer than {MIN_NETWORKS} such networks have none."
    )
    return Picture("groups", "Measures over training", caption, figure, groups[groups["measure"].isin(measures)])


def _nulls_picture(comparison: Comparison) -> Picture:
    nulls = comparison.nulls
    measures, labels = list(nulls["measure"].unique()), list(nulls["sample"].unique())
    with style():
        figure, axes = panels(len(measures), 3.4 * len(measures) + 1, 0.32 * len(labels), 1.5, sharey=True)
        for axis, measure in zip(axes, measures, strict=True):
            means = nulls[nulls["measure"] == measure].set_index("sample").reindex(labels)[list(NULL_MARKERS)]
            axis.hlines(range(len(labels)), means.min(axis=1), means.max(axis=1), color="0.6", linewidth=1.2, zorder=1)
            for column, (_, marker) in NULL_MARKERS.items():
                axis.plot(means[column], range(len(labels)), **NULL_MARKER, **marker)
            axis.set_yticks(range(len(labels)), labels)
            axis.set_ylim(len(labels) - 0.5, -0.5)
            axis.set(title=label_of(measure), xlabel="Mean over networks")
            axis.xaxis.set_major_locator(mpl.ticker.MaxNLocator(4))
        lines = [{"label": label, **NULL_MARKER, **marker} for label, marker in NULL_MARKERS.values()]
        legend_above(figure, lines, columns=3)
    caption = (
        f"Networks that pass at epoch {comparison.epoch}, as trained and after shuffling the weights of each "
        f"{N_SHUFFLES} times. The gap between the empty and the half-filled circle is explained by connection lengths; "
        "the gap between the half-filled and the filled circle depends on which units are connected."
    )
    return Picture("nulls", "What distance alone explains", caption, figure, nulls)
