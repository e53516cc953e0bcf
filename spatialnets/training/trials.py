"""Trials of many networks, with equal trials stored once."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatialnets.errors import UserError
from spatialnets.protocols import Task, Trials
from spatialnets.rng import numpy_stream

__all__ = ["Batch", "FreshTrials", "TrialSet"]

PARTS = ("inputs", "targets", "mask")  # of trials: what networks are trained on
CHUNK = 256  # trials whose bytes are copied at a time


class Batch(NamedTuple):
    """Trials of many networks for one update.

    Parameters
    ----------
    inputs
        ``(network, trial, time, input)``.
    targets, mask
        ``(network, trial, step, output)`` and ``(network, trial, step)``, only at `steps`.
    steps
        The time steps at which any trial requires an output.
    """

    inputs: Tensor
    targets: Tensor
    mask: Tensor
    steps: list[int]


class FreshTrials:
    """Trials that are drawn again for each update, from a separate stream for each.

    Parameters
    ----------
    task
        The task.
    seeds
        One for each network.
    dtype, device
        Type and device of the tensors.
    """

    def __init__(self, task: Task, seeds: Sequence[int], dtype: torch.dtype, device: torch.device) -> None:
        self.task, self.seeds, self.dtype, self.device = task, seeds, dtype, device

    def batch(self, count: int, update: int) -> Batch:
        """Return the trials of one update, determined by the number of the update."""
        generators = [numpy_stream(seed, "training trials", update) for seed in self.seeds]
        drawn = list(_drawn(self.task, count, generators))
        inputs, targets, mask = (
            np.concatenate([getattr(trials, part)[which] for trials, which in drawn]) for part in PARTS
        )
        steps = np.flatnonzero(mask.any(axis=(0, 1)))

        def tensor(values: NDArray[np.float32]) -> Tensor:
            return torch.tensor(values, dtype=self.dtype, device=self.device)

        return Batch(
            tensor(inputs), tensor(targets[:, :, steps]), tensor(mask[:, :, steps]), [int(step) for step in steps]
        )


class TrialSet:
    """Trials drawn once for each network, from its own generator.

    A task with few problems repeats them: the 2,560 validation trials of the one-choice task are eight distinct ones.
    Equal trials are stored once for all networks and, without noise, evaluated once. If the task numbers its trials,
    only their numbers are drawn for each network (see `Task.draw_numbers`).

    Parameters
    ----------
    task
        The task.
    count
        Number of trials of each network.
    generators
        One for each network.
    dtype, device
        Type and device of the tensors.

    Raises
    ------
    UserError
        If a trial has values that are not finite, or trials differ in their shapes.

    Attributes
    ----------
    inputs, targets, mask
        The distinct trials: ``(distinct, time, input)``, ``(distinct, time, output)``, ``(distinct, time)``; targets
        and mask only at `steps`.
    index
        Index of each trial among the distinct ones, ``(network, trial)``.
    rows, counts
        The distinct trials of each network and how often it has them, ``(network, row)`` each, padded with count 0.
    steps
        The time steps at which any trial requires an output.
    """

    def __init__(
        self,
        task: Task,
        count: int,
        generators: Sequence[np.random.Generator],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        places: dict[bytes, int] = {}  # of each distinct trial, in the order in which they are first drawn
        shapes: list[tuple[int, ...]] = []
        indices = []
        for trials, which in _drawn(task, count, generators):
            before, shapes = shapes, [getattr(trials, part).shape[1:] for part in PARTS]
            if before not in ([], shapes):
                raise UserError(
                    f"{type(task).__name__}: all trials must have the same shapes; some have inputs of shape "
                    f"{before[0]} and others of {shapes[0]}"
                )
            own = [places.setdefault(content, len(places)) for content in _contents(trials)]
            indices.append(np.array(own)[which])
        contents = sorted(places)  # an order that does not depend on which network draws a trial first
        order = np.empty(len(contents), dtype=np.int64)
        order[[places[content] for content in contents]] = np.arange(len(contents))
        index = order[np.concatenate(indices)]
        numbers = np.frombuffer(b"".join(contents), dtype=np.float32).reshape(len(contents), -1)
        ends = np.cumsum([math.prod(shape) for shape in shapes])
        inputs, targets, mask = (
            part.reshape(-1, *shape) for part, shape in zip(np.split(numbers, ends[:-1], axis=1), shapes, strict=True)
        )
        for name, values in zip(PARTS, (inputs, targets, mask), strict=True):
            if not np.isfinite(values).all():
                raise UserError(
                    f"{type(task).__name__}: {name} of trials must be finite; at least one of {count} trials is not"
                )
        steps = np.flatnonzero(mask.any(axis=0))
        self.steps = [int(step) for step in steps]
        self.inputs = torch.tensor(inputs, dtype=dtype, device=device)
        self.targets = torch.tensor(targets[:, steps], dtype=dtype, device=device)
        self.mask = torch.tensor(mask[:, steps], dtype=dtype, device=device)
        self.index = torch.tensor(index, dtype=torch.int64, device=device)
        counted = [np.unique(own, return_counts=True) for own in index]
        rows, counts = np.zeros((2, len(index), max(len(which) for which, _ in counted)), dtype=np.int64)
        for network, (which, times) in enumerate(counted):
            rows[network, : len(which)], counts[network, : len(which)] = which, times
        self.rows = torch.tensor(rows, device=device)
        self.counts = torch.tensor(counts, dtype=dtype, device=device)

    def batch(self, start: int, stop: int) -> Batch:
        """Return the trials from `start` up to `stop`."""
        which = self.index[:, start:stop]
        return Batch(self.inputs[which], self.targets[which], self.mask[which], self.steps)


def _drawn(
    task: Task, count: int, generators: Sequence[np.random.Generator]
) -> Iterator[tuple[Trials, NDArray[np.int64] | None]]:
    """Yield trials, and those of each network as an index ``(network, trial)``; None: in order, of one network."""
    if task.draws_numbers:
        drawn = np.stack([task.draw_numbers(count, generator) for generator in generators])
        used, which = np.unique(drawn, return_inverse=True)
        yield task.numbered(used), which.reshape(drawn.shape)
        return
    for generator in generators:
        yield task.trials(count, generator), None


def _contents(trials: Trials) -> Iterator[bytes]:
    """Yield the bytes of each trial: inputs, targets and mask."""
    for start in range(0, len(trials), CHUNK):
        parts = [np.asarray(getattr(trials, part)[start : start + CHUNK], dtype=np.float32) for part in PARTS]
        joined = np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)
        yield from joined.view(f"V{joined.shape[1] * joined.itemsize}").ravel().tolist()
