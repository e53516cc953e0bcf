"""`spatialnets resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.run import WorkerCount, compute
from spatialnets.cli.words import Detach, EngineWords, Trust, engine_of


def resume(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    words: EngineWords = None,
    workers: WorkerCount = None,
    detach: Detach = False,
    trust: Trust = False,
) -> None:
    """Go on with a run that was stopped."""
    from spatialnets.runs.run import Run

    engine = engine_of(words, only=True, detach=detach)
    experiment = Run.open(folder, trusted=trust).experiment()
    compute(experiment, folder, workers, report=True, quiet=False, engine=engine)
