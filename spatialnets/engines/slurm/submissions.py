"""The job arrays of a run, noted in its folder so that jobs are found again and never submitted twice."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from spatialnets.engines.slurm.commands import NoAnswer, Task, is_installed, list_tasks
from spatialnets.errors import RunError
from spatialnets.files.atomic import write_text
from spatialnets.runs.run import Run

__all__ = [
    "Submission",
    "active_tasks",
    "describe_tasks",
    "find_tasks",
    "new_submission",
    "read_submissions",
    "require_no_active_tasks",
    "slurm_folder",
]


@dataclass(frozen=True)
class Submission:
    """One job array.

    Parameters
    ----------
    number
        Number of the submission within the run.
    name
        Unique name of the job. It is noted before the job is submitted, so that the job is found even if the submitting
        process dies before it learns the number of the job.
    keys
        Key of the job that each task does, in the order of the tasks.
    folder
        The run's folder at the time of submission; a copy of the folder has no jobs.
    """

    number: int
    name: str
    keys: tuple[str, ...]
    folder: str

    def path(self, run: Run, ending: str) -> Path:
        """Return the path of one of its files."""
        return slurm_folder(run) / f"{self.number:05}{ending}"

    def log(self, run: Run, line: int) -> Path:
        """Return the file with the output of a task."""
        return self.path(run, f"-{line}.log")

    def crashes(self, run: Run, line: int) -> int:
        """Return how often the process of a task has died or failed."""
        try:
            return self.path(run, f"-{line}.crashes").stat().st_size
        except OSError:
            return 0

    def age(self, run: Run) -> float:
        """Return the seconds since it was noted; 0 if its note was removed."""
        try:
            return time.time() - self.path(run, ".json").stat().st_mtime
        except OSError:
            return 0.0

    def write(self, run: Run) -> None:
        """Note it in the run's folder."""
        write_text(self.path(run, ".json"), json.dumps(asdict(self)) + "\n")

    def remove(self, run: Run) -> None:
        """Remove its note; the script and the output of its tasks stay."""
        self.path(run, ".json").unlink(missing_ok=True)


def slurm_folder(run: Run) -> Path:
    """Return the folder with the batch scripts and logs of a run."""
    return run.folder.resolve() / "engine" / "slurm"


def new_submission(run: Run, keys: Sequence[str]) -> Submission:
    """Return a new submission with an unused number; it is neither noted nor submitted yet."""
    folder = slurm_folder(run)
    folder.mkdir(parents=True, exist_ok=True)
    number = 1 + max((int(path.name[:5]) for path in folder.glob("[0-9][0-9][0-9][0-9][0-9]*")), default=0)
    while True:
        try:
            (folder / f"{number:05}.sh").touch(exist_ok=False)
            break
        except FileExistsError:  # another process is submitting other jobs of the run
            number += 1
    prefix = re.sub(r"[^A-Za-z0-9_.-]", "_", run.name)[:40]
    return Submission(number, f"{prefix}-{secrets.token_hex(6)}", tuple(keys), str(run.folder.resolve()))


def read_submissions(run: Run) -> tuple[Submission, ...]:
    """Read the noted submissions of a run, whose jobs may be active.

    Raises
    ------
    RunError
        If a note cannot be read.
    """
    submissions = []
    for path in sorted(slurm_folder(run).glob("*.json")):
        try:
            note = json.loads(path.read_text(encoding="utf-8"))
            submission = Submission(int(note["number"]), str(note["name"]), tuple(note["keys"]), str(note["folder"]))
        except FileNotFoundError:  # removed in the meantime
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} cannot be read ({error}); check with squeue that no job of this run is left, then remove it"
            ) from error
        if submission.folder == str(run.folder.resolve()):
            submissions.append(submission)
    return tuple(submissions)


def find_tasks(submissions: Iterable[Submission]) -> dict[tuple[str, int], Task]:
    """Return the tasks of some submissions that Slurm remembers, by name of the submission and line.

    Raises
    ------
    RunError
        If this machine has no squeue.
    NoAnswer
        If Slurm does not answer.
    """
    sizes = {submission.name: len(submission.keys) for submission in submissions}
    return {(task.name, task.line): task for task in list_tasks(tuple(sizes)) if task.line < sizes[task.name]}


def active_tasks(submissions: Iterable[Submission]) -> dict[str, Task]:
    """Return the tasks of some submissions that may still compute, by the keys of their jobs.

    Raises
    ------
    RunError
        If this machine has no squeue.
    NoAnswer
        If Slurm does not answer.
    """
    keys = {submission.name: submission.keys for submission in submissions}
    tasks = find_tasks(submissions)
    return {keys[name][line]: task for (name, line), task in tasks.items() if task.active}


def require_no_active_tasks(run: Run) -> None:
    """Raise a RunError if jobs of a run are in Slurm's queue, so that no other engine computes it.

    If there is no Slurm here, or it does not answer, nothing is refused; claims still prevent two processes from doing
    the same job.
    """
    submissions = read_submissions(run)
    if not submissions or not is_installed("squeue"):
        return
    try:
        tasks = active_tasks(submissions)
    except NoAnswer:
        return
    if tasks:
        raise RunError(
            f"{run.folder} has jobs in Slurm's queue ({describe_tasks(tasks)}); wait for them with engine=slurm, or "
            f"cancel them with: spatialnets cancel {run.folder}"
        )


def describe_tasks(tasks: Mapping[str, Task]) -> str:
    """Return the numbers of the jobs of some tasks, and how many tasks are running and waiting.

    Examples
    --------
    >>> describe_tasks({"a": Task("x", "12", 0, "RUNNING", ""), "b": Task("x", "12", 1, "PENDING", "")})
    'Slurm job 12: 1 running, 1 waiting'
    """
    jobs = sorted({task.job for task in tasks.values()}, key=lambda job: (len(job), job))
    waiting = sum(task.waiting for task in tasks.values())
    numbers = f"job {jobs[0]}" if len(jobs) == 1 else f"jobs {', '.join(jobs)}"
    return f"Slurm {numbers}: {len(tasks) - waiting} running, {waiting} waiting"
