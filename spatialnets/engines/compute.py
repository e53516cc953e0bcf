"""Train the shards of an experiment that its run folder does not hold yet, and estimate time and disk space."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialnets.engines.choice import choose_engine
from spatialnets.engines.driver import register_driver
from spatialnets.engines.engine import Engine
from spatialnets.engines.slurm.engine import Slurm
from spatialnets.engines.slurm.submissions import require_no_active_tasks
from spatialnets.engines.threads import arithmetic
from spatialnets.engines.train_job import TrainJob, results_of
from spatialnets.errors import RunError, UserError
from spatialnets.experiments.axes import MAX_NETWORKS
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.progress import NoProgress, Progress
from spatialnets.registry import name_of
from spatialnets.runs.folder import THREADS, open_or_create
from spatialnets.runs.provenance import Session, warn
from spatialnets.runs.run import Run
from spatialnets.training import capacity
from spatialnets.training.shard import Shard

if TYPE_CHECKING:
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.graph.product_choice import Products
    from spatialnets.protocols import Geometry

__all__ = ["block_units", "compute", "estimate_bytes", "estimate_seconds", "shard_size"]

TIMED_UPDATES = 4
MAX_NETWORKS_ON_CPU = 16  # per shard: larger ones save little call overhead and balance the load less well
MAX_NETWORKS_OF_LARGE_RUN = 64  # the same if there would be more than SHARDS: measured as fast per network as 8
SHARDS = 5_000  # half of the jobs that Slurm holds by default, for all users; and two files each, in one folder
MAX_NETWORKS_ON_ACCELERATOR = 512  # per shard
CACHED_PASSES = 1.5  # the states of the forward pass and of part of the backward pass should fit in the cache


def compute(
    experiment: Experiment,
    out: str | Path,
    workers: int | None = None,
    progress: Progress | None = None,
    networks_per_shard: int | None = None,
    engine: Engine | None = None,
    products: Products = "auto",
) -> Run:
    """Train the shards of an experiment that its run folder does not hold yet.

    Arguments are those of `spatialnets.workflow.train`; `out` is created, or continued if it holds the same experiment.

    Returns
    -------
    Run
        The finished run; if it was finished already, nothing is computed or written.

    Raises
    ------
    RunError
        If the folder holds something else, is in use, cannot be written or contains a damaged file that cannot be
        computed again, or if every network of a group diverged.
    """
    progress, engine = progress or NoProgress(), choose_engine(engine, workers)
    if not engine.is_remote:  # a login node may lack the devices of compute nodes
        _require_devices(experiment)
    with open_or_create(
        experiment,
        Path(out),
        lambda: shard_size(experiment, networks_per_shard),
        lambda: block_units(experiment, products),
    ) as (run, shards):
        _warn_of_ignored(run, networks_per_shard, products, experiment)
        missing = [TrainJob(record, shards[record.index]) for record in run.missing]
        if missing and not isinstance(engine, Slurm):
            require_no_active_tasks(run)
        if missing:
            _compute_missing(experiment, run, missing, engine, progress)
    _require_finite_networks(run)
    return run


def _warn_of_ignored(run: Run, networks_per_shard: int | None, products: Products, experiment: Experiment) -> None:
    """Warn if the user asks for another plan than that with which the run began, which is followed to the end."""
    planned = run.plan["networks_per_shard"]
    if networks_per_shard not in (None, planned):
        warn(f"{run.folder} began with {planned} networks per shard; {networks_per_shard} is ignored")
    if products != "auto" and block_units(experiment, products) != run.plan["block_products"]:
        warn(f"{run.folder} began with another method of multiplying matrices; products={products} is ignored")


def _compute_missing(
    experiment: Experiment, run: Run, missing: Sequence[TrainJob], engine: Engine, progress: Progress
) -> None:
    done = experiment.updates
    for job, (_, stored) in zip(missing, results_of(run, missing), strict=True):
        done -= job.shard.updates * len(job.shard.networks) - stored
    session = Session.begin(run, name_of("engine", type(engine)), engine.workers)
    with register_driver(run, engine, experiment.updates, done, "updates"):
        progress.begin(experiment.updates, done, f"{run.name} ({', '.join(run.groups)})")
        try:
            engine.do(run, missing, progress)
        finally:
            progress.end()
            session.end()


def _require_devices(experiment: Experiment) -> None:
    devices = {ensemble.training.device_here for ensemble in experiment.ensembles} - {"cpu"}
    if not devices:
        return
    import torch

    for device in sorted(devices):
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise UserError(
                f"training.device={device}: PyTorch {torch.__version__} finds no such device here "
                f"({str(error).splitlines()[0].partition('. ')[0]}); write training.device=cpu"
            ) from error


def _require_finite_networks(run: Run) -> None:
    scores = run.map(lambda shard: shard[["status", "reason"]], scores_only=True)
    for group in run.groups:
        own = scores.isel(network=(scores["group"] == group).to_numpy())
        if bool((own["status"] == "diverged").all()):
            raise RunError(
                f"every network of group '{group}' diverged (the first one: {own['reason'].to_numpy()[0]}; strength "
                f"{own['strength'].to_numpy()[0]:g}); lower regularizer.strength or training.learning_rate. "
                f"The results are in {run.folder}"
            )


def estimate_seconds(experiment: Experiment, workers: int | None = None) -> float:
    """Estimate the training time of an experiment on this machine, in seconds, from a few timed updates.

    Parameters
    ----------
    experiment
        The experiment.
    workers
        Number of shards trained at the same time; by default one per core.
    """
    from spatialnets.graph.products import block_products

    _require_devices(experiment)
    size = shard_size(experiment)
    if all(ensemble.training.device_here == "cpu" for ensemble in experiment.ensembles):
        size = min(size, MAX_NETWORKS_ON_CPU)  # larger shards take as long per network, and more memory to try
    shards = experiment.shards(size)
    total, seconds_per_update = 0.0, {}
    with arithmetic(THREADS), block_products(block_units(experiment)):
        for start, end in pairwise(shards.starts):
            for shard, count in _kinds(shards, start, end):
                kind = (shard.group, shard.geometry, shard.core, shard.task, len(shard.networks))
                if kind not in seconds_per_update:
                    seconds_per_update[kind] = _seconds_per_update(shard, experiment.geometries[shard.geometry])
                total += seconds_per_update[kind] * shard.updates * count
    return total / min(workers or capacity.cores(), max(len(shards), 1))


def _kinds(shards: Sequence[Shard], start: int, end: int) -> list[tuple[Shard, int]]:
    """Return the first shard of an ensemble with the number of shards of its size, and the same of a smaller last."""
    first, last = shards[start], shards[end - 1]
    if len(last.networks) == len(first.networks):
        return [(first, end - start)]
    return [(first, end - start - 1), (last, 1)]


def _seconds_per_update(shard: Shard, geometry: Geometry) -> float:
    from spatialnets.training.trainer import Trainer

    trainer = Trainer(shard, StoredGeometry.of(geometry))
    batch = trainer.training_trials.batch(0, shard.training.batch_size)
    times = []
    for _ in range(TIMED_UPDATES):
        start = time.perf_counter()
        trainer.update(batch)
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:]))


def block_units(experiment: Experiment, products: Products = "auto") -> list[int]:
    """Return the numbers of units whose products the block kernel computes, decided when a run begins.

    Parameters
    ----------
    experiment
        The experiment.
    products
        As in `spatialnets.workflow.train`.

    Raises
    ------
    UserError
        If `products` is unknown, or ``"block"`` is not available on this machine.
    """
    from spatialnets.graph.product_choice import choose_block_units

    on_cpu = [
        ensemble.geometry.n_units
        for ensemble in experiment.ensembles
        if ensemble.training.device_here == "cpu" and ensemble.training.precision == "float32"
    ]
    return choose_block_units(on_cpu, products)


def estimate_bytes(experiment: Experiment) -> float:
    """Estimate the disk space of an experiment, in bytes: all weights at every stored epoch, in float32."""
    total = 0.0
    for ensemble in experiment.ensembles:
        units, gates = ensemble.geometry.n_units, len(ensemble.core.gates)
        weights = units * (gates * (units + ensemble.task.n_inputs) + ensemble.task.n_outputs)
        total += 4 * weights * len(ensemble.numbers) * len(ensemble.training.kept_epochs)
    return 1.02 * total


def shard_size(experiment: Experiment, requested: int | None = None) -> int:
    """Return the number of networks in a shard, which is decided when a run begins and stored in its plan.

    On a CPU the states of a pass should fit a core's share of the cache, every core should get a shard, and the shards
    of all cores must fit in memory; on an accelerator a shard must fit in its memory. Shards of a run of very many
    networks are larger than the cache, so that there are about 5,000 of them.

    Parameters
    ----------
    experiment
        The experiment.
    requested
        The number to use instead, if the user gave one.

    Raises
    ------
    UserError
        If `requested` is less than 1.
    """
    if requested is not None:
        if requested < 1:
            raise UserError(f"networks per shard must be 1 or more, not {requested}")
        return min(requested, MAX_NETWORKS)
    free, networks = capacity.memory_bytes(), experiment.networks
    sizes = []
    for ensemble in experiment.ensembles:
        states, needed = capacity.bytes_per_network(ensemble, ensemble.geometry.n_units)
        device = ensemble.training.device_here
        if device == "cpu":
            in_cache = int(capacity.cache_bytes() / (CACHED_PASSES * states))
            size = min(MAX_NETWORKS_ON_CPU, in_cache, math.ceil(networks / capacity.cores()))
            size = max(size, min(math.ceil(networks / SHARDS), MAX_NETWORKS_OF_LARGE_RUN))
            usable = None if free is None else capacity.USABLE_SHARE * free / capacity.cores()
        else:
            size, usable = MAX_NETWORKS_ON_ACCELERATOR, capacity.free_accelerator_bytes(device)
        sizes.append(size if usable is None else min(size, int(usable / needed)))
    return max(1, min(sizes))
