"""Computing an experiment: the shards that its folder does not hold yet, on whatever engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialnets.engines.choice import chosen
from spatialnets.engines.driver import driving
from spatialnets.engines.engine import Engine
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.engines.slurm.submissions import refuse_beside
from spatialnets.engines.threads import arithmetic
from spatialnets.engines.train_job import ShardJob
from spatialnets.errors import RunError, UserError
from spatialnets.progress import NoProgress, Progress
from spatialnets.runs.folder import THREADS, open_or_create, record_session, stored
from spatialnets.runs.run import Run
from spatialnets.training.capacity import cores, shard_size

if TYPE_CHECKING:
    from spatialnets.experiments.experiment import Experiment

__all__ = ["ShardJob", "compute", "estimate_bytes", "estimate_seconds"]

TIMED_UPDATES = 4


def compute(
    experiment: Experiment,
    out: str | Path,
    workers: int | None = None,
    progress: Progress | None = None,
    networks_per_shard: int | None = None,
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
        How many shards at a time; by default as the engine finds best.
    progress
        Where to report; by default nowhere.
    networks_per_shard
        How many networks are trained as one batch, if the run begins now; by default as cores, cache and memory allow.
    engine
        Where they are computed, which changes nothing in the result; by default on this machine (`Here`).

    Returns
    -------
    Run
        The finished run. Nothing is computed, nor written, where it was finished already.

    Raises
    ------
    RunError
        If the folder holds something else, is in use, cannot be written, or what cannot be computed again in it is
        damaged; or if every network of a group diverged.
    """
    progress, engine = progress or NoProgress(), chosen(engine, workers)
    if not engine.elsewhere:  # a login node need not have what the nodes have
        _refuse_absent_devices(experiment)
    with open_or_create(experiment, Path(out), networks_per_shard) as (run, shards):
        missing = [ShardJob(record, shards[record.index]) for record in run.shards if not record.done]
        if missing and not isinstance(engine, Slurm):
            refuse_beside(run)
        if missing:
            _compute_missing(experiment, run, missing, engine, progress)
    _refuse_if_all_diverged(run)
    return run


def _compute_missing(
    experiment: Experiment, run: Run, missing: Sequence[ShardJob], engine: Engine, progress: Progress
) -> None:
    done = experiment.updates
    for job in missing:
        done -= job.shard.updates * len(job.shard.networks) - job.progress(run)
    session = record_session(run, engine)
    with driving(run, engine, experiment.updates, done, "updates"):
        progress.begin(experiment.updates, done, f"{run.name} ({', '.join(run.groups)})")
        try:
            engine.do(run, missing, progress)
        finally:
            progress.end()
            session.close()


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
    from spatialnets.training.trainer import Trainer

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
