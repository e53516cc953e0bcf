"""How many networks are trained as one batch, and how many batches at a time: from cores, cache and memory."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialnets.errors import UserError

if TYPE_CHECKING:
    from spatialnets.experiments.experiment import Experiment
    from spatialnets.experiments.group import Networks
    from spatialnets.training.shard import Shard

__all__ = ["bytes_per_network", "cores", "fitting_workers", "memory_bytes", "shard_size"]

MOST = 16  # networks of a shard on a processor: calls are few enough then, and more would only wait for each other
MOST_ON_ACCELERATOR = 512
CACHE_BYTES = 8 * 2**20  # of a core, where the system does not say
HISTORIES = 1.5  # states of one pass that should fit the cache: forth, and as far as the way back is into them
COPIES_OF_STATES = 9  # copies of the states that a pass holds at most, forth and back: measured 3 (rnn) to 8.7 (alif)
COPIES_PER_GATE = 4  # the same of a core with gates, for each: measured 3.0 (lstm) and 3.4 (gru)
SHARE = 0.6  # of the free memory that may be taken
COPIES = 14  # of the recurrent weights while training: themselves, gradient, moments, and what a penalty computes


def cores() -> int:
    """Return how many processor cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def cache_bytes() -> int:
    """Return how large a core's share of the largest cache is."""
    largest = 0
    for index in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"):
        try:
            size = (index / "size").read_text(encoding="ascii").strip()
            shared = _count((index / "shared_cpu_list").read_text(encoding="ascii").strip())
            largest = max(largest, int(size.removesuffix("K")) * 1024 // shared)
        except (OSError, ValueError):
            continue
    return largest or CACHE_BYTES


def _count(cpus: str) -> int:
    """Return how many processors a list such as ``0-3,8`` names."""
    ranges = [part.split("-") for part in cpus.split(",")]
    return sum(int(part[-1]) - int(part[0]) + 1 for part in ranges)


def memory_bytes() -> int | None:
    """Return how much memory is free, of the machine or of the container that this is; None where nobody says."""
    free = []
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        free += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    except (OSError, ValueError):
        pass
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        free += [int(limit) - int(used)] if limit != "max" else []
    except (OSError, ValueError):
        pass
    return min(free) if free else None


def bytes_per_network(networks: Networks | Shard, n_units: int) -> tuple[int, int]:
    """Return about how large the states of a network in one pass are, and what it needs in all, in bytes.

    Parameters
    ----------
    networks
        Their parts.
    n_units
        How many units each has.
    """
    training, gates = networks.training, len(networks.core.gates)
    steps = networks.task.trials(1, np.random.default_rng(0)).inputs.shape[1]
    number = 8 if training.precision == "float64" else 4
    one_copy = number * training.batch_size * steps * n_units
    states = one_copy * gates
    weights = n_units * (n_units * gates + networks.task.n_inputs + networks.task.n_outputs)
    kept = 2 * len(training.kept_epochs)  # once more when they are labelled to be stored
    return states, max(COPIES_OF_STATES, COPIES_PER_GATE * gates) * one_copy + weights * (number * COPIES + 4 * kept)


def shard_size(experiment: Experiment, wanted: int | None = None) -> int:
    """Return how many networks are trained as one batch; decided when a run begins, and part of its plan.

    So many that the states of a pass fit a core's share of the cache, that every core gets a shard, and that what all
    cores work on fits the memory; on an accelerator, that they fit its memory.

    Parameters
    ----------
    experiment
        What is trained.
    wanted
        So many, whatever the machine.

    Raises
    ------
    UserError
        If `wanted` is less than 1.
    """
    if wanted is not None:
        if wanted < 1:
            raise UserError(f"networks per shard must be 1 or more, not {wanted}")
        return wanted
    ensembles = [ensemble for group in experiment.groups.values() for ensemble in group.ensembles]
    free = memory_bytes()
    sizes = []
    for ensemble in ensembles:
        states, needed = bytes_per_network(ensemble, ensemble.geometry.n_units)
        device = ensemble.training.device_here
        if device == "cpu":
            size = min(MOST, int(cache_bytes() / (HISTORIES * states)), math.ceil(experiment.networks / cores()))
            room = None if free is None else SHARE * free / cores()
        else:
            size, room = MOST_ON_ACCELERATOR, _accelerator_bytes(device)
        sizes.append(size if room is None else min(size, int(room / needed)))
    return max(1, min(sizes))


def _accelerator_bytes(device: str) -> float | None:
    if not device.startswith("cuda"):
        return None
    import torch

    free: int = torch.cuda.mem_get_info(device)[0]
    return SHARE * free


def fitting_workers(shards: Sequence[Shard], units: Sequence[int]) -> int:
    """Return for how many of the largest shards at a time the memory is enough; at least one.

    Parameters
    ----------
    shards
        What is trained.
    units
        How many units their networks have.
    """
    free = memory_bytes()
    if free is None or not shards:
        return cores()
    largest = max(
        len(shard.networks) * bytes_per_network(shard, count)[1] for shard, count in zip(shards, units, strict=True)
    )
    return max(1, min(cores(), int(SHARE * free / largest)))
