"""The engine of worker processes: one a core, or one a GPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.engine import Engine, Job
from spatialnets.engines.elsewhere import importable_elsewhere
from spatialnets.engines.progress import Progress
from spatialnets.engines.sizing import fitting_workers
from spatialnets.engines.workers import Workers
from spatialnets.errors import UserError
from spatialnets.run import Run

__all__ = ["Processes"]


@dataclass(frozen=True)
class Processes(Engine):
    """Worker processes on this machine, never this process itself; they die with it.

    Parameters
    ----------
    workers
        Processes at a time; by default one a core, if the memory is enough. Of networks that are trained on NVIDIA
        GPUs, one a GPU, each of which sees its own alone.

    Examples
    --------
    >>> Processes(workers=2)
    Processes(workers=2)
    """

    def at_a_time(self, jobs: Sequence[Job]) -> int:
        return min(self.workers or len(_devices(jobs)) or fitting_workers(jobs), len(jobs))

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Do all jobs; those whose process died go on in another one.

        Raises
        ------
        UserError
            If a part is defined in a script or notebook.
        RunError
            If a job is refused, or its process died three times.
        """
        for job in jobs:
            if not importable_elsewhere(job):
                raise UserError(
                    f"{job.name} has a part that is defined in a script or notebook, where no other process finds it; "
                    "put it into a module, or use engine=here"
                )
        with Workers(run, self.at_a_time(jobs), _devices(jobs)) as workers:
            workers.do(jobs, progress)


def _devices(jobs: Sequence[Job]) -> tuple[str, ...]:
    """Return what CUDA_VISIBLE_DEVICES is to say for each process; nothing where no job asks for any GPU there is."""
    if not any(job.device == "cuda" for job in jobs):
        return ()
    import os

    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return tuple(visible.split(",")) if visible else tuple(map(str, range(torch.cuda.device_count())))
