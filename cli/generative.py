"""`spatialnets generative`."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.run import WorkerCount
from spatialnets.cli.words import EngineWords, Trust, engine_of
from spatialnets.errors import RunError, UserError

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.analyses.generative import Generative
    from spatialnets.runs.run import Run


def generative(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    words: EngineWords = None,
    networks: Annotated[
        int | None, typer.Option("--networks", min=1, help="How many of each group, of those that pass; by default 20.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="All networks that pass, as in the paper.")] = False,
    all_strengths: Annotated[
        bool,
        typer.Option(
            "--all-strengths", help="Of all strengths, not, as the paper's figure, from 20 to 60 % of a group."
        ),
    ] = False,
    simulations: Annotated[
        int | None, typer.Option("--simulations", min=1, help="For each network and rule; by default 1,000.")
    ] = None,
    workers: WorkerCount = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    trust: Trust = False,
) -> None:
    """Find out which wiring rules grow networks like the trained ones; the same command goes on where it stopped."""
    from spatialnets.engines.measure import measure
    from spatialnets.progress import NoProgress, terminal_progress
    from spatialnets.runs.run import Run

    if full and networks is not None:
        raise UserError("--full means all networks that pass: leave out --networks")
    engine = engine_of(words, only=True)
    run = Run.open(folder, trusted=trust)
    analysis = _declared(run)
    if full or networks is not None:
        analysis = dataclasses.replace(analysis, networks_per_group=networks)
    if all_strengths:
        analysis = dataclasses.replace(analysis, ranks=(0.0, 1.0))
    if simulations is not None:
        levels = min(analysis.levels, simulations)
        analysis = dataclasses.replace(analysis, levels=levels, per_level=simulations // levels)
    _announce(run, analysis, workers)
    try:
        progress = NoProgress() if quiet else terminal_progress()
        found = measure(run, "generative", analysis, workers, progress, engine)
    except KeyboardInterrupt:
        print("\nwhat was measured is kept; the same command goes on", file=sys.stderr, flush=True)
        raise
    _print_energies(found)
    print(f"measurement: {folder / 'analyses' / 'generative.nc'}")


def _declared(run: Run) -> Generative:
    """Return the analysis as the experiment declares it, or as it is by default."""
    from spatialnets.analyses.generative import Generative

    declared = run.experiment().analyses.values()
    return next((analysis for analysis in declared if isinstance(analysis, Generative)), Generative())


def _announce(run: Run, analysis: Generative, workers: int | None) -> None:
    """Say how much there is to do, and about how long it takes here."""
    from spatialnets.progress import clock_words
    from spatialnets.training.capacity import cores

    chosen = [group for group, _ in analysis.chosen(run)]
    if not chosen:
        raise RunError(
            f"no network of {run.folder} has learned its task: validation accuracy {analysis.accuracy:g} after epoch "
            f"{analysis.epoch}, or the last one"
        )
    groups = ", ".join(f"{chosen.count(group):,} {group}" for group in run.groups if group in chosen)
    n_units = max(len(run.geometry_of(group).distances) for group in run.groups if group in chosen)
    busy = min(workers or cores(), len(chosen))
    seconds = analysis.estimated_seconds(len(chosen), n_units) / busy
    print(
        f"{len(chosen):,} networks ({groups}) x {len(analysis.rules)} rules, "
        f"{analysis.simulations * len(analysis.epochs):,} simulations for each network: "
        f"about {clock_words(seconds)} on {busy} core{'s' if busy > 1 else ''}, if nothing of it is stored yet",
        flush=True,
    )


def _print_energies(found: xr.Dataset) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from spatialnets.graph.generative import rule_statistics
    from spatialnets.graph.growth import FAMILIES

    rules = found["rule"].to_numpy().tolist()
    for epoch in found["epoch"].to_numpy().tolist():
        at_epoch = found["energy"].sel(epoch=epoch)
        energies, groups = at_epoch.to_numpy(), found["group"].to_numpy()
        measured = np.isfinite(energies).all(axis=1)
        own = {group: energies[measured & (groups == group)] for group in dict.fromkeys(groups[measured].tolist())}
        table = Table(title=f"Median of the lowest energies at epoch {epoch} (0 is a perfect fit)")
        for column in ("rule", "goes by", *(f"{group}, {len(values)} networks" for group, values in own.items())):
            table.add_column(column)
        for place, rule in enumerate(rules):
            table.add_row(rule, FAMILIES[rule], *(f"{np.median(values[:, place]):.3f}" for values in own.values()))
        Console().print(table)
        for group, values in own.items():
            tested = rule_statistics(values, rules)
            words = f"{group}: lowest mean energy {tested.best}"
            if np.isfinite(tested.p):
                words += f"; analysis of variance F = {tested.f:.3g}, p = {tested.p:.2g}"
            if np.isfinite(tested.homophily_p):
                lower = "lower than all others" if tested.homophily_lowest else "not both lower than all others"
                words += f"; homophily {lower}, largest Tukey p = {tested.homophily_p:.2g}"
            print(words)
