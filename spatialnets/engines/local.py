"""Engines that use this machine: this process, or worker processes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from spatialnets.engines.engine import Engine
from spatialnets.engines.job import Job, importable_elsewhere, one_per_ensemble, require_importable
from spatialnets.engines.threads import arithmetic
from spatialnets.engines.train_job import TrainJob
from spatialnets.engines.workers import Workers
from spatialnets.progress import Progress
from spatialnets.runs.run import Run
from spatialnets.training.capacity import fitting_workers

__all__ = ["Here", "Processes"]


@dataclass(frozen=True)
class Here(Engine):
    """Use this process for one job at a time, otherwise worker processes on this machine.

    Parameters
    ----------
    workers
        Number of jobs at a time; by default one per core if they fit the memory, or one on an accelerator. With 1, jobs
        are done in this process.
    """

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        count = min(self.workers or (1 if _devices(jobs) else _jobs_at_a_time(run, jobs)), len(jobs))
        if count > 1 and all(map(importable_elsewhere, one_per_ensemble(run, jobs))):
            with Workers(run.folder, count, run.plan["threads"]) as pool:
                pool.compute(jobs, progress)
            return
        with arithmetic(run.plan["threads"]):
            for job in jobs:
                for line in job.work(run, progress.advance):
                    progress.say(line)


@dataclass(frozen=True)
class Processes(Engine):
    """Use worker processes on this machine, one per core or one per GPU; a worker that dies is replaced.

    Parameters
    ----------
    workers
        Number of processes; by default one per core if they fit the memory. With ``training.device=cuda``, by default
        one per GPU; the processes are distributed over all GPUs.
    """

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        for job in one_per_ensemble(run, jobs):
            require_importable(job, job.name)
        devices = _devices(jobs)
        gpus = _gpus() if "cuda" in devices else ()
        count = min(self.workers or (max(len(gpus), 1) if devices else _jobs_at_a_time(run, jobs)), len(jobs))
        with Workers(run.folder, count, run.plan["threads"], gpus) as pool:
            pool.compute(jobs, progress)


def _jobs_at_a_time(run: Run, jobs: Sequence[Job]) -> int:
    """Return the number of jobs at a time that uses all cores and fits the memory."""
    shards = [job.shard for job in one_per_ensemble(run, jobs) if isinstance(job, TrainJob)]
    units = {name: len(run.geometry(name).positions) for name in {shard.geometry for shard in shards}}
    return fitting_workers(shards, [units[shard.geometry] for shard in shards])


def _devices(jobs: Sequence[Job]) -> set[str]:
    """Return the accelerators on which jobs train."""
    return {job.shard.training.device_here for job in jobs if isinstance(job, TrainJob)} - {"cpu"}


def _gpus() -> tuple[str, ...]:
    """Return the GPUs that this process may use, named as in ``CUDA_VISIBLE_DEVICES``."""
    import torch

    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return tuple(visible or map(str, range(torch.cuda.device_count())))
