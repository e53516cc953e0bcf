"""`spatialnets work`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spatialnets.cli.words import Trust
from spatialnets.errors import UserError

if TYPE_CHECKING:
    from spatialnets.run import Run


def work(
    folder: Annotated[Path, typer.Argument(help="The run's folder.")],
    shards: Annotated[list[int] | None, typer.Argument(help="The numbers of the shards to compute.")] = None,
    orders: Annotated[Path | None, typer.Option("--orders", help="A file of orders, as engines write it.")] = None,
    line: Annotated[int | None, typer.Option("--line", help="Which of its lines to do, from 0.")] = None,
    trust: Trust = False,
) -> None:
    """Compute some shards of a run that has begun, unless they are there: what a scheduler is given.

    Exit status 0: done; 2: refused, as it would be again; 75: stopped, or another process is at it; 130: cancelled.
    """
    from spatialnets.engines.arithmetic import on_threads
    from spatialnets.engines.worker import die_with
    from spatialnets.run import Run

    if (orders is None) != (line is None) or (orders is None) == (not shards):
        raise UserError("give the numbers of shards, such as spatialnets work runs/mine 0 1, or --orders and --line")
    parent = os.environ.get("SPATIALNETS_PARENT")  # of engines that start this command as a process of theirs
    if parent is not None:
        die_with(int(parent))
    run = Run.open(folder, trusted=trust)
    os.environ.update(on_threads(run.plan["threads"]))  # for libraries that are loaded from here on
    from spatialnets.engines.orders import read_order

    wanted: list[Mapping[str, Any]] = [{"shard": shard} for shard in shards or ()]
    if orders is not None and line is not None:
        wanted = [read_order(orders, line)]
    for order in wanted:
        _do(run, order)


def _do(run: Run, order: Mapping[str, Any]) -> None:
    from spatialnets.engines.arithmetic import arithmetic
    from spatialnets.engines.claim import Cancelled, Claimed, cancellation
    from spatialnets.engines.commands import CANCELLED, TRY_AGAIN
    from spatialnets.engines.orders import job_from
    from spatialnets.storage import write_text

    job = job_from(run, order)
    refused = run.folder / "engine" / "refused" / f"{job.key}.txt"
    if job.done(run):
        print(f"{job.name} is done already", file=sys.stderr, flush=True)
        return
    if cancellation(run).exists():
        print(f"{run.folder} was cancelled; spatialnets resume {run.folder} goes on", file=sys.stderr, flush=True)
        raise typer.Exit(CANCELLED)
    try:
        with arithmetic(run.plan["threads"]):
            for said in job.work(run, lambda amount, status: None):
                print(said, file=sys.stderr, flush=True)
    except Claimed as claimed:
        print(claimed, file=sys.stderr, flush=True)
        raise typer.Exit(TRY_AGAIN) from None
    except Cancelled as cancelled:
        print(cancelled, file=sys.stderr, flush=True)
        raise typer.Exit(CANCELLED) from None
    except (UserError, MemoryError) as error:
        write_text(refused, f"{'memory is short: ' if isinstance(error, MemoryError) else ''}{error}\n")
        raise
    refused.unlink(missing_ok=True)
    print(f"{job.name} is done", file=sys.stderr, flush=True)
