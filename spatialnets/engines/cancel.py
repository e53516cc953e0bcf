"""Cancelling a run, from any shell and any machine that sees its folder."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from spatialnets.engines.choice import engine_noted
from spatialnets.engines.claim import at_work, cancellation
from spatialnets.engines.driver import driver, is_driven
from spatialnets.errors import RunError
from spatialnets.files.atomic import write_text
from spatialnets.runs.run import Run

__all__ = ["cancel"]

POLL = 0.2  # seconds


def cancel(run: Run, timeout: float) -> bool:
    """Stop whatever computes a run; what is stored is kept.

    Parameters
    ----------
    run
        Which run.
    timeout
        Seconds to wait for the processes that compute it.

    Returns
    -------
    bool
        Whether nobody computes it any more.

    Raises
    ------
    RunError
        If the folder cannot be written, or a scheduler does not do as it is told, which leaves the run cancelled.
    """
    sign = cancellation(run.folder)
    said = f"{datetime.now(UTC).isoformat(timespec='seconds')}\n"
    write_text(sign, said)
    engine, untold = engine_noted(driver(run)), None
    if engine is not None:
        try:
            engine.cancel(run)
        except RunError as error:  # the sign stops who is at work all the same
            untold = error
    until = time.monotonic() + timeout
    while is_driven(run) or at_work(run):
        if time.monotonic() > until:
            return False
        if not sign.exists():  # one who had just begun took it for an old one
            write_text(sign, said)
        time.sleep(POLL)
    if untold is not None:
        raise RunError(
            f"{untold}. The run is cancelled all the same: nobody computes it, and jobs that wait end when they begin"
        ) from untold
    return True
