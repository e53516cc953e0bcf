"""`spatialnets resume`."""

from __future__ import annotations

from spatialnets.cli.arguments import Detach, EngineOverrides, RunFolder, Trust, WorkerCount, engine_from
from spatialnets.cli.run import compute


def resume(
    folder: RunFolder,
    words: EngineOverrides = None,
    workers: WorkerCount = None,
    detach: Detach = False,
    trust: Trust = False,
) -> None:
    """Continue a run that was stopped."""
    from spatialnets.runs.run import Run

    engine = engine_from(words, only=True, detach=detach)
    experiment = Run.open(folder, trusted=trust).experiment()
    compute(experiment, folder, workers, report=True, quiet=False, engine=engine)
