"""`spatialnets report`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from spatialnets.cli.arguments import EngineOverrides, RunFolder, Trust, WorkerCount, engine_from
from spatialnets.cli.run import print_results


def report(
    folder: RunFolder,
    words: EngineOverrides = None,
    analyses: Annotated[
        str | None,
        typer.Option("--analyses", help="Analyses to add to those of the experiment, such as entropy,decoding."),
    ] = None,
    workers: WorkerCount = None,
    trust: Trust = False,
) -> None:
    """Measure a run, finished or not, and rewrite its report."""
    from spatialnets.progress import terminal_progress
    from spatialnets.report.page import write_report
    from spatialnets.runs.run import Run

    engine = engine_from(words, only=True)
    run = Run.open(folder, trusted=trust)
    experiment = run.experiment()
    if analyses is not None:
        blocks = run.declaration.get("analyses", [])
        declared = [block["kind"] for block in blocks]
        added = [name for word in analyses.split(",") if (name := word.strip()) not in declared]
        experiment = experiment.override(f"analyses={json.dumps([*blocks, *({'kind': name} for name in added)])}")
    write_report(run, experiment, terminal_progress(), workers, engine)
    print_results(run)
