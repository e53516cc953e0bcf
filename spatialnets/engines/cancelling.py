"""Cancelling a run, from any shell and any machine that sees its folder."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from spatialnets.engines.choosing import engine_noted
from spatialnets.engines.claim import cancellation
from spatialnets.engines.driving import driver, is_driven
from spatialnets.run import Run
from spatialnets.storage import write_text

__all__ = ["cancel"]

POLL = 0.2  # seconds


def cancel(run: Run, timeout: float) -> bool:
    """Stop whatever computes a run; what is stored is kept.

    Parameters
    ----------
    run
        Which run.
    timeout
        Seconds to wait for the process that computes it.

    Returns
    -------
    bool
        Whether nobody computes it any more.

    Raises
    ------
    RunError
        If the folder cannot be written, or a scheduler does not do as it is told.
    """
    sign = cancellation(run.folder)
    said = f"{datetime.now(UTC).isoformat(timespec='seconds')}\n"
    write_text(sign, said)
    engine = engine_noted(driver(run))
    if engine is not None:
        engine.cancel(run)
    until = time.monotonic() + timeout
    while is_driven(run):
        if time.monotonic() > until:
            return False
        if not sign.exists():  # one who had just begun took it for an old one
            write_text(sign, said)
        time.sleep(POLL)
    return True
