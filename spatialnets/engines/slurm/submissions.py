"""What a run has submitted to Slurm, as its folder remembers it, to find the jobs again and give none twice."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from spatialnets.engines.slurm.commands import Silence, Task, installed, tasks
from spatialnets.errors import RunError
from spatialnets.files.atomic import write_text
from spatialnets.runs.run import Run

__all__ = ["Submission", "counted", "folder_of", "known_tasks", "living", "new", "refuse_beside", "remembered"]


@dataclass(frozen=True)
class Submission:
    """One job array.

    Parameters
    ----------
    number
        Counts the submissions of the run.
    name
        The job's name, which no other submission has; it is written down before the job exists, so a submission is
        found even where the process that made it died before it knew the number of its job.
    keys
        The key of the job that each task does, in the order of the tasks.
    folder
        The run's folder when it was submitted: a copy of a run has no jobs of its own.
    """

    number: int
    name: str
    keys: tuple[str, ...]
    folder: str

    def path(self, run: Run, ending: str) -> Path:
        """Return the place of one of its files."""
        return folder_of(run) / f"{self.number:05}{ending}"

    def log(self, run: Run, line: int) -> Path:
        """Return what a task has printed."""
        return self.path(run, f"-{line}.log")

    def crashes(self, run: Run, line: int) -> int:
        """Return how often the process of a task died or broke."""
        try:
            return self.path(run, f"-{line}.crashes").stat().st_size
        except OSError:
            return 0

    def age(self, run: Run) -> float:
        """Return how many seconds ago it was written down; 0 if it has been forgotten."""
        try:
            return time.time() - self.path(run, ".json").stat().st_mtime
        except OSError:
            return 0.0

    def remember(self, run: Run) -> None:
        """Write it into the run's folder."""
        write_text(self.path(run, ".json"), json.dumps(asdict(self)) + "\n")

    def forget(self, run: Run) -> None:
        """Remove it; its script and what its tasks printed stay."""
        self.path(run, ".json").unlink(missing_ok=True)


def folder_of(run: Run) -> Path:
    """Return where the scripts and logs of a run lie."""
    return run.folder.resolve() / "engine" / "slurm"


def new(run: Run, keys: Sequence[str]) -> Submission:
    """Return a submission that has not been made yet, under a number that no other has."""
    folder_of(run).mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.name[:5]) for path in folder_of(run).glob("[0-9][0-9][0-9][0-9][0-9]*")), default=0)
    while True:
        try:
            (folder_of(run) / f"{number:05}.sh").touch(exist_ok=False)
            break
        except FileExistsError:  # by a process that does other jobs of the run at this moment
            number += 1
    called = re.sub(r"[^A-Za-z0-9_.-]", "_", run.name)[:40]
    return Submission(
        number=number,
        name=f"{called}-{secrets.token_hex(6)}",
        keys=tuple(keys),
        folder=str(run.folder.resolve()),
    )


def remembered(run: Run) -> tuple[Submission, ...]:
    """Return the submissions of a run that may have jobs at work.

    Raises
    ------
    RunError
        If one of the notes cannot be read.
    """
    found = []
    for path in sorted(folder_of(run).glob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            submission = Submission(int(said["number"]), str(said["name"]), tuple(said["keys"]), str(said["folder"]))
        except FileNotFoundError:  # forgotten meanwhile
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} cannot be read ({error}); see with squeue that no job of this run is left, and remove the file"
            ) from error
        if submission.folder == str(run.folder.resolve()):
            found.append(submission)
    return tuple(found)


def known_tasks(submissions: Iterable[Submission]) -> dict[tuple[str, int], Task]:
    """Return what Slurm knows of the tasks of some submissions, by submission's name and line.

    Raises
    ------
    RunError
        If there is no squeue here.
    Silence
        If Slurm does not answer.
    """
    sizes = {submission.name: len(submission.keys) for submission in submissions}
    return {(task.name, task.line): task for task in tasks(tuple(sizes)) if task.line < sizes[task.name]}


def living(submissions: Iterable[Submission]) -> dict[str, Task]:
    """Return the tasks that may still compute, by the key of what they do.

    Raises
    ------
    RunError
        If there is no squeue here.
    Silence
        If Slurm does not answer.
    """
    keys = {submission.name: submission.keys for submission in submissions}
    known = known_tasks(submissions)
    return {keys[name][line]: task for (name, line), task in known.items() if task.alive}


def refuse_beside(run: Run) -> None:
    """Refuse to compute a run elsewhere while Slurm's jobs are at it.

    Where there is no Slurm, or it does not answer, nothing is known and nothing refused: each job is claimed by the
    process that does it.

    Raises
    ------
    RunError
        If jobs are in the queue.
    """
    submissions = remembered(run)
    if not submissions or not installed("squeue"):
        return
    try:
        found = living(submissions)
    except Silence:
        return
    if found:
        raise RunError(
            f"{counted(found)} are at work on {run.folder}; wait for them with engine=slurm, or stop them with: "
            f"spatialnets cancel {run.folder}"
        )


def counted(found: Mapping[str, Task]) -> str:
    """Say in words what jobs there are.

    Examples
    --------
    >>> counted({"a": Task("x", "12", 0, "RUNNING", ""), "b": Task("x", "12", 1, "PENDING", "")})
    'Slurm job 12: 1 running, 1 waiting'
    """
    jobs = sorted({task.job for task in found.values()}, key=lambda job: (len(job), job))
    waiting = sum(task.waits for task in found.values())
    numbers = f"job {jobs[0]}" if len(jobs) == 1 else f"jobs {', '.join(jobs)}"
    return f"Slurm {numbers}: {len(found) - waiting} running, {waiting} waiting"
