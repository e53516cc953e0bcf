"""`spatialnets resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.run import WorkerCount, compute
from spatialnets.cli.words import Trust


def resume(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")], workers: WorkerCount = None, trust: Trust = False
) -> None:
    """Go on with a run that was stopped."""
    from spatialnets.run import Run

    compute(Run.open(folder, trusted=trust).experiment(), folder, workers, report=True, quiet=False)
