"""`spatialnets report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.compare import print_claims
from spatialnets.cli.run import WorkerCount, print_scorecard
from spatialnets.cli.words import EngineWords, Trust, engine_of


def report(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    words: EngineWords = None,
    analyses: Annotated[
        str | None,
        typer.Option(
            "--analyses", help="What else to measure, such as entropy,decoding, besides what the experiment says."
        ),
    ] = None,
    workers: WorkerCount = None,
    trust: Trust = False,
) -> None:
    """Measure a run and write its report anew, from what it holds so far."""
    from spatialnets.progress import terminal_progress
    from spatialnets.report.page import is_compared, write_report
    from spatialnets.runs.run import Run

    engine = engine_of(words, only=True)
    run = Run.open(folder, trusted=trust)
    experiment = run.experiment()
    if analyses is not None:
        declared = [block["kind"] for block in run.declaration.get("analyses", [])]
        more = [name for word in analyses.split(",") if (name := word.strip()) not in declared]
        blocks = [*run.declaration.get("analyses", []), *({"kind": name} for name in more)]
        experiment = experiment.override(f"analyses={json.dumps(blocks)}")
    path = write_report(run, experiment, terminal_progress(), workers, engine)
    print_scorecard(folder)
    if is_compared(run):
        print_claims(folder / "comparison")
    print(f"report: {path}")
