"""`spatialnets run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.compare import print_claims
from spatialnets.cli.tables import rows_of
from spatialnets.cli.words import Detach, Words, engine_of, experiment_of

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.experiments.experiment import Experiment

WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", help="Jobs at a time, as engine.workers=N; by default one per core."),
]


def run(
    words: Words,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The run's folder; by default runs/<name>-<hash of the experiment>."),
    ] = None,
    workers: WorkerCount = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Train only.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    networks_per_shard: Annotated[
        int | None,
        typer.Option("--networks-per-shard", help="Networks trained as one batch; by default what fits the machine."),
    ] = None,
    detach: Detach = False,
) -> None:
    """Train the networks of an experiment and write the report; the same command goes on where it stopped."""
    engine, experiment = engine_of(words, detach=detach), experiment_of(words)
    compute(experiment, out or experiment.folder, workers, not no_report, quiet, engine, networks_per_shard)


def compute(
    experiment: Experiment,
    out: Path,
    workers: int | None,
    report: bool,
    quiet: bool,
    engine: Engine | None,
    networks_per_shard: int | None = None,
) -> None:
    """Train, report, and print what came of it."""
    from spatialnets.progress import NoProgress, terminal_progress

    groups = ", ".join(f"{group.networks:,} {name}" for name, group in experiment.groups.items())
    print(f"{experiment.name}: {groups}, in {out}", flush=True)
    try:
        progress = NoProgress() if quiet else terminal_progress()
        run = experiment.run(
            out,
            workers=workers,
            progress=progress,
            report=report,
            engine=engine,
            networks_per_shard=networks_per_shard,
        )
    except KeyboardInterrupt:
        if (out / "plan.json").exists():  # not while geometries are measured
            from spatialnets.engines.choice import words_of

            where = f" {words_of(engine)}" if engine is not None else ""
            hint = f"what was computed is kept; go on with: spatialnets resume {out}{where}"
            print(f"\n{hint}", file=sys.stderr, flush=True)
        raise
    if report:
        from spatialnets.report.page import is_compared

        print_scorecard(run.folder)
        if is_compared(run):
            print_claims(run.folder / "comparison")
        print(f"report: {run.folder / 'report.html'}")
    else:
        print(f"done: {run.folder}")


def print_scorecard(folder: Path) -> None:
    """Print the scorecard that the report has written, if there is one."""
    from rich.console import Console
    from rich.table import Table

    rows = rows_of(folder / "scorecard.csv")
    if not rows:  # a run without the paper's two groups
        return
    table = Table(title="The paper's claims")
    for column in ("claim", "published", "ours (95 % interval)", "met"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["claim"], row["published"], row["ours"], row["met"])
    Console().print(table)
