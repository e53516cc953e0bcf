"""The engines of this machine: in this process, or in worker processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.engines.elsewhere import importable_elsewhere
from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Job
from spatialnets.engines.threads import arithmetic
from spatialnets.engines.train_job import ShardJob
from spatialnets.engines.workers import Workers
from spatialnets.errors import UserError
from spatialnets.progress import Progress
from spatialnets.runs.run import Run
from spatialnets.training.capacity import fitting_workers

__all__ = ["Here", "Processes"]


@dataclass(frozen=True)
class Here(Engine):
    """On this machine, in this process if one job at a time is enough, otherwise in worker processes.

    Parameters
    ----------
    workers
        Jobs at a time; by default one per core, if the memory is enough, or one on an accelerator. 1 stays in this
        process.
    """

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        count = min(self.workers or (1 if _devices(jobs) else _fitting(run, jobs)), len(jobs))
        if count > 1 and all(map(importable_elsewhere, jobs)):
            with Workers(run.folder, count, run.plan["threads"]) as pool:
                pool.compute(jobs, progress)
            return
        with arithmetic(run.plan["threads"]):
            for job in jobs:
                for line in job.work(run, progress.advance):
                    progress.say(line)


@dataclass(frozen=True)
class Processes(Engine):
    """Worker processes on this machine, each of which may die without harm: one per core, or one per GPU.

    Parameters
    ----------
    workers
        Processes at a time; by default one per core. Where training is on ``cuda``, one per GPU, and the processes
        are spread over all GPUs.
    """

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        strange = next((job for job in jobs if not importable_elsewhere(job)), None)
        if strange is not None:
            raise UserError(
                f"{strange.name} has a part that is defined in a script or notebook, where no other process finds it; "
                "put it into a module, or use engine=here"
            )
        devices = _devices(jobs)
        gpus = _gpus() if "cuda" in devices else ()
        count = min(self.workers or (max(len(gpus), 1) if devices else _fitting(run, jobs)), len(jobs))
        with Workers(run.folder, count, run.plan["threads"], gpus) as pool:
            pool.compute(jobs, progress)


def _fitting(run: Run, jobs: Sequence[Job]) -> int:
    """Return how many jobs at a time use all cores and fit the memory."""
    shards = [job.shard for job in jobs if isinstance(job, ShardJob)]
    units = {name: len(run.geometry(name).positions) for name in {shard.geometry for shard in shards}}
    return fitting_workers(shards, [units[shard.geometry] for shard in shards])


def _devices(jobs: Sequence[Job]) -> set[str]:
    """Return the accelerators on which jobs train."""
    return {job.shard.training.device_here for job in jobs if isinstance(job, ShardJob)} - {"cpu"}


def _gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them."""
    import torch

    visible = [word for word in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if word]
    return tuple(visible or map(str, range(torch.cuda.device_count())))
