"""The report of a run: one HTML page, with its figures and tables as files."""

from __future__ import annotations

import hashlib
import re
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
from spatialnets.report.coding import economy, explained_variance, function_and_structure, spatial_coding
from spatialnets.report.comparison import compare
from spatialnets.report.comparison_page import write_comparison
from spatialnets.report.example import (
    Example,
    example_networks,
    examples_by_strength,
    networks_by_strength,
    networks_in_space,
    scenes,
    weight_against_distance,
)
from spatialnets.report.features import FEATURES, balance, feature_correlations, features
from spatialnets.report.figures import Picture, curves, groups_of, join_items, strengths
from spatialnets.report.html import plotly_script, template
from spatialnets.report.measured import load_measurements, metrics_table, pass_accuracy, passing_networks, scored_epoch
from spatialnets.report.samples import samples_of
from spatialnets.report.score import table_of
from spatialnets.report.scorecard import scorecard
from spatialnets.report.setup import setup
from spatialnets.report.space import plural
from spatialnets.report.structure import entropy_and_spectrum, growth, structure
from spatialnets.report.sweet_spot import map_picture, sweet_spot
from spatialnets.runs.run import Run

__all__ = ["is_compared", "is_current", "write_report"]


def write_report(
    run: Run,
    experiment: Experiment,
    progress: Progress | None = None,
    workers: int | None = None,
    engine: Engine | None = None,
) -> Path:
    """Compute missing analyses and write ``report.html``, ``figures/``, ``metrics.csv`` and ``scorecard.csv``.

    If the groups of a finished run have different geometries, a comparison is written to the folder ``comparison``.

    Parameters
    ----------
    run
        A run, finished or not; the report shows the networks that it holds so far.
    experiment
        The run's experiment.
    progress
        Where to report the progress of analyses and the comparison; by default nowhere.
    workers
        Number of shards to analyse in parallel; by default chosen by the engine.
    engine
        Where to compute long analyses; by default on this machine.

    Returns
    -------
    Path
        The page, a self-contained file that loads nothing from disk or network.
    """
    table = metrics_table(run, experiment.analyses, workers, progress, engine)
    measurements = load_measurements(run, table)
    examples = example_networks(run, table)
    pictures = _pictures(run, table, measurements, examples)
    for picture in pictures:
        picture.save(run.folder / "figures")
    scores = scorecard(table, measurements, _is_as_published(experiment))
    write_text(run.folder / "scorecard.csv", csv_of(table_of(scores)))
    identity = ["group", "network", "seed", "strength", "epoch"]  # the first columns
    metrics = table.reset_coords().to_dataframe().reset_index().set_index(identity).reset_index()
    write_text(run.folder / "metrics.csv", csv_of(metrics))
    write_text(run.folder / "references.bib", bibliography(experiment) + "\n")
    # without surfaces, the page stays small and free of scripts
    shown = scenes(examples) if any(len(example.geometry.faces) for example in examples) else []
    outcomes = run.map(lambda shard: shard[["status", "reason"]], scores_only=True)
    page = template("page.html").render(
        run=run,
        experiment=experiment,
        groups=_groups(experiment, table, run, outcomes),
        scores=scores,
        epoch=scored_epoch(table),
        threshold=pass_accuracy(table),
        pictures=[picture.embed() for picture in pictures],
        shown_pictures={picture.name for picture in pictures},
        generative="generative" in measurements,
        not_measured=table.attrs["not_measured"],
        scenes=shown,
        more_groups=len(run.groups) > len(shown),
        plotly=plotly_script() if shown else "",
        comparison=_write_comparison(run, progress),
        diverged=_diverged_networks(outcomes),
        done=sum(len(shard.networks) for shard in run.computed),
        total=sum(len(shard.networks) for shard in run.shards),
        sources=_sources(run),
        provenance=run.provenance,
        command=shlex.join(run.provenance["command"]),
        references=[_reference(entry) for entry in map(entries().get, keys_of(experiment)) if entry],
    )
    path = run.folder / "report.html"
    write_text(path, page)
    return path


def _pictures(
    run: Run, table: xr.Dataset, measurements: Mapping[str, xr.Dataset], examples: Sequence[Example]
) -> list[Picture]:
    """Return the figures for which there are measurements, in the paper's order."""
    spot = sweet_spot(table)
    has_codes = {"selectivity", "spatial_coding"} & set(measurements) and "sernn" in groups_of(table)
    rows = features(table, measurements) if has_codes else pd.DataFrame()
    around_spot = examples_by_strength(run, table, spot) if spot else []
    pictures = [
        setup(run),
        curves(*_with_common_unit(table, run)),
        networks_in_space(examples) if examples else None,
        weight_against_distance(examples) if examples else None,
        structure(table),
        growth(measurements, groups_of(table)),
        explained_variance(table, measurements),
        spatial_coding(table, measurements),
        economy(table, measurements),
        map_picture(spot) if spot else None,
        networks_by_strength(around_spot) if around_spot else None,
        balance(table, measurements, spot)[0] if spot else None,
        strengths(table),
        spatial_coding(table, measurements, "p_top"),
        entropy_and_spectrum(table),
        function_and_structure(table),
        # a correlation matrix needs more networks than features
        feature_correlations(rows) if len(rows) > len(FEATURES) else None,
    ]
    return [picture for picture in pictures if picture is not None]


