"""`spatialnets generative`."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.arguments import EngineOverrides, Quiet, RunFolder, Trust, WorkerCount, engine_from, progress_for
from spatialnets.cli.tables import counted
from spatialnets.errors import RunError, UserError

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.analyses.generative import Generative
    from spatialnets.runs.run import Run


def generative(
    folder: RunFolder,
    words: EngineOverrides = None,
    networks: Annotated[
        int | None,
        typer.Option("--networks", min=1, help="Number of networks per group, of those that pass; by default 20."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Use all networks that pass, as in the paper.")] = False,
    all_strengths: Annotated[
        bool, typer.Option("--all-strengths", help="Use all strengths, not only ranks 20 to 60 % as in the paper.")
    ] = False,
    simulations: Annotated[
        int | None, typer.Option("--simulations", min=1, help="Simulations per network and rule; by default 1,000.")
    ] = None,
    workers: WorkerCount = None,
    quiet: Quiet = False,
    trust: Trust = False,
) -> None:
    """Find the wiring rules that grow networks like the trained ones; the same command continues where it stopped."""
    from spatialnets.engines.measure import measure
    from spatialnets.runs.run import Run

    if full and networks is not None:
        raise UserError("--full uses all networks that pass: leave out --networks")
    engine = engine_from(words, only=True)
    run = Run.open(folder, trusted=trust)
    analysis = _analysis_of(run)
    if full or networks is not None:
        analysis = dataclasses.replace(analysis, networks_per_group=networks)
    if all_strengths:
        analysis = dataclasses.replace(analysis, ranks=(0.0, 1.0))
    if simulations is not None:
        levels = min(analysis.levels, simulations)
        analysis = dataclasses.replace(analysis, levels=levels, per_level=simulations // levels)
    _print_estimate(run, analysis, workers)
    try:
        table = measure(run, "generative", analysis, workers, progress_for(quiet), engine)
    except KeyboardInterrupt:
        print("\nStored results are kept. The same command continues where it stopped.", file=sys.stderr, flush=True)
        raise
    _print_energies(table)
    print(f"measurement: {folder / 'analyses' / 'generative.nc'}")


def _analysis_of(run: Run) -> Generative:
    """Return the analysis that the experiment declares, or the one with default values."""
    from spatialnets.analyses.generative import Generative

    declared = run.experiment().analyses.values()
    return next((analysis for analysis in declared if isinstance(analysis, Generative)), Generative())


def _print_estimate(run: Run, analysis: Generative, workers: int | None) -> None:
    """Print the amount of work, and the approximate time on this machine."""
    from spatialnets.progress import clock_time
    from spatialnets.training.capacity import cores

    chosen = [group for group, _ in analysis.select_networks(run)]
    if not chosen:
        raise RunError(
            f"no network of {run.folder} has learned its task: none has a validation accuracy of "
            f"{analysis.accuracy:g} or more at epoch {analysis.epoch} (or at the last epoch, if training was shorter)"
        )
    groups = ", ".join(f"{chosen.count(group):,} {group}" for group in run.groups if group in chosen)
    n_units = max(len(run.geometry_of(group).distances) for group in run.groups if group in chosen)
    busy = min(workers or cores(), len(chosen))
    seconds = analysis.estimate_seconds(len(chosen), n_units) / busy
    print(
        f"{counted(len(chosen), 'network')} ({groups}) x {len(analysis.rules)} rules, "
        f"{analysis.simulations * len(analysis.epochs):,} simulations per network: "
        f"about {clock_time(seconds)} on {counted(busy, 'core')} if no result is stored yet",
        flush=True,
    )


def _print_energies(measurement: xr.Dataset) -> None:
    import numpy as np
    from rich.console import Console
    from rich.table import Table

    from spatialnets.graph.generative import rule_statistics
    from spatialnets.graph.growth import FAMILIES

    rules = measurement["rule"].to_numpy().tolist()
    for epoch in measurement["epoch"].to_numpy().tolist():
        energies, groups = measurement["energy"].sel(epoch=epoch).to_numpy(), measurement["group"].to_numpy()
        measured = np.isfinite(energies).all(axis=1)
        by_group = {group: energies[measured & (groups == group)] for group in dict.fromkeys(groups[measured].tolist())}
        table = Table(title=f"Lowest energy at epoch {epoch}, median (0 is a perfect fit)")
        for column in ("rule", "family", *(f"{group}, n = {len(values)}" for group, values in by_group.items())):
            table.add_column(column)
        for index, rule in enumerate(rules):
            table.add_row(rule, FAMILIES[rule], *(f"{np.median(values[:, index]):.3f}" for values in by_group.values()))
        Console().print(table)
        for group, values in by_group.items():
            statistics = rule_statistics(values, rules)
            line = f"{group}: lowest mean energy: {statistics.best}"
            if np.isfinite(statistics.p):
                line += f"; analysis of variance over rules: F = {statistics.f:.3g}, p = {statistics.p:.2g}"
            if np.isfinite(statistics.homophily_p):
                lower = "lower" if statistics.homophily_lowest else "not both lower"
                line += f"; homophily rules {lower} than all others, largest Tukey p = {statistics.homophily_p:.2g}"
            print(line)
