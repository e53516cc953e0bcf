"""The engine of this machine: shards in this process, or in one worker process per core."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialnets.checkpoint import updates_in
from spatialnets.engines.arithmetic import arithmetic
from spatialnets.engines.folder import THREADS, open_or_create, record_session, stored
from spatialnets.engines.progress import NoProgress, Progress
from spatialnets.engines.sizing import cores, shard_size
from spatialnets.engines.workers import Advance, Workers, importable_elsewhere
from spatialnets.errors import RunError, UserError
from spatialnets.run import Run, ShardRecord
from spatialnets.shard import Shard

if TYPE_CHECKING:
    from spatialnets.experiment import Experiment

__all__ = ["ShardJob", "compute", "estimate_bytes", "estimate_seconds"]

TIMED_UPDATES = 4


def compute(
    experiment: Experiment,
    out: str | Path,
    workers: int | None = None,
    progress: Progress | None = None,
    networks_per_shard: int | None = None,
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
    networks_per_shard
        How many networks are trained as one batch, if the run begins now; by default as cores, cache and memory allow.

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
    with open_or_create(experiment, Path(out), networks_per_shard) as (run, shards):
        missing = [ShardJob(record, shards[record.index]) for record in run.shards if not record.done]
        if missing:
            _compute_missing(experiment, run, missing, workers, progress)
    _refuse_if_all_diverged(run)
    return run


def _compute_missing(
    experiment: Experiment,
    run: Run,
    missing: Sequence[ShardJob],
    workers: int | None,
    progress: Progress,
) -> None:
    on_accelerator = any(job.shard.training.device != "cpu" for job in missing)
    count = min(workers or (1 if on_accelerator else cores()), len(missing))
    if not all(map(importable_elsewhere, missing)):
        count = 1
    done = experiment.updates
    for job in missing:
        left = job.shard.updates - updates_in(run.checkpoint(job.record.index))
        done -= left * len(job.shard.networks)
    groups = ", ".join(run.groups)
    progress.begin(experiment.updates, done, f"{run.name} ({groups})")
    session = record_session(run, count)
    try:
        if count == 1:
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

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Train, store, and return one line for each network that diverged."""
        from spatialnets.training import train

        checkpoint = run.checkpoint(self.record.index)
        said: list[str] = []
        dataset = train(
            self.shard,
            run.geometry(self.shard.geometry),
            checkpoint,
            lambda updates, epoch: advance(updates, f"{self.shard.group} epoch {epoch}"),
            said.append,
        )
        run.write_shard(self.record, dataset)
        checkpoint.unlink(missing_ok=True)
        return said + [
            f"network {network} of group '{self.shard.group}' was taken out: {reason}"
            for network, reason in zip(self.shard.networks, dataset["reason"].to_numpy(), strict=True)
            if reason
        ]


def _refuse_absent_devices(experiment: Experiment) -> None:
    ensembles = [ensemble for group in experiment.groups.values() for ensemble in group.ensembles]
    wanted = {ensemble.training.device_here for ensemble in ensembles} - {"cpu"}
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
    """Return about how much disk an experiment will take: every block of weights, at every epoch kept, in float32."""
    total = 0.0
    for group in experiment.groups.values():
        for ensemble in group.ensembles:
            units = ensemble.geometry.n_units
            gates = len(ensemble.core.gates)
            weights = units * (gates * (units + ensemble.task.n_inputs) + ensemble.task.n_outputs)
            kept = len(ensemble.numbers) * len(ensemble.training.kept_epochs)
            total += 4 * weights * kept
    return 1.02 * total
