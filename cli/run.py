"""`spatialnets run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from spatialnets.cli.arguments import Detach, Overrides, Quiet, WorkerCount, engine_from, experiment_from, progress_for
from spatialnets.cli.compare import print_claims
from spatialnets.cli.tables import counted, read_rows

if TYPE_CHECKING:
    from spatialnets.engines.engine import Engine
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.graph.product_choice import Products
    from spatialnets.runs.run import Run


def run(
    words: Overrides,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder; by default runs/<name>-<hash of the experiment>.")
    ] = None,
    workers: WorkerCount = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Train only.")] = False,
    quiet: Quiet = False,
    networks_per_shard: Annotated[
        int | None,
        typer.Option("--networks-per-shard", help="Networks trained as one batch; by default as suits the machine."),
    ] = None,
    products: Annotated[
        Literal["auto", "block", "torch"],
        typer.Option(
            "--products", help="How matrices are multiplied on a CPU; by default as is faster on the machine."
        ),
    ] = "auto",
    detach: Detach = False,
) -> None:
    """Train the networks of an experiment and write the report; the same command continues where it stopped."""
    engine, experiment = engine_from(words, detach=detach), experiment_from(words)
    compute(experiment, out or experiment.folder, workers, not no_report, quiet, engine, networks_per_shard, products)


def compute(
    experiment: Experiment,
    out: Path,
    workers: int | None,
    report: bool,
    quiet: bool,
    engine: Engine | None,
    networks_per_shard: int | None = None,
    products: Products = "auto",
) -> None:
    """Train an experiment, write its report and print the results; if interrupted, print how to continue."""
    from spatialnets import workflow

    groups = ", ".join(f"{group.networks:,} {name}" for name, group in experiment.groups.items())
    print(f"{experiment.name}: {counted(experiment.networks, 'network')} ({groups}) in {out}", flush=True)
    try:
        run = workflow.train(
            experiment,
            out,
            workers=workers,
            progress=progress_for(quiet),
            report=report,
            networks_per_shard=networks_per_shard,
            engine=engine,
            products=products,
        )
    except KeyboardInterrupt:
        if (out / "plan.json").exists():  # otherwise nothing is stored yet
            from spatialnets.engines.choice import engine_options

            where = f" {engine_options(engine)}" if engine is not None else ""
            hint = f"Stored results are kept. Continue with: spatialnets resume {out}{where}"
            print(f"\n{hint}", file=sys.stderr, flush=True)
        raise
    if report:
        print_results(run)
    else:
        print(f"run: {run.folder}")


def print_results(run: Run) -> None:
    """Print the main tables of a run's report, and its path."""
    from spatialnets.report.page import is_compared

    print_scorecard(run.folder)
    if is_compared(run):
        print_claims(run.folder / "comparison")
    print(f"report: {run.folder / 'report.html'}")


def print_scorecard(folder: Path) -> None:
    """Print the scorecard of the run in a folder, if its report has one."""
    from rich.console import Console
    from rich.table import Table

    rows = read_rows(folder / "scorecard.csv")
    if not rows:  # a run without the paper's two groups
        return
    table = Table(title="The paper's claims")
    for column in ("claim", "published", "this run (95 % interval)", "verdict"):
        table.add_column(column)
    for row in rows:
        table.add_row(row["claim"], row["published"], row["ours"], row["met"])
    Console().print(table)
