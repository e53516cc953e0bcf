"""The engine of this machine: jobs in this process, or several in processes of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.engine import Engine, Job
from spatialnets.engines.arithmetic import arithmetic
from spatialnets.engines.elsewhere import importable_elsewhere
from spatialnets.engines.progress import Progress
from spatialnets.engines.sizing import fitting_workers
from spatialnets.engines.workers import Workers
from spatialnets.run import Run

__all__ = ["Here"]


@dataclass(frozen=True)
class Here(Engine):
    """On this machine: one worker process a core, or this process where one job at a time is enough.

    Jobs of parts that are defined in a script or notebook, which no other process finds, are done in this process.

    Parameters
    ----------
    workers
        Jobs at a time; by default one a core, if the memory is enough, or one on an accelerator. 1 stays in this
        process, where a debugger can follow.

    Examples
    --------
    >>> Here(workers=1)
    Here(workers=1)
    """

    def at_a_time(self, jobs: Sequence[Job]) -> int:
        if not all(map(importable_elsewhere, jobs)):
            return 1
        default = 1 if any(job.device != "cpu" for job in jobs) else fitting_workers(jobs)
        return min(self.workers or default, len(jobs))

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Do all jobs; those whose process died go on in another one.

        Raises
        ------
        RunError
            If a job is refused, or its process died three times.
        """
        count = self.at_a_time(jobs)
        if count > 1:
            with Workers(run, count) as workers:
                workers.do(jobs, progress)
            return
        with arithmetic(run.plan["threads"]):
            for job in jobs:
                for line in job.work(run, progress.advance):
                    progress.say(line)
