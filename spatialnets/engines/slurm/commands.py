"""Slurm's own commands: submit, look, cancel. Nothing else is needed, and no accounting."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.errors import RunError, nearest

__all__ = ["Silence", "Task", "cancel", "installed", "largest_array", "submit", "tasks"]

TIMEOUT = 120.0  # seconds; Slurm's commands give up by themselves before
LARGEST_ARRAY = 1001  # Slurm's own default for MaxArraySize
ALIVE = frozenset({
    "PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD",
})  # fmt: skip
"""States after which a task may still compute; all others are final."""


class Silence(Exception):
    """Slurm's controller does not answer; jobs go on all the same."""


@dataclass(frozen=True)
class Task:
    """One task of a job array, as the scheduler sees it.

    Parameters
    ----------
    name
        The job's name, which is that of its submission.
    job
        The number of the array.
    line
        Its index in the array: the line of the file of orders that it does.
    state
        Slurm's word, such as RUNNING.
    reason
        Why it waits, or why it ended, in Slurm's words.
    """

    name: str
    job: str
    line: int
    state: str
    reason: str

    @property
    def alive(self) -> bool:
        """Whether it may still compute."""
        return self.state in ALIVE

    @property
    def waits(self) -> bool:
        """Whether it has not begun, or begins anew."""
        return self.alive and self.state not in ("RUNNING", "COMPLETING")


def installed(command: str = "sbatch") -> bool:
    """Tell whether this machine has one of Slurm's commands."""
    return shutil.which(command) is not None


def submit(words: Sequence[str]) -> str:
    """Submit a script; return the number of its job.

    Parameters
    ----------
    words
        Options of sbatch, and the script.

    Raises
    ------
    RunError
        If there is no sbatch here, or Slurm refuses the job; the message holds Slurm's reason.
    Silence
        If the controller does not answer; the job may or may not have been submitted.
    """
    try:
        printed = _ask("sbatch", "--parsable", *words)
    except _Refused as refused:
        raise RunError(f"Slurm refused the job: {refused}{_hint(str(refused), words)}") from None
    return printed.strip().partition(";")[0]  # "12" or "12;cluster"


def tasks(names: Sequence[str]) -> tuple[Task, ...]:
    """Return what Slurm knows of all tasks of the jobs of some names, also of those that ended lately.

    Raises
    ------
    RunError
        If there is no squeue here.
    Silence
        If the controller does not answer.
    """
    if not names:
        return ()
    try:
        printed = _ask("squeue", "-h", "-a", "-r", "-t", "all", f"--name={','.join(names)}", "-o", "%j|%F|%K|%T|%r")
    except _Refused as refused:
        raise Silence(str(refused)) from None
    found = []
    for line in printed.splitlines():
        name, job, index, state, reason = line.strip().split("|", 4)
        if index.isdigit():
            found.append(Task(name, job, int(index), state, reason))
    return tuple(found)


def cancel(jobs: Sequence[str]) -> None:
    """Cancel jobs; those that have ended are passed over.

    Raises
    ------
    RunError
        If there is no scancel here, or Slurm refuses.
    Silence
        If the controller does not answer.
    """
    if not jobs:
        return
    try:
        _ask("scancel", *jobs)
    except _Refused as refused:
        if "Invalid job id" not in str(refused):
            raise RunError(f"Slurm did not cancel job {', '.join(jobs)}: {refused}") from None


def largest_array() -> int:
    """Return how many tasks an array may have."""
    try:
        printed = _ask("scontrol", "show", "config")
    except (_Refused, Silence, RunError):
        return LARGEST_ARRAY
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", printed, re.MULTILINE)
    return max(int(found[1]), 1) if found else LARGEST_ARRAY


class _Refused(Exception):
    """A command that said no."""


_SILENT = (
    "unable to contact",
    "connect failure",
    "socket timed out",
    "communication",
    "connection",
    "unable to connect",
)


def _ask(*words: str) -> str:
    """Run one of Slurm's commands; return what it prints."""
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, stdin=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise RunError(
            f"this machine has no {words[0]}: engine=slurm needs Slurm's commands, so give the command on a login node "
            "of a cluster that has Slurm. Elsewhere: engine=here, engine=processes or engine=dask, or put "
            "'spatialnets work' into another scheduler by hand"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise Silence(f"{words[0]} gave no answer for {TIMEOUT:g} s") from error
    if done.returncode == 0:
        return done.stdout
    lines = [line.partition("error: ")[2] or line for line in done.stderr.splitlines() if line.strip()]
    lines = [line.removeprefix("Batch job submission failed: ") for line in lines]
    said = "; ".join(lines) or f"{words[0]} ended with {done.returncode}"
    if any(word in said.lower() for word in _SILENT):
        raise Silence(said)
    raise _Refused(said)


def _hint(reason: str, words: Sequence[str]) -> str:
    """Say which partitions there are where one was asked for that there is not."""
    asked = [word.partition("=")[2] for word in words if word.startswith("--partition=")]
    if "partition" not in reason.lower() or not asked:
        return ""
    try:
        known = _ask("sinfo", "-h", "-o", "%R").split()
    except (_Refused, Silence, RunError):
        return ""
    return f" (engine.partition={asked[0]}: {nearest(asked[0], set(known))})"
