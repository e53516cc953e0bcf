"""Jobs as commands of their own, given to any executor of `concurrent.futures`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path

from spatialnets.engine import ATTEMPTS, Job
from spatialnets.engines.arithmetic import on_threads
from spatialnets.engines.claim import Cancelled, cancellation
from spatialnets.engines.orders import write_orders
from spatialnets.engines.progress import Progress
from spatialnets.errors import RunError
from spatialnets.run import Run
from spatialnets.storage import write_text

__all__ = ["CANCELLED", "DONE", "REFUSED", "TRY_AGAIN", "command_of", "do_elsewhere", "do_line", "reason_of"]

DONE, REFUSED, TRY_AGAIN, CANCELLED = 0, 2, 75, 130
"""Exit statuses of ``spatialnets work``."""

LOOK_SECONDS = 0.5  # between two looks at what is stored
STOP_SECONDS = 30.0  # for what is at work to see that it is to stop: it looks every second, between two updates


def command_of(folder: Path, orders: Path) -> list[str]:
    """Return the words for Python that do a line of a file of orders, all but ``--line`` and its number.

    Parameters
    ----------
    folder
        The run's.
    orders
        The file.
    """
    # whoever gives the order has these parts already: they are trusted
    return ["-m", "spatialnets", "work", str(folder), "--trust", "--orders", str(orders)]


def reason_of(run: Run, job: Job) -> str:
    """Return why a process elsewhere refused a job; empty if it did not."""
    try:
        return (run.folder / "engine" / "refused" / f"{job.key}.txt").read_text(encoding="utf-8").strip()
    except OSError:
        return ""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status, and the last of what it said."""

    code: int
    said: str


def do_line(command: Sequence[str], line: int, environment: Mapping[str, str]) -> Ended:
    """Do one line of a file of orders as a command, which dies with this process; what an executor is given.

    Parameters
    ----------
    command
        As `command_of` gives it, for the Python that this function is called in.
    line
        Which one.
    environment
        What to add to that of this process.
    """
    given = {**os.environ, **environment, "SPATIALNETS_PARENT": str(os.getpid())}
    done = subprocess.run(
        [sys.executable, *command, "--line", str(line)],
        env=given,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    return Ended(done.returncode, done.stderr[-2000:])


def do_elsewhere(run: Run, jobs: Sequence[Job], progress: Progress, pool: Executor) -> None:
    """Do jobs as commands in an executor; those whose process died go on in another one.

    Parameters
    ----------
    run, jobs, progress
        As `spatialnets.engine.Engine.do`.
    pool
        Its workers see the run's folder under the same path.

    Raises
    ------
    RunError
        If a job is refused, or its process died three times.
    """
    orders = write_orders(run, jobs)
    command, environment = command_of(run.folder.resolve(), orders), on_threads(run.plan["threads"])
    stored = {job.key: job.progress(run) for job in jobs}
    attempts = dict.fromkeys(stored, 0)
    futures: dict[Future[Ended], int] = {}

    def submit(line: int) -> None:
        attempts[jobs[line].key] += 1
        futures[pool.submit(do_line, command, line, environment)] = line

    def look(waiting: Sequence[int]) -> None:
        """Report what has been stored since the last look."""
        for job in (jobs[line] for line in waiting):
            far = max(job.progress(run), stored[job.key])
            if far > stored[job.key]:
                progress.advance(far - stored[job.key], job.name)
                stored[job.key] = far

    for line in range(len(jobs)):
        submit(line)
    try:
        while futures:
            ended, _ = wait(futures, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            look([*futures.values()])
            for future in ended:
                line = futures.pop(future)
                _judge(run, jobs[line], future.result(), attempts[jobs[line].key], progress)
                if not jobs[line].done(run):
                    submit(line)
            if cancellation(run).exists():
                raise Cancelled(f"{run.folder} was cancelled")
    except BaseException:
        _stop(run, futures)
        raise


def _stop(run: Run, futures: Mapping[Future[Ended], int]) -> None:
    """End what is not done: what waits never begins, and what is at work sees that it is cancelled."""
    before = cancellation(run).exists()
    if not before:
        write_text(cancellation(run), "stopped\n")
    wait([future for future in futures if not future.cancel()], timeout=STOP_SECONDS)
    if not before:
        cancellation(run).unlink(missing_ok=True)


def _judge(run: Run, job: Job, ended: Ended, attempts: int, progress: Progress) -> None:
    """Say that a job goes on, if it does; raise what ends it for good."""
    if ended.code == DONE and job.done(run):
        return
    if ended.code == REFUSED:
        raise RunError(reason_of(run, job) or f"{job.name} was refused: {ended.said.strip()}")
    if ended.code == CANCELLED:
        raise Cancelled(f"{run.folder} was cancelled")
    if attempts >= ATTEMPTS:
        said = ended.said.strip().splitlines()
        raise RunError(
            f"the process for {job.name} died {attempts} times (exit status {ended.code}"
            f"{': ' + said[-1] if said else ''}); memory may be short. Give the same command again to go on"
        )
    if ended.code == TRY_AGAIN:
        time.sleep(LOOK_SECONDS)  # for another process that is still at it
    progress.say(f"the process for {job.name} ended (exit status {ended.code}); it goes on from what was stored")
