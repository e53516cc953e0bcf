"""`spatialnets work`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spatialnets.cli.words import Trust

if TYPE_CHECKING:
    from spatialnets.engines.job import Job
    from spatialnets.runs.run import Run

LATER = 75  # EX_TEMPFAIL of sysexits.h: nothing is wrong, try again


def work(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    shards: Annotated[
        list[int] | None, typer.Argument(help="Numbers of shards to train, from 0.", show_default=False)
    ] = None,
    orders: Annotated[Path | None, typer.Option("--orders", help="A file of orders, as engines write it.")] = None,
    line: Annotated[int | None, typer.Option("--line", help="Which of its lines to do, from 0.")] = None,
    trust: Trust = False,
    parent: Annotated[int | None, typer.Option("--parent", hidden=True)] = None,
) -> None:
    """Do jobs of a run unless they are done; for schedulers, or by hand.

    Leaves with 0 done, 2 refused, 75 stopped by SIGTERM or SIGUSR1 or at work elsewhere, 130 cancelled.
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
                _do(run, job)
    except Claimed as claimed:
        print(claimed, file=sys.stderr, flush=True)
        raise typer.Exit(LATER) from None
    except Cancelled:
        print(f"cancelled; what was computed is kept, go on with: spatialnets resume {folder}", file=sys.stderr)
        raise typer.Exit(130) from None
    except Signalled as signalled:
        if signalled.is_interrupt:
            raise
        print("stopped; what was computed is kept, the same command goes on", file=sys.stderr, flush=True)
        raise typer.Exit(LATER) from None


def _jobs(run: Run, shards: list[int], orders: Path | None, line: int | None) -> list[Job]:
    from spatialnets.engines.orders import job_from, read_order, shard_jobs
    from spatialnets.errors import UserError

    if (orders is None) != (line is None) or (orders is None) != bool(shards):
        raise UserError("expected numbers of shards, such as `work RUN 0 1`, or `work RUN --orders FILE --line N`")
    if orders is not None and line is not None:
        return [job_from(run, read_order(orders, line))]
    return shard_jobs(run, shards)


def _do(run: Run, job: Job) -> None:
    from spatialnets.engines.claim import Cancelled, Claimed, cancellation
    from spatialnets.engines.orders import refusal
    from spatialnets.errors import UserError
    from spatialnets.files.atomic import write_text

    said = refusal(run, job)
    if not job.done(run):
        if cancellation(run.folder).exists():
            raise Cancelled
        try:
            for words in job.work(run, lambda count, status: None):
                print(words, flush=True)
        except Claimed:
            raise
        except (UserError, MemoryError) as error:
            reason = f"memory is short: {error}" if isinstance(error, MemoryError) else str(error)
            write_text(said, f"{reason}\n")
            raise
    said.unlink(missing_ok=True)
    print(f"{job.name} is done", flush=True)
