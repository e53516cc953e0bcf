"""The Slurm engine: one task of a job array for each job."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from spatialnets.engines.choice import engine_options
from spatialnets.engines.claim import Cancelled
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Job
from spatialnets.engines.slurm import commands
from spatialnets.engines.slurm.commands import NoAnswer
from spatialnets.engines.slurm.queue import SlurmQueue
from spatialnets.engines.slurm.submissions import active_tasks, describe_tasks, read_submissions
from spatialnets.errors import Detached, RunError
from spatialnets.progress import Progress
from spatialnets.runs.run import Run
from spatialnets.validation import require_at_least

__all__ = ["Slurm"]

SIGNAL_SECONDS = 60  # before the time limit: enough to stop between two updates and to requeue the task
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<rest>\d+(?::\d+){0,2})")
_RESERVED = (
    "--array", "--job-name", "--output", "--error", "--parsable", "--requeue", "--no-requeue", "--open-mode",
    "--signal", "--wrap", "--wait", "--hold", "--ntasks", "--nodes", "--test-only",
    "-a", "-J", "-o", "-e", "-W", "-H", "-n", "-N",
)  # fmt: skip


@dataclass(frozen=True)
class Slurm(Engine):
    """Use a Slurm cluster: each job is a task of a job array.

    Results survive the death of a worker, a node or the submitting process, preemption and time limits: tasks return to
    the queue and continue from their last stored state. Jobs continue if the submitting process is stopped, and the
    same command finds them again. What is done is decided by the run's folder, never by what Slurm remembers.

    Parameters
    ----------
    workers
        Maximum number of tasks that run at the same time; by default Slurm's limit.
    partition
        Partition of the tasks, or several separated by commas; by default the cluster's default.
    account
        Account to charge.
    time
        Time limit of one task, in minutes or in Slurm's format ("2:00:00", "1-12"); by default the partition's. A few
        minutes suffice: a task that reaches its limit returns to the queue and continues from its last stored state.
    memory
        Memory of one task, such as "4G"; by default the cluster's.
    cpus
        Cores of one task; by default the number of threads in the run's plan. More cores do not make it faster.
    gres
        Generic resources of one task, such as "gpu:1".
    constraint
        Features that a node must have.
    qos
        Quality of service.
    exclude
        Nodes to avoid.
    extra
        Further options of sbatch, one string each, such as "--mail-type=END".
    setup
        Shell lines before the command, such as those that load modules or activate an environment.
    python
        Python interpreter of the tasks, with spatialnets installed; by default that of this process.
    poll_seconds
        Seconds between two checks of the queue.
    detach
        Submit the jobs and exit; the same command without it waits for them and finishes the run.

    Raises
    ------
    ValueError
        If the value of a field is invalid.
    """

    can_detach: ClassVar[bool] = True

    partition: str | None = None
    account: str | None = None
    time: int | str | None = None
    memory: int | str | None = None
    cpus: int | None = None
    gres: str | None = None
    constraint: str | None = None
    qos: str | None = None
    exclude: str | None = None
    extra: tuple[str, ...] = ()
    setup: str = ""
    python: str | None = None
    poll_seconds: float = 10.0
    detach: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("partition", "account", "time", "memory", "gres", "constraint", "qos", "exclude", "python"):
            value = getattr(self, name)
            if isinstance(value, str) and (not value or not value.isprintable()):
                raise ValueError(f"{name} must be a single non-empty line, not {value!r}")
        if self.cpus is not None:
            require_at_least("cpus", self.cpus, 1)
        if not 0 < self.poll_seconds < 3600:
            raise ValueError(f"poll_seconds must be greater than 0 and less than 3600, not {self.poll_seconds:g}")
        _seconds(self.time)
        for argument in self.extra:
            option = argument.partition("=")[0]
            if not argument.isprintable() or not argument.startswith("-"):
                raise ValueError(
                    f"extra must contain options of sbatch, one string each, such as --mail-type=END, not {argument!r}"
                )
            if option in _RESERVED:
                raise ValueError(f"extra must not contain {option}, which the engine sets itself")

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Submit the jobs that are not in the queue already, and wait until all results are stored.

        Raises
        ------
        RunError
            If this machine has no Slurm, Slurm refuses a job or stops answering, or a job is refused, was cancelled or
            died too often.
        Detached
            If `detach` is set; jobs continue.
        """
        queue = SlurmQueue(self, run, jobs, progress)
        try:
            queue.submit()
            if self.detach and queue.submitted:
                raise Detached(
                    f"{queue.submitted} without this process. To see progress: spatialnets status {run.folder}. To "
                    f"wait and finish: spatialnets resume {run.folder} {engine_options(self)}. To stop: spatialnets "
                    f"cancel {run.folder}"
                )
            queue.wait()
        except Cancelled:  # the jobs were cancelled, too
            raise
        except KeyboardInterrupt:
            progress.say(
                f"jobs continue in Slurm; the same command finds them again, spatialnets cancel {run.folder} stops them"
            )
            raise

    @property
    def is_remote(self) -> bool:
        return True

    def state(self, run: Run) -> str | None:
        """Return the state of a run's jobs, such as "Slurm job 12: 3 running, 4 waiting"; None if there are none."""
        submissions = read_submissions(run)
        if not submissions:
            return None
        try:
            tasks = active_tasks(submissions)
        except (NoAnswer, RunError) as error:
            return f"jobs of this run were submitted to Slurm; their state is unknown here: {error}"
        return describe_tasks(tasks) if tasks else None

    def cancel(self, run: Run) -> None:
        """Cancel all jobs of a run that are in the queue.

        Raises
        ------
        RunError
            If this machine has no Slurm, or Slurm does not answer.
        """
        try:
            commands.cancel(sorted({task.job for task in active_tasks(read_submissions(run)).values()}))
        except NoAnswer as error:
            raise RunError(f"Slurm does not answer ({error}); repeat the command later") from error

    def options(self, threads: int) -> list[str]:
        """Return the options of sbatch that the fields stand for.

        Parameters
        ----------
        threads
            Threads of one job according to the run's plan.
        """
        values = {
            "partition": self.partition,
            "account": self.account,
            "time": self.time,
            "mem": self.memory,
            "cpus-per-task": self.cpus or threads,
            "gres": self.gres,
            "constraint": self.constraint,
            "qos": self.qos,
            "exclude": self.exclude,
        }
        limit = _seconds(self.time)
        notice = SIGNAL_SECONDS if limit is None else min(SIGNAL_SECONDS, limit // 4)
        return [
            "--nodes=1",
            "--ntasks=1",
            "--requeue",
            "--open-mode=append",
            f"--signal=B:USR1@{notice}",
            *(f"--{option}={value}" for option, value in values.items() if value is not None),
            *self.extra,
        ]

    def interpreter(self) -> str:
        """Return the Python interpreter of the tasks."""
        return self.python or sys.executable


def _seconds(limit: int | str | None) -> int | None:
    """Return a time limit in seconds; None if it is unlimited.

    Examples
    --------
    >>> _seconds(30), _seconds("30"), _seconds("0:30:00"), _seconds("1-12"), _seconds("1-12:30"), _seconds("5:30")
    (1800, 1800, 1800, 129600, 131400, 330)
    """
    if limit is None or (isinstance(limit, str) and limit.upper() in ("UNLIMITED", "INFINITE")):
        return None
    match = _TIME.fullmatch(str(limit))
    if match is None:
        raise ValueError(
            "time must be in minutes, or in Slurm's format: 1:30:00 (hours), 45:00 (minutes), 2-12 (days and hours) or "
            f"unlimited, not {limit!r}"
        )
    numbers = [int(number) for number in match["rest"].split(":")]
    if match["days"] is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        total = int(match["days"]) * 86400 + hours * 3600 + minutes * 60 + seconds
    elif len(numbers) == 3:
        total = numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    else:
        minutes, seconds = (*numbers, 0)[:2]
        total = minutes * 60 + seconds
    if total < 60:
        raise ValueError(f"time must be one minute or more, not {limit!r}")
    return total
