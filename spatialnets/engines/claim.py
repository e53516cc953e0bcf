"""Claims on jobs: no two processes compute the same job, and a dead process holds no claim."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spatialnets.engines.job import Advance, Job
from spatialnets.errors import RunError
from spatialnets.files.locks import hold, is_held
from spatialnets.runs.run import Run

__all__ = [
    "CHECK_SECONDS",
    "Cancelled",
    "Claimed",
    "cancellation_file",
    "claim",
    "claimed_jobs",
    "refusal_file",
    "refused_jobs",
    "with_cancellation_check",
]

CHECK_SECONDS = 1.0  # between two checks for a cancellation, to spare shared file systems


class Claimed(RunError):
    """Another process is computing this job."""


class Cancelled(KeyboardInterrupt):
    """The run was cancelled; it stops as after Ctrl-C."""


def claimed_jobs(run: Run) -> tuple[str, ...]:
    """Return the keys of the jobs of a run that processes on any machine are computing."""
    folder = run.folder / "engine" / "claims"
    return tuple(sorted(path.name for path in folder.glob("*") if is_held(path)))


@contextmanager
def claim(run: Run, key: str, name: str) -> Iterator[None]:
    """Hold the claim on a job within the block.

    Parameters
    ----------
    run
        The run.
    key, name
        Key and name of the job.

    Raises
    ------
    Claimed
        If another process holds it.
    """
    path = run.folder / "engine" / "claims" / key
    try:
        lock = hold(path)
    except OSError as error:
        raise RunError(f"cannot write in {path.parent}: {error.strerror or error}") from error
    if lock is None:
        raise Claimed(f"{name} is being computed by another process; wait for it or stop it")
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


def cancellation_file(folder: Path) -> Path:
    """Return the file that marks the run in a folder as cancelled."""
    return folder / "engine" / "cancelled"


def with_cancellation_check(run: Run, advance: Advance) -> Advance:
    """Return a version of `advance` that also checks, about once a second, whether the run was cancelled.

    Raises
    ------
    Cancelled
        At the first check after the cancellation.
    """
    path, last_check = cancellation_file(run.folder), -CHECK_SECONDS

    def advance_and_check(count: int, status: str) -> None:
        nonlocal last_check
        advance(count, status)
        if time.monotonic() - last_check >= CHECK_SECONDS:
            last_check = time.monotonic()
            if path.exists():
                raise Cancelled(f"{run.folder} was cancelled")

    return advance_and_check


def refusal_file(run: Run, job: Job) -> Path:
    """Return the file in which a remote process writes why it refused a job."""
    return run.folder / "engine" / "refused" / f"{job.key}.txt"


def refused_jobs(run: Run) -> set[str]:
    """Return the keys of the jobs that remote processes refused, from one listing of their folder."""
    return {path.stem for path in (run.folder / "engine" / "refused").glob("*.txt")}
