"""The memory that training needs, and the cores, cache and memory of this machine."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialnets.training.shard import Shard

if TYPE_CHECKING:
    from spatialnets.experiments.group import EnsembleSpec

__all__ = ["bytes_per_network", "cache_bytes", "cores", "fitting_workers", "free_accelerator_bytes", "memory_bytes"]

CACHE_BYTES = 8 * 2**20  # of a core, if the system does not tell
# Copies of the states held at once, forward and backward, and the same for each gate if that is more. Measured for a
# loss that sees all steps: 3.3 (rnn) to 5.6 (alif), and 2.3 (lstm) and 2.5 (gru) for each gate; if it sees only the
# last step, 1.3 to 3.4, and 1.9. Autograd, through a module of torch.nn: 12.8 (rnn), 4.1 (lstm) and 5.0 (gru).
STATE_COPIES, STATE_COPIES_PER_GATE = 6, 3
AUTOGRAD_STATE_COPIES, AUTOGRAD_STATE_COPIES_PER_GATE = 13, 5
WEIGHT_COPIES = 14  # copies of the weights: themselves, gradient, moments, and what a penalty computes
USABLE_SHARE = 0.6  # of the free memory


def cores() -> int:
    """Return the number of processor cores available to this process."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not available on this system
        return os.cpu_count() or 1


def cache_bytes() -> int:
    """Return a core's share of the largest cache, in bytes."""
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
    """Return the number of processors in a list such as ``0-3,8``."""
    ranges = [part.split("-") for part in cpus.split(",")]
    return sum(int(part[-1]) - int(part[0]) + 1 for part in ranges)


def memory_bytes() -> int | None:
    """Return the free memory of the machine or container, in bytes; None if the system does not tell."""
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


def bytes_per_network(ensemble: EnsembleSpec | Shard, n_units: int) -> tuple[int, int]:
    """Estimate the size of a network's states in one pass, and the memory it needs in total, in bytes.

    Gates do not count as states: four networks of a core with gates in a batch are a tenth faster than one, although
    its gates fill the cache.

    Parameters
    ----------
    ensemble
        The components.
    n_units
        Units of each network.
    """
    training, gates = ensemble.training, len(ensemble.core.gates)
    steps = ensemble.task.trials(1, np.random.default_rng(0)).inputs.shape[1]
    number = 8 if training.precision == "float64" else 4
    one_copy = number * training.batch_size * steps * n_units
    weights = n_units * (n_units * gates + ensemble.task.n_inputs + ensemble.task.n_outputs)
    kept = 2 * len(training.kept_epochs)  # copied when the shard is written
    copies = max(STATE_COPIES, STATE_COPIES_PER_GATE * gates)
    if not ensemble.core.takes_steps:
        copies = max(AUTOGRAD_STATE_COPIES, AUTOGRAD_STATE_COPIES_PER_GATE * gates)
    return one_copy, copies * one_copy + weights * (number * WEIGHT_COPIES + 4 * kept)


def fitting_workers(shards: Sequence[Shard], units: Sequence[int]) -> int:
    """Return the number of workers that use all cores and fit the memory with the largest shards; at least one.

    Parameters
    ----------
    shards
        The shards to train.
    units
        Units of the networks of each shard.
    """
    free = memory_bytes()
    if free is None or not shards:
        return cores()
    largest = max(
        len(shard.networks) * bytes_per_network(shard, count)[1] for shard, count in zip(shards, units, strict=True)
    )
    return max(1, min(cores(), int(USABLE_SHARE * free / largest)))


def free_accelerator_bytes(device: str) -> float | None:
    """Return the usable memory of a CUDA device, in bytes; None for other devices, whose memory is not known."""
    if not device.startswith("cuda"):
        return None
    import torch

    free: int = torch.cuda.mem_get_info(device)[0]
    return USABLE_SHARE * free
