"""Trials of many networks, with equal trials stored once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatialnets.errors import UserError
from spatialnets.protocols import Task, Trials
from spatialnets.rng import numpy_stream

__all__ = ["Batch", "FreshTrials", "TrialSet"]


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
        drawn = [self.task.trials(count, numpy_stream(seed, "training trials", update)) for seed in self.seeds]
        inputs, targets, mask = (
            np.stack([getattr(trials, name) for trials in drawn]) for name in ("inputs", "targets", "mask")
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
    Equal trials are stored once and, without noise, evaluated once.

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
        If a trial has values that are not finite.

    Attributes
    ----------
    inputs, targets, mask
        The distinct trials: ``(distinct, time, input)``, ``(distinct, time, output)``, ``(distinct, time)``; targets
        and mask only at `steps`.
    index
        Index of each trial among the distinct ones, ``(network, trial)``.
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
        drawn = [_distinct(task.trials(count, generator)) for generator in generators]
        rows = np.concatenate([rows for rows, _, _ in drawn])
        _, first, place = np.unique(rows, return_index=True, return_inverse=True)
        offsets = np.cumsum([0] + [len(rows) for rows, _, _ in drawn])
        index = np.stack([place[offset + which] for offset, (_, which, _) in zip(offsets[:-1], drawn, strict=True)])
        inputs, targets, mask = (
            np.concatenate([getattr(trials, name) for _, _, trials in drawn])[first]
            for name in ("inputs", "targets", "mask")
        )
        for name, values in (("inputs", inputs), ("targets", targets), ("mask", mask)):
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

    def batch(self, start: int, stop: int) -> Batch:
        """Return the trials from `start` up to `stop`."""
        which = self.index[:, start:stop]
        return Batch(self.inputs[which], self.targets[which], self.mask[which], self.steps)

    def counted(self) -> tuple[Tensor, Tensor]:
        """Return the distinct trials of each network and their counts, ``(network, row)`` each, padded with count 0."""
        unique = [torch.unique(index, return_counts=True) for index in self.index]
        longest = max(len(which) for which, _ in unique)
        rows = self.index.new_zeros((len(unique), longest))
        counts = self.mask.new_zeros((len(unique), longest))
        for network, (which, count) in enumerate(unique):
            rows[network, : len(which)] = which
            counts[network, : len(which)] = count.to(counts)
        return rows, counts


def _distinct(trials: Trials) -> tuple[NDArray[np.void], NDArray[np.int64], Trials]:
    """Return the bytes of the distinct trials, the index of each trial among them, and the distinct trials."""
    count = len(trials)
    joined = np.concatenate(
        [
            np.ascontiguousarray(part, dtype=np.float32).reshape(count, -1)
            for part in (trials.inputs, trials.targets, trials.mask)
        ],
        axis=1,
    )
    rows = np.ascontiguousarray(joined).view(np.dtype((np.void, joined.shape[1] * joined.itemsize))).ravel()
    distinct, first, which = np.unique(rows, return_index=True, return_inverse=True)
    kept = Trials(
        inputs=trials.inputs[first],
        targets=trials.targets[first],
        mask=trials.mask[first],
        conditions={name: values[first] for name, values in trials.conditions.items()},
        periods=trials.periods,
    )
    return distinct, which, kept
