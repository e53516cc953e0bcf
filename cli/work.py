"""`spatialnets work`."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from spatialnets.cli.words import Trust

CANCELLED = 130
STOPPED = 75  # what was computed is kept, and it makes sense to try again


class _Stopped(BaseException):
    """A signal came."""


def work(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    orders: Annotated[Path, typer.Option("--orders", help="A file of orders, as engines write it.")],
    line: Annotated[int, typer.Option("--line", help="Which of its lines to do, from 0.")],
    trust: Trust = False,
) -> None:
    """Do one job of a run unless it is done; for schedulers."""
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, _stop)
    try:
        code = _work(folder, orders, line, trust)
    except _Stopped:
        print("stopped; what was computed is kept", file=sys.stderr, flush=True)
        code = STOPPED
    raise typer.Exit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    for each in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(each, signal.SIG_IGN)
    raise _Stopped


def _work(folder: Path, orders: Path, line: int, trust: bool) -> int:
    from spatialnets.engines.arithmetic import arithmetic
    from spatialnets.engines.claim import Cancelled, Claimed
    from spatialnets.engines.orders import job_from, read_order, refusal
    from spatialnets.errors import UserError
    from spatialnets.run import Run
    from spatialnets.storage import write_text

    run = Run.open(folder, trusted=trust)
    job = job_from(run, read_order(orders, line))
    if job.done(run):
        return 0
    try:
        with arithmetic(run.plan["threads"]):
            for said in job.work(run, lambda count, status: None):
                print(said, flush=True)
    except Claimed as claimed:
        print(claimed, file=sys.stderr, flush=True)
        return STOPPED
    except Cancelled as cancelled:
        print(cancelled, file=sys.stderr, flush=True)
        return CANCELLED
    except UserError as error:
        write_text(refusal(run, job), f"{error}\n")
        raise
    refusal(run, job).unlink(missing_ok=True)
    return 0
