"""The report: one page, with the figures and tables beside it."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from spatialnets.engines.engine import Engine
from spatialnets.experiments.blocks import block_of, brief
from spatialnets.experiments.experiment import Experiment
from spatialnets.files.atomic import digest_of, write_text
from spatialnets.files.netcdf import DamagedFile
from spatialnets.progress import Progress
from spatialnets.protocols import Analysis, RecurrentCore, Task
from spatialnets.report.cells import csv_of
from spatialnets.report.citations import bibliography, entries, keys_of
from spatialnets.report.coding import economy, explained, function_and_structure, where_coded
from spatialnets.report.comparison import compare
from spatialnets.report.comparison_page import write_comparison
from spatialnets.report.example import (
    Example,
    by_strength,
    example_networks,
    in_space,
    in_space_by_strength,
    scenes,
    weight_against_distance,
)
from spatialnets.report.features import FEATURES, balance, feature_correlations, features
from spatialnets.report.figures import Picture, curves, groups_of, strengths
from spatialnets.report.html import plotly_script, template
from spatialnets.report.measured import measured, measurements, pass_accuracy, passing, scored_epoch
from spatialnets.report.samples import samples_of
from spatialnets.report.score import table_of
from spatialnets.report.scorecard import scorecard
from spatialnets.report.setup import setup
from spatialnets.report.structure import follow_up, growth, structure
from spatialnets.report.sweet_spot import map_picture, sweet_spot
from spatialnets.runs.run import Run

__all__ = ["is_compared", "is_current", "write_report"]

MOST_FEATURES = len(FEATURES)  # a correlation needs more networks than there are features


def write_report(
    run: Run,
    experiment: Experiment,
    progress: Progress | None = None,
    workers: int | None = None,
    engine: Engine | None = None,
) -> Path:
    """Measure what is not yet measured and write ``report.html``, ``figures/``, ``metrics.csv`` and ``scorecard.csv``.

    A finished run whose groups stand on several geometries is compared, too, in its folder ``comparison``.

    Parameters
    ----------
    run
        A run, finished or not: what it holds so far is shown.
    experiment
        The experiment that it holds.
    progress
        Where to report on analyses and the comparison; by default nowhere.
    workers
        How many shards are measured at a time; by default as the engine finds best.
    engine
        Where analyses that take long are measured; by default on this machine.

    Returns
    -------
    Path
        The page: one file that needs no other and no network.
    """
    table = measured(run, experiment.analyses, workers, progress, engine)
    found = measurements(run, table)
    examples = example_networks(run, table)
    pictures = _pictures(run, table, found, examples)
    for picture in pictures:
        picture.save(run.folder / "figures")
    scores = scorecard(table, found, _as_published(experiment))
    write_text(run.folder / "scorecard.csv", csv_of(table_of(scores)))
    write_text(run.folder / "metrics.csv", csv_of(_metrics(table)))
    write_text(run.folder / "references.bib", bibliography(experiment) + "\n")
    # a page without a surface stays small and without scripts
    shown = scenes(examples) if any(len(example.geometry.faces) for example in examples) else []
    compared = _compared(run, progress)
    page = template("page.html").render(
        run=run,
        experiment=experiment,
        groups=_groups(experiment, table, run),
        scores=scores,
        epoch=scored_epoch(table),
        threshold=pass_accuracy(table),
        pictures=[picture.embedded() for picture in pictures],
        shown_pictures={picture.name for picture in pictures},
        generative="generative" in found,
        not_measured=table.attrs["not_measured"],
        scenes=shown,
        more_groups=len(run.groups) > len(shown),
        plotly=plotly_script() if shown else "",
        comparison=compared,
        diverged=_diverged(run),
        done=sum(len(shard.networks) for shard in run.shards if shard.done),
        total=sum(len(shard.networks) for shard in run.shards),
        sources=_sources(run),
        provenance=run.provenance,
        command=shlex.join(run.provenance["command"]),
        references=[_reference(entries()[key]) for key in keys_of(experiment) if key in entries()],
    )
    path = run.folder / "report.html"
    write_text(path, page)
    return path


def _pictures(
    run: Run, table: xr.Dataset, found: Mapping[str, xr.Dataset], examples: Sequence[Example]
) -> list[Picture]:
    """Return the figures in the paper's order, of what was measured."""
    spot = sweet_spot(table)
    spatial = {"selectivity", "spatial_coding"} & set(found) and "sernn" in groups_of(table)
    rows = features(table, found) if spatial else pd.DataFrame()
    three = by_strength(run, table, spot) if spot else []
    pictures = [
        setup(run),
        curves(*_in_one_unit(table, run)),
        in_space(examples) if examples else None,
        weight_against_distance(examples) if examples else None,
        structure(table),
        growth(found, groups_of(table)),
        explained(table, found),
        where_coded(table, found),
        economy(table, found),
        map_picture(spot) if spot else None,
        in_space_by_strength(three) if three else None,
        balance(table, found, spot)[0] if spot else None,
        strengths(table),
        where_coded(table, found, "p_top"),
        follow_up(table),
        function_and_structure(table),
        feature_correlations(rows) if len(rows) > MOST_FEATURES else None,
    ]
    return [picture for picture in pictures if picture is not None]


def _in_one_unit(table: xr.Dataset, run: Run) -> tuple[xr.Dataset, str]:
    """Return the table with lengths that can be drawn together, and their unit.

    Where units differ that is steps, of which the mean distance has as many as on the paper's grid.
    """
    groups = list(dict.fromkeys(table["group"].to_numpy().tolist()))
    geometries = {
        (group, number): geometry
        for group in groups
        for networks, _, geometry in run.geometries_of(group)
        for number in networks
    }
    units = {geometry.length_unit for geometry in geometries.values()}
    if len(units) == 1 or "weighted_edge_length" not in table:
        return table, units.pop()
    networks = zip(table["group"].to_numpy().tolist(), table["network"].to_numpy().tolist(), strict=True)
    steps = np.array([geometries[network].paper_steps_per_unit for network in networks])
    return table.assign(weighted_edge_length=table["weighted_edge_length"] * steps[:, None]), "step"