def _with_common_unit(table: xr.Dataset, run: Run) -> tuple[xr.Dataset, str]:
    """Return the table with all lengths in one unit, and that unit: steps of the paper's grid, if units differ."""
    geometries = {
        (group, number): geometry
        for group in groups_of(table)
        for networks, _, geometry in run.geometries_of(group)
        for number in networks
    }
    units = {geometry.length_unit for geometry in geometries.values()}
    if len(units) == 1 or "weighted_edge_length" not in table:
        return table, units.pop()
    networks = zip(table["group"].to_numpy().tolist(), table["network"].to_numpy().tolist(), strict=True)
    steps = np.array([geometries[network].paper_steps_per_unit for network in networks])
    return table.assign(weighted_edge_length=table["weighted_edge_length"] * steps[:, None]), "step"


def _write_comparison(run: Run, progress: Progress | None) -> str | None:
    """Compare the groups of a run if they have different geometries; return the page's path relative to the report."""
    if not is_compared(run):
        return None
    comparison = compare(samples_of([(run, None)]), progress)
    return str(write_comparison(comparison, run.folder / "comparison").relative_to(run.folder))


def is_compared(run: Run) -> bool:
    """Return whether the report of a run compares its groups: the run is finished and their geometries differ."""
    return run.finished and len({shard.geometry for shard in run.shards}) > 1


def is_current(run: Run, experiment: Experiment) -> bool:
    """Return whether the report of a finished run covers its present shards and the analyses of an experiment."""
    path = run.folder / "report.html"
    if not run.finished or not path.exists():
        return False
    page = path.read_bytes()
    return (
        page.rstrip().endswith(b"</html>")
        and all(_is_measured(run, name, analysis) for name, analysis in experiment.analyses.items())
        and f'content="{_sources(run)}"'.encode() in page
    )


def _sources(run: Run) -> str:
    """Return a hash of all shards and analyses, which tells from which of them a page was made."""
    shards = [f"{digest} {run.shards[index].path.name}" for index, digest in run.digests().items()]
    analyses = [f"{digest_of(path)} {path.name}" for path in sorted((run.folder / "analyses").glob("*.nc"))]
    return hashlib.sha256("\n".join([*shards, *analyses]).encode()).hexdigest()


def _is_measured(run: Run, name: str, analysis: Analysis) -> bool:
    try:
        return name in run.measurements() and run.measurement(name).attrs.get("analysis") == repr(analysis)
    except DamagedFile:
        return False


def _groups(experiment: Experiment, table: xr.Dataset, run: Run, outcomes: xr.Dataset) -> list[dict[str, Any]]:
    rows, passes = [], passing_networks(table)
    for name, group in experiment.groups.items():
        member = table["group"].to_numpy() == name
        first, geometries = group.ensembles[0], run.geometries_of(name)
        strength = table["strength"].to_numpy()[member]
        rows.append(
            {
                "name": name,
                "networks": f"{int(member.sum()):,} of {group.networks:,}",
                "geometry": [brief("geometry", declared) for _, declared, _ in geometries],
                "mean": [f"{one.mean_distance:.3g} {plural(one.length_unit)}" for *_, one in geometries],
                "step": [f"{1 / one.steps_per_unit:.3g} {one.length_unit}" for *_, one in geometries],
                "regularizer": type(first.regularizer).__name__,
                "strength": f"{strength.min():.3g} to {strength.max():.3g}"
                if np.isfinite(strength).all() and len(strength)
                else "-",
                "core": _component_text(first.core, "core"),
                "task": _component_text(first.task, "task"),
                "gated": len(first.core.gates) > 1,
                "passed": int((member & passes).sum()),
                "diverged": int(((outcomes["group"] == name) & (outcomes["status"] == "diverged")).sum()),
            }
        )
    return rows


def _component_text(component: RecurrentCore | Task, family: str) -> str:
    """Return the kind of a core or task and its fields that differ from their defaults, as text."""
    return brief(family, block_of(component, family))


def _is_as_published(experiment: Experiment) -> bool:
    """Return whether the groups ``sernn`` and ``l1`` have the paper's core and task, as its pass rates assume."""
    ensembles = [experiment.groups[name].ensembles[0] for name in ("sernn", "l1") if name in experiment.groups]
    return all(
        _component_text(ensemble.core, "core") == "rnn" and _component_text(ensemble.task, "task") == "one_choice"
        for ensemble in ensembles
    )


def _diverged_networks(outcomes: xr.Dataset) -> list[str]:
    columns = (outcomes[name].to_numpy() for name in ("group", "network", "strength", "reason"))
    return [
        f"{group}, network {network} (strength {strength:.3g}): {reason}"
        for group, network, strength, reason in zip(*columns, strict=True)
        if reason
    ]


def _reference(entry: str) -> dict[str, str]:
    """Return the fields of a BibTeX entry of references.bib."""
    fields = {name: re.sub("[{}]", "", value) for name, value in re.findall(r"(?m)^ *(\w+) = (.*?),?$", entry)}
    authors = [author.partition(",")[0].strip() for author in fields["author"].split(" and ")]
    fields["author"] = f"{authors[0]} et al." if len(authors) > 3 else join_items(authors)
    fields["author"] = fields["author"].replace("\\'a", "á").replace("\\'A", "Á")
    fields["title"] = fields["title"].replace("`", "'")
    return {"journal": "", "booktitle": "", "doi": "", "eprint": "", **fields}
