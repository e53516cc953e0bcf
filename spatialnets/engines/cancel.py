"""Cancel a run from any shell, on any machine that sees its folder."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from spatialnets.engines.choice import engine_from_note
from spatialnets.engines.claim import cancellation_file, claimed_jobs
from spatialnets.engines.driver import driver_note, has_driver
from spatialnets.errors import RunError
from spatialnets.files.atomic import write_text
from spatialnets.runs.run import Run

__all__ = ["cancel"]

POLL_SECONDS = 0.2


def cancel(run: Run, timeout: float) -> bool:
    """Stop the processes that compute a run; stored results are kept.

    Parameters
    ----------
    run
        The run.
    timeout
        Seconds to wait for the processes to stop.

    Returns
    -------
    bool
        True if no process computes the run any more.

    Raises
    ------
    RunError
        If the folder cannot be written, or if the scheduler did not cancel its jobs; then the run is cancelled anyway.
    """
    file, content = cancellation_file(run.folder), f"{datetime.now(UTC).isoformat(timespec='seconds')}\n"
    write_text(file, content)
    engine, failure = engine_from_note(driver_note(run)), None
    if engine is not None:
        try:
            engine.cancel(run)
        except RunError as error:  # the file stops running processes all the same
            failure = error
    until = time.monotonic() + timeout
    while has_driver(run) or claimed_jobs(run):
        if time.monotonic() > until:
            return False
        if not file.exists():  # a process that was just starting took it for an old one and removed it
            write_text(file, content)
        time.sleep(POLL_SECONDS)
    if failure is not None:
        raise RunError(
            f"{failure}. The run is cancelled anyway: no process is computing it, and waiting jobs end when they start"
        ) from failure
    return True
