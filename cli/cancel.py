"""`spatialnets cancel`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spatialnets.errors import RunError


def cancel(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds to wait until whoever computes it has stopped.")
    ] = 60.0,
) -> None:
    """Stop whatever computes a run, here or elsewhere; what is stored is kept."""
    from spatialnets.engines.cancel import cancel as cancel_run
    from spatialnets.engines.choice import engine_noted
    from spatialnets.engines.claim import at_work
    from spatialnets.engines.driver import driver, is_driven
    from spatialnets.runs.run import Run

    run = Run.open(folder)
    driven, engine = is_driven(run), engine_noted(driver(run))
    if run.finished and not driven and not at_work(run) and (engine is None or engine.state(run) is None):
        print(f"{folder} is finished and nobody computes it; there is nothing to cancel")
        return
    note = driver(run) if driven else None
    if note is not None:
        print(f"waiting for process {note.get('pid')} on {note.get('host')} to stop", flush=True)
    if not cancel_run(run, timeout):
        raise RunError(
            f"whoever computes {folder} has not stopped within {timeout:g} seconds; it will at its next update, or is "
            f"stuck: spatialnets status {folder}"
        )
    print(f"cancelled; what was computed is kept, go on with: spatialnets resume {folder}")
