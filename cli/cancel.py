"""`spatialnets cancel`."""

from __future__ import annotations

from typing import Annotated

import typer

from spatialnets.cli.arguments import RunFolder
from spatialnets.errors import RunError


def cancel(
    folder: RunFolder,
    timeout: Annotated[
        float, typer.Option("--timeout", min=0, help="Seconds to wait until the processes have stopped.")
    ] = 60.0,
) -> None:
    """Stop all processes that compute a run, on any machine; stored results are kept."""
    from spatialnets.engines.cancel import cancel as cancel_run
    from spatialnets.engines.choice import engine_from_note
    from spatialnets.engines.claim import claimed_jobs
    from spatialnets.engines.driver import driver_note, has_driver
    from spatialnets.runs.run import Run

    run = Run.open(folder)
    driven, engine = has_driver(run), engine_from_note(driver_note(run))
    if run.finished and not driven and not claimed_jobs(run) and (engine is None or engine.state(run) is None):
        print(f"{folder} is finished and no process is computing it: there is nothing to cancel")
        return
    note = driver_note(run) if driven else None
    if note is not None:
        print(f"waiting for process {note.get('pid')} on {note.get('host')} to stop", flush=True)
    if not cancel_run(run, timeout):
        raise RunError(
            f"the processes that compute {folder} have not stopped within {timeout:g} seconds. They stop at their next "
            f"update unless they hang; check with: spatialnets status {folder}"
        )
    print(f"Cancelled. Stored results are kept. Continue with: spatialnets resume {folder}")