def _compared(run: Run, progress: Progress | None) -> str | None:
    """Compare the groups of a run that stand on several geometries; return where the page is, from the report."""
    if not is_compared(run):
        return None
    comparison = compare(samples_of([(run, None)]), progress)
    return str(write_comparison(comparison, run.folder / "comparison").relative_to(run.folder))


def is_compared(run: Run) -> bool:
    """Tell whether the report of a run compares its groups: it is finished, and they stand on several geometries."""
    return run.finished and len({shard.geometry for shard in run.shards}) > 1


def is_current(run: Run, experiment: Experiment) -> bool:
    """Tell whether the report of a finished run was made of all that it holds now, and of all that was asked."""
    page = run.folder / "report.html"
    return (
        run.finished
        and page.exists()
        and all(_is_measured(run, name, analysis) for name, analysis in experiment.analyses.items())
        and _is_made_of(page, _sources(run))
    )


def _sources(run: Run) -> str:
    """Return a hash of all shards and analyses, by which a page is known to be of these, whatever clocks say."""
    analyses = sorted((run.folder / "analyses").glob("*.nc"))
    lines = [
        f"{digest_of(path)} {path.name}" for path in (*(shard.path for shard in run.shards if shard.done), *analyses)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _is_made_of(page: Path, sources: str) -> bool:
    content = page.read_bytes()
    return f'content="{sources}"'.encode() in content and content.rstrip().endswith(b"</html>")


def _is_measured(run: Run, name: str, analysis: Analysis) -> bool:
    try:
        return name in run.measurements() and run.measurement(name).attrs.get("analysis") == repr(analysis)
    except DamagedFile:
        return False


def _metrics(table: xr.Dataset) -> pd.DataFrame:
    frame = table.reset_coords(drop=False).to_dataframe().reset_index()
    first = ["group", "network", "seed", "strength", "epoch"]
    return frame[[*first, *(name for name in frame.columns if name not in first)]]


def _groups(experiment: Experiment, table: xr.Dataset, run: Run) -> list[dict[str, Any]]:
    rows = []
    passes = passing(table)
    for name, group in experiment.groups.items():
        member = table["group"].to_numpy() == name
        first = group.ensembles[0]
        strength = table["strength"].to_numpy()[member]
        rows.append(
            {
                "name": name,
                "networks": f"{int(member.sum()):,} of {group.networks:,}",
                **_geometries(run, name),
                "regularizer": type(first.regularizer).__name__,
                "strength": f"{strength.min():.3g} to {strength.max():.3g}"
                if np.isfinite(strength).all() and len(strength)
                else "-",
                "core": _said(first.core, "core"),
                "task": _said(first.task, "task"),
                "gated": len(first.core.gates) > 1,
                "passed": int((member & passes).sum()),
                "diverged": int((run.scores(name)["status"] == "diverged").sum()) if member.any() else 0,
            }
        )
    return rows


def _said(part: RecurrentCore | Task, family: str) -> str:
    """Return a core or a task in words: its kind, and what is not at its default."""
    return brief(family, block_of(part, family))


def _as_published(experiment: Experiment) -> bool:
    """Tell whether the groups that are set beside published rates have the paper's core and task."""
    own = [experiment.groups[name].ensembles[0] for name in ("sernn", "l1") if name in experiment.groups]
    return all(_said(each.core, "core") == "rnn" and _said(each.task, "task") == "one_choice" for each in own)


def _geometries(run: Run, group: str) -> dict[str, list[str]]:
    """Return what to say of the geometries of a group, one entry for each."""
    rows: dict[str, list[str]] = {"geometry": [], "mean": [], "step": []}
    for _, declared, geometry in run.geometries_of(group):
        unit = geometry.length_unit
        rows["geometry"].append(brief("geometry", declared))
        rows["mean"].append(f"{geometry.mean_distance:.3g} {unit}")
        rows["step"].append(f"{1 / geometry.steps_per_unit:.3g} {unit}")
    return rows if rows["geometry"] else {name: ["-"] for name in rows}  # not known before a network is computed


def _diverged(run: Run) -> list[str]:
    lines = []
    for group in run.groups:
        if not any(shard.done for shard in run.shards if shard.group == group):
            continue
        scores = run.scores(group)
        for network, strength, reason in zip(
            scores["network"].to_numpy(),
            scores["strength"].to_numpy(),
            scores["reason"].to_numpy(),
            strict=True,
        ):
            if reason:
                lines.append(f"{group}, network {network} (strength {strength:.3g}): {reason}")
    return lines


def _reference(entry: str) -> dict[str, str]:
    """Take author, title, year and DOI out of a BibTeX entry of our own list."""
    fields = {}
    for line in entry.splitlines()[1:]:
        name, equals, value = line.partition("=")
        if equals:
            fields[name.strip()] = value.strip().rstrip(",").strip("{}").replace("{", "").replace("}", "")
    authors = [author.partition(",")[0].strip() for author in fields["author"].split(" and ")]
    fields["author"] = f"{authors[0]} et al." if len(authors) > 3 else ", ".join(authors)
    fields["author"] = fields["author"].replace("\\'a", "á").replace("\\'A", "Á")
    return {"journal": "", "booktitle": "", "doi": "", "eprint": "", **fields}
