"""`spatialnets resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.cli.run import compute
from spatialnets.cli.words import EngineWords, Trust, WorkerCount, engine_of


def resume(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    words: EngineWords = None,
    workers: WorkerCount = None,
    trust: Trust = False,
) -> None:
    """Go on with a run that was stopped, here or with another engine; its results do not depend on it."""
    from spatialnets.run import Run

    engine = engine_of(words, workers, alone=True)
    compute(Run.open(folder, trusted=trust).experiment(), folder, engine, report=True, quiet=False)
