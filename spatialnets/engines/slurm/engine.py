"""The engine of a cluster with Slurm: one task of a job array for each job."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.engines.choice import words_of
from spatialnets.engines.claim import Cancelled
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Job
from spatialnets.engines.slurm import commands
from spatialnets.engines.slurm.commands import Silence
from spatialnets.engines.slurm.queue import SlurmQueue
from spatialnets.engines.slurm.submissions import counted, living, remembered
from spatialnets.errors import Detached, RunError
from spatialnets.progress import Progress
from spatialnets.runs.run import Run

__all__ = ["Slurm"]

SIGNAL_SECONDS = 60  # before the time limit: enough to stop between two updates, and to put the task back
_TIME = re.compile(r"(?:(?P<days>\d+)-)?(?P<rest>\d+(?::\d+){0,2})")
_OURS = (
    "--array", "--job-name", "--output", "--error", "--parsable", "--requeue", "--no-requeue", "--open-mode",
    "--signal", "--wrap", "--wait", "--hold", "--ntasks", "--nodes", "--test-only",
    "-a", "-J", "-o", "-e", "-W", "-H", "-n", "-N",
)  # fmt: skip


@dataclass(frozen=True)
class Slurm(Engine):
    """Jobs as tasks of Slurm job arrays; truth is what they have stored, never the scheduler's memory.

    What was computed survives the death of a worker, of a node and of the process that submitted it, preemption and
    time limits: tasks are put back into the queue and go on from what they stored last. When the process that submitted
    them is stopped, jobs go on; the same command attaches to them.

    Parameters
    ----------
    workers
        Tasks at work at the same time; by default as many as Slurm lets run.
    partition
        Where tasks run; by default the cluster's default. Several may be given, with commas.
    account
        Who pays.
    time
        Time limit of one task, in minutes or as Slurm writes it ("2:00:00", "1-12"); by default the partition's. A
        task that reaches it goes back into the queue and goes on from what it stored last, so it need only be some
        minutes.
    memory
        Of one task, such as "4G"; by default the cluster's.
    cpus
        Cores of one task; by default the threads of the run's plan. More make nothing faster.
    gres
        Generic resources of one task, such as "gpu:1".
    constraint
        Features that a node must have.
    qos
        Quality of service.
    exclude
        Nodes to keep away from.
    extra
        Further options of sbatch, each one word, such as "--mail-type=END".
    setup
        Lines of shell before the command: load modules, activate an environment.
    python
        The Python of the tasks, in which spatialnets is installed; by default that of this process.
    poll_seconds
        Time between two looks at the queue.
    detach
        Submit and leave; the same command without it waits for what was submitted and goes on.

    Raises
    ------
    ValueError
        If a value can be no such option.
    """

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
                raise ValueError(f"{name} must be one line that is not empty, not {value!r}")
        if self.cpus is not None and self.cpus < 1:
            raise ValueError(f"cpus must be 1 or more, not {self.cpus}")
        if not 0 < self.poll_seconds < 3600:
            raise ValueError(f"poll_seconds must be more than 0 and below 3600, not {self.poll_seconds:g}")
        _seconds(self.time)
        for word in self.extra:
            option = word.partition("=")[0]
            if not word.isprintable() or not word.startswith("-"):
                raise ValueError(
                    f"extra must hold options of sbatch, each one word as in --mail-type=END, not {word!r}"
                )
            if option in _OURS:
                raise ValueError(f"extra must not hold {option}, which is set for you")

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Submit what is not at work already, and wait until all is stored.

        Raises
        ------
        RunError
            If there is no Slurm here, it refuses a job, a job is refused by its parts, was cancelled, died too often,
            or Slurm has not answered for long.
        Detached
            If that was asked for; jobs go on.
        """
        queue = SlurmQueue(self, run, jobs, progress)
        try:
            queue.submit()
            if self.detach and queue.submitted:
                raise Detached(
                    f"{queue.submitted} without this process. How far: spatialnets status {run.folder}. To wait and "
                    f"finish: spatialnets resume {run.folder} {words_of(self)}. To stop: spatialnets cancel "
                    f"{run.folder}"
                )
            queue.wait()
        except Cancelled:  # jobs and all
            raise
        except KeyboardInterrupt:
            progress.say(
                f"Slurm's jobs go on; the same command attaches to them, spatialnets cancel {run.folder} stops them"
            )
            raise

    @property
    def elsewhere(self) -> bool:
        return True

    def state(self, run: Run) -> str | None:
        """Say what Slurm has of a run: "Slurm job 12: 3 running, 4 waiting"; None if it has nothing."""
        submissions = remembered(run)
        if not submissions:
            return None
        try:
            found = living(submissions)
        except (Silence, RunError) as error:
            return f"Slurm has been given jobs of this run, and cannot be asked for them here: {error}"
        return counted(found) if found else None

    def cancel(self, run: Run) -> None:
        """Cancel every job of a run that Slurm still has.

        Raises
        ------
        RunError
            If there is no Slurm here, or it does not answer.
        """
        submissions = remembered(run)
        try:
            commands.cancel(sorted({task.job for task in living(submissions).values()}))
        except Silence as silence:
            raise RunError(f"Slurm does not answer ({silence}); give the command again later") from silence

    def options(self, threads: int) -> list[str]:
        """Return the options of sbatch that come from the fields.

        Parameters
        ----------
        threads
            Of one job, as planned.
        """
        given = {
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
        early = SIGNAL_SECONDS if limit is None else min(SIGNAL_SECONDS, limit // 4)
        return [
            "--nodes=1",
            "--ntasks=1",
            "--requeue",
            "--open-mode=append",
            f"--signal=B:USR1@{early}",
            *(f"--{option}={value}" for option, value in given.items() if value is not None),
            *self.extra,
        ]

    def interpreter(self) -> str:
        """Return the Python of the tasks."""
        return self.python or sys.executable


def _seconds(limit: int | str | None) -> int | None:
    """Return a time limit in seconds; None if there is none.

    Examples
    --------
    >>> _seconds(30), _seconds("30"), _seconds("0:30:00"), _seconds("1-12"), _seconds("1-12:30"), _seconds("5:30")
    (1800, 1800, 1800, 129600, 131400, 330)
    """
    if limit is None or (isinstance(limit, str) and limit.upper() in ("UNLIMITED", "INFINITE")):
        return None
    found = _TIME.fullmatch(str(limit))
    if found is None:
        raise ValueError(
            "time must be minutes, or as Slurm writes it: 1:30:00 (hours), 45:00 (minutes), 2-12 (days and hours), "
            f"unlimited; not {limit!r}"
        )
    numbers = [int(word) for word in found["rest"].split(":")]
    if found["days"] is not None:
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        total = int(found["days"]) * 86400 + hours * 3600 + minutes * 60 + seconds
    elif len(numbers) == 3:
        total = numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    else:
        minutes, seconds = (*numbers, 0)[:2]
        total = minutes * 60 + seconds
    if total < 60:
        raise ValueError(f"time must be one minute or more, not {limit!r}")
    return total
