"""`spatialnets cancel`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer


def cancel(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    wait: Annotated[float, typer.Option("--wait", min=0, help="Seconds to wait for whoever computes it.")] = 60.0,
) -> None:
    """Stop whoever computes a run, here or on another machine; what was computed is kept."""
    from spatialnets.engines.claim import cancellation
    from spatialnets.engines.record import engine_of_last, held
    from spatialnets.errors import RunError
    from spatialnets.run import Run
    from spatialnets.storage import write_text

    run = Run.open(folder)
    engine = engine_of_last(run)
    busy = held(run) or (engine is not None and engine.state(run) is not None)
    if not busy:
        print(f"nobody computes {folder}, as far as can be seen from here")
    write_text(cancellation(run), "cancelled\n")
    if engine is not None:
        engine.cancel(run)
    until = time.monotonic() + wait
    while held(run) and time.monotonic() < until:
        time.sleep(0.2)
    if held(run):
        raise RunError(
            f"{folder} is still being computed; it stops after its next update (spatialnets status {folder})"
        )
    print(f"cancelled; what was computed is kept. To go on: spatialnets resume {folder}")
