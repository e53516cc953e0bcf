"""`spatialnets report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.compare import print_claims
from spatialnets.cli.run import print_scorecard


def report(folder: Annotated[Path, typer.Argument(help="The run's folder.")]) -> None:
    """Measure a run and write its report anew, from what it holds so far."""
    from spatialnets.engines.progress import terminal_progress
    from spatialnets.experiment import Experiment
    from spatialnets.report.page import is_compared, write_report
    from spatialnets.run import Run

    run = Run.open(folder)
    path = write_report(run, Experiment.from_yaml(folder / "experiment.yaml"), terminal_progress())
    print_scorecard(folder)
    if is_compared(run):
        print_claims(folder / "comparison")
    print(f"report: {path}")
