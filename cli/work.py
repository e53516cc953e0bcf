"""`spatialnets work`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.arguments import RunFolder, Trust, argument

if TYPE_CHECKING:
    from spatialnets.engines.job import Job
    from spatialnets.runs.run import Run

EX_TEMPFAIL = 75  # of sysexits.h: nothing is wrong, try again later


def work(
    folder: RunFolder,
    shards: Annotated[list[int] | None, argument("SHARD", "Numbers of the shards to train, from 0.")] = None,
    orders: Annotated[Path | None, typer.Option("--orders", help="A file of jobs that an engine has written.")] = None,
    line: Annotated[int | None, typer.Option("--line", help="The line of that file to compute, from 0.")] = None,
    trust: Trust = False,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
) -> None:
    """Compute some jobs of a run, unless they are done; for use by schedulers.

    Exit status: 0 done, 2 refused, 75 stopped by SIGTERM or SIGUSR1 or in progress elsewhere, 130 cancelled.
    """
    from spatialnets.cli.signals import Signalled
    from spatialnets.engines.child import die_with_parent
    from spatialnets.engines.claim import Cancelled, Claimed
    from spatialnets.engines.threads import arithmetic, keep_memory
    from spatialnets.runs.run import Run

    if parent is not None:
        die_with_parent(parent)
    try:
        run = Run.open(folder, trusted=trust)
        jobs = _jobs(run, shards or [], orders, line)
        keep_memory()
        with arithmetic(run.plan["threads"]):
            for job in jobs:
                _compute(run, job)
    except Claimed as claimed:
        code, message = EX_TEMPFAIL, str(claimed)
    except Cancelled:
        code, message = 130, f"Cancelled. Stored results are kept. Continue with: spatialnets resume {folder}"
    except Signalled as signalled:
        if signalled.is_interrupt:
            raise
        code, message = EX_TEMPFAIL, "Stopped. Stored results are kept. The same command continues where it stopped."
    else:
        return
    print(message, file=sys.stderr, flush=True)
    raise typer.Exit(code)


def _jobs(run: Run, shards: list[int], orders: Path | None, line: int | None) -> list[Job]:
    from spatialnets.engines.orders import job_from_order, read_order, train_jobs
    from spatialnets.errors import UserError

    if (orders is None) != (line is None) or (orders is None) != bool(shards):
        raise UserError("expected shard numbers, such as work RUN 0 1; or work RUN --orders FILE --line N")
    if orders is not None and line is not None:
        return [job_from_order(run, read_order(orders, line))]
    return train_jobs(run, shards)


def _compute(run: Run, job: Job) -> None:
    from spatialnets.engines.claim import Cancelled, Claimed, cancellation_file, refusal_file
    from spatialnets.errors import UserError
    from spatialnets.files.atomic import write_text

    refusal = refusal_file(run, job)
    if not job.done(run):
        if cancellation_file(run.folder).exists():
            raise Cancelled
        try:
            for message in job.work(run, lambda count, status: None):
                print(message, flush=True)
        except Claimed:
            raise
        except (UserError, MemoryError) as error:
            reason = f"out of memory: {error}" if isinstance(error, MemoryError) else str(error)
            write_text(refusal, f"{reason}\n")
            raise
    refusal.unlink(missing_ok=True)
    print(f"{job.name} is done", flush=True)
