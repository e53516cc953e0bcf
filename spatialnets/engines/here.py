"""The engine of this machine: shards in this process, or in one worker process per core."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialnets.engines.arithmetic import arithmetic
from spatialnets.engines.engine import Engine
from spatialnets.engines.folder import THREADS, open_or_create, record_session, shard_size, stored
from spatialnets.engines.progress import NoProgress, Progress
from spatialnets.engines.slurm import Slurm
from spatialnets.engines.slurm_submissions import refuse_beside
from spatialnets.engines.workers import Advance, Workers, importable_elsewhere
from spatialnets.errors import RunError, UserError
from spatialnets.run import Run, ShardRecord
from spatialnets.shard import Shard

if TYPE_CHECKING:
    from spatialnets.experiment import Experiment

__all__ = ["ShardJob", "compute", "cores", "estimate_bytes", "estimate_seconds"]

TIMED_UPDATES = 4


def cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def compute(
    experiment: Experiment,
    out: str | Path,
    workers: int | None = None,
    progress: Progress | None = None,
    engine: Engine | None = None,
) -> Run:
    """Compute the shards of an experiment that are not yet in its folder.

    Parameters
    ----------
    experiment
        What to compute.
    out
        The run's folder; it is created, or continued if it holds the same experiment.
    workers
        How many shards at a time, each in a process of its own; by default one per core. 1 stays in this process.
    progress
        Where to report; by default nowhere.
    engine
        Where; by default on this machine.

    Returns
    -------
    Run
        The finished run. Nothing is computed, nor written, where it was finished already.

    Raises
    ------
    RunError
        If the folder holds something else, is in use, cannot be written, or a shard in it is damaged; or if every
        network of a group diverged.
    """
    progress = progress or NoProgress()
    if workers is not None and workers < 1:
        raise RunError(f"workers must be 1 or more, not {workers}")
    _refuse_absent_devices(experiment)
    with open_or_create(experiment, Path(out)) as (run, shards):
        missing = [ShardJob(record, shards[record.index]) for record in run.shards if not record.done]
        if missing and not isinstance(engine, Slurm):
            refuse_beside(run)
        if missing:
            _compute_missing(experiment, run, missing, workers, progress, engine)
    _refuse_if_all_diverged(run)
    return run


def _compute_missing(
    experiment: Experiment,
    run: Run,
    missing: Sequence[ShardJob],
    workers: int | None,
    progress: Progress,
    engine: Engine | None,
) -> None:
    on_accelerator = any(not job.shard.training.device.startswith("cpu") for job in missing)
    count = min(workers or (1 if on_accelerator else cores()), len(missing))
    if not all(map(importable_elsewhere, missing)):
        count = 1
    from spatialnets.training import epochs_in

    done = experiment.updates
    for job in missing:
        epochs = job.shard.training.epochs - epochs_in(run.checkpoint(job.record.index))
        done -= epochs * job.shard.training.updates_per_epoch * len(job.shard.networks)
    groups = ", ".join(run.groups)
    progress.begin(experiment.updates, done, f"{run.name} ({groups})")
    session = record_session(run, count)
    try:
        if engine is not None:
            engine.do(run, missing, progress)
        elif count == 1:
            _in_this_process(run, missing, progress)
        else:
            with Workers(run.folder, count, run.plan["threads"]) as pool:
                pool.compute(missing, progress)
    finally:
        progress.end()
        session.close()


def _in_this_process(run: Run, missing: Sequence[ShardJob], progress: Progress) -> None:
    with arithmetic(run.plan["threads"]):
        for job in missing:
            for line in job.work(run, progress.advance):
                progress.say(line)


@dataclass(frozen=True)
class ShardJob:
    """Train one shard and store it."""

    record: ShardRecord
    shard: Shard

    @property
    def name(self) -> str:
        return f"shard {self.record.index} (group '{self.shard.group}')"

    @property
    def key(self) -> str:
        return f"shard-{self.record.index:05}"

    @property
    def order(self) -> dict[str, int]:
        return {"shard": self.record.index}

    def done(self, run: Run) -> bool:
        return self.record.done

    def progress(self, run: Run) -> int:
        from spatialnets.training import epochs_in

        training = self.shard.training
        epochs = training.epochs if self.record.done else epochs_in(run.checkpoint(self.record.index))
        return epochs * training.updates_per_epoch * len(self.shard.networks)

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Train, store, and return one line for each network that diverged."""
        from spatialnets.training import train

        checkpoint = run.checkpoint(self.record.index)
        dataset = train(
            self.shard,
            run.geometry(self.shard.geometry),
            checkpoint,
            lambda updates, epoch: advance(updates, f"{self.shard.group} epoch {epoch}"),
        )
        run.write_shard(self.record, dataset)
        checkpoint.unlink(missing_ok=True)
        return [
            f"network {network} of group '{self.shard.group}' was taken out: {reason}"
            for network, reason in zip(self.shard.networks, dataset["reason"].to_numpy(), strict=True)
            if reason
        ]


def _refuse_absent_devices(experiment: Experiment) -> None:
    ensembles = [ensemble for group in experiment.groups.values() for ensemble in group.ensembles]
    wanted = {ensemble.training.device for ensemble in ensembles} - {"cpu"}
    if not wanted:
        return
    import torch

    for device in sorted(wanted):
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise UserError(
                f"training.device={device}: torch {torch.__version__} finds no such device here "
                f"({str(error).splitlines()[0]}); write training.device=cpu"
            ) from error


def _refuse_if_all_diverged(run: Run) -> None:
    for group in run.groups:
        scores = run.scores(group)
        if bool((scores["status"] == "diverged").all()):
            reasons = scores["reason"].to_numpy()
            strengths = scores["strength"].to_numpy()
            raise RunError(
                f"every network of group '{group}' diverged (the first one: {reasons[0]}; strength "
                f"{strengths[0]:g}); lower regularizer.strength or training.learning_rate. "
                f"What was computed is in {run.folder}"
            )


def estimate_seconds(experiment: Experiment, workers: int | None = None) -> float:
    """Return about how long an experiment will take on this machine, from a few timed updates of each ensemble.

    Parameters
    ----------
    experiment
        What would be computed.
    workers
        As in `compute`.
    """
    from spatialnets.training import Trainer

    shards = experiment.shards(shard_size(experiment))
    total, seconds_per_update = 0.0, {}
    with arithmetic(THREADS):
        for shard in shards:
            kind = (shard.group, shard.geometry, shard.core, shard.task, len(shard.networks))
            if kind not in seconds_per_update:
                trainer = Trainer(shard, stored(experiment.geometries[shard.geometry]))
                batch = trainer.training_trials.batch(0, shard.training.batch_size)
                times = []
                for _ in range(TIMED_UPDATES):
                    start = time.perf_counter()
                    trainer.update(batch)
                    times.append(time.perf_counter() - start)
                seconds_per_update[kind] = float(np.median(times[1:]))
            total += seconds_per_update[kind] * shard.updates
    return total / min(workers or cores(), max(len(shards), 1))


def estimate_bytes(experiment: Experiment) -> float:
    """Return about how much disk an experiment will take: every block of weights, at every epoch, in float32."""
    total = 0.0
    for group in experiment.groups.values():
        for ensemble in group.ensembles:
            units = ensemble.geometry.n_units
            gates = len(ensemble.core.gates)
            weights = units * (gates * (units + ensemble.task.n_inputs) + ensemble.task.n_outputs)
            kept = len(ensemble.numbers) * (ensemble.training.epochs + 1)
            total += 4 * weights * kept
    return 1.02 * total
