"""Slurm's command-line tools: submit, list and cancel jobs. No accounting (sacct) is needed."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.errors import RunError, nearest

__all__ = ["NoAnswer", "Task", "cancel", "is_installed", "list_tasks", "max_array_size", "submit"]

TIMEOUT = 120.0  # seconds; Slurm's commands time out earlier
DEFAULT_MAX_ARRAY_SIZE = 1001  # Slurm's own default for MaxArraySize
ACTIVE_STATES = frozenset({
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD",
})  # fmt: skip
"""States after which a task may still compute; all others are final."""


class NoAnswer(Exception):
    """Slurm's controller does not answer; its jobs continue."""


@dataclass(frozen=True)
class Task:
    """One task of a job array in Slurm's queue.

    Parameters
    ----------
    name
        Name of the job, which is that of its submission.
    job
        Number of the job array.
    line
        Index of the task in the array, and of its line in the file of orders.
    state
        State as Slurm names it, such as RUNNING.
    reason
        Slurm's reason why the task waits or has ended.
    """

    name: str
    job: str
    line: int
    state: str
    reason: str

    @property
    def active(self) -> bool:
        """Whether the task may still compute."""
        return self.state in ACTIVE_STATES

    @property
    def waiting(self) -> bool:
        """Whether the task waits to start, for the first time or again."""
        return self.active and self.state not in ("RUNNING", "COMPLETING")


def is_installed(command: str = "sbatch") -> bool:
    """Tell whether this machine has one of Slurm's commands."""
    return shutil.which(command) is not None


def submit(arguments: Sequence[str]) -> str:
    """Submit a script and return the number of its job.

    Parameters
    ----------
    arguments
        Options of sbatch, and the script.

    Raises
    ------
    RunError
        If this machine has no sbatch, or Slurm refuses the job; the message contains Slurm's reason.
    NoAnswer
        If the controller does not answer; the job may or may not have been submitted.
    """
    try:
        output = _run("sbatch", "--parsable", *arguments)
    except _CommandError as error:
        raise RunError(f"Slurm refused the job: {error}{_hint(str(error), arguments)}") from None
    return output.strip().partition(";")[0]  # "12" or "12;cluster"


def list_tasks(names: Sequence[str]) -> tuple[Task, ...]:
    """Return all tasks of the jobs with the given names that Slurm remembers, including those that ended recently.

    Raises
    ------
    RunError
        If this machine has no squeue.
    NoAnswer
        If the controller does not answer.
    """
    if not names:
        return ()
    try:
        output = _run("squeue", "-h", "-a", "-r", "-t", "all", f"--name={','.join(names)}", "-o", "%j|%F|%K|%T|%r")
    except _CommandError as error:
        raise NoAnswer(str(error)) from None
    tasks = []
    for line in output.splitlines():
        name, job, index, state, reason = line.strip().split("|", 4)
        if index.isdigit():
            tasks.append(Task(name, job, int(index), state, reason))
    return tuple(tasks)


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs; those that have ended are skipped.

    Raises
    ------
    RunError
        If this machine has no scancel, or Slurm refuses.
    NoAnswer
        If the controller does not answer.
    """
    if not jobs:
        return
    try:
        _run("scancel", *jobs)
    except _CommandError as error:
        if "Invalid job id" not in str(error):
            raise RunError(f"Slurm did not cancel job {', '.join(jobs)}: {error}") from None


def max_array_size() -> int:
    """Return the maximum number of tasks in a job array: the smaller of ``MaxArraySize`` and ``max_array_tasks``."""
    try:
        output = _run("scontrol", "show", "config")
    except (_CommandError, NoAnswer, RunError):
        return DEFAULT_MAX_ARRAY_SIZE
    size = re.search(r"^MaxArraySize\s*=\s*(\d+)", output, re.MULTILINE)
    tasks = re.search(r"^SchedulerParameters\s*=.*\bmax_array_tasks=(\d+)", output, re.MULTILINE)
    limits = [int(limit[1]) for limit in (size, tasks) if limit is not None]
    return max(min(limits, default=DEFAULT_MAX_ARRAY_SIZE), 1)


class _CommandError(Exception):
    """A command failed."""


_NO_ANSWER = re.compile("unable to (contact|connect)|connect failure|socket timed out|communication|connection")


def _run(*command: str) -> str:
    """Run one of Slurm's commands and return its output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise RunError(
            f"this machine has no {command[0]}: engine=slurm needs Slurm's commands; use it on a login node of a Slurm "
            "cluster. On other machines use engine=here, engine=processes or engine=dask, or submit 'spatialnets work' "
            "to another scheduler by hand"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise NoAnswer(f"{command[0]} gave no answer for {TIMEOUT:g} s") from error
    if done.returncode == 0:
        return done.stdout
    lines = [line.partition("error: ")[2] or line for line in done.stderr.splitlines() if line.strip()]
    lines = [line.removeprefix("Batch job submission failed: ") for line in lines]
    message = "; ".join(lines) or f"{command[0]} ended with exit status {done.returncode}"
    raise (NoAnswer if _NO_ANSWER.search(message.lower()) else _CommandError)(message)


def _hint(reason: str, arguments: Sequence[str]) -> str:
    """Return a hint at the existing partitions if the requested one does not exist."""
    requested = [argument.partition("=")[2] for argument in arguments if argument.startswith("--partition=")]
    if "partition" not in reason.lower() or not requested:
        return ""
    try:
        partitions = _run("sinfo", "-h", "-o", "%R").split()
    except (_CommandError, NoAnswer, RunError):
        return ""
    return f" (engine.partition={requested[0]}: {nearest(requested[0], set(partitions))})"
