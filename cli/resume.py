"""`spatialnets resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.run import WorkerCount, compute


def resume(folder: Annotated[Path, typer.Argument(help="The run's folder.")], workers: WorkerCount = None) -> None:
    """Go on with a run that was stopped."""
    from spatialnets.experiment import Experiment
    from spatialnets.run import Run

    Run.open(folder)
    compute(Experiment.from_yaml(folder / "experiment.yaml"), folder, workers, report=True, quiet=False)
