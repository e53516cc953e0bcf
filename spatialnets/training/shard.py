"""The unit of work: some networks of one group, with everything needed to train them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import PerNetwork, RecurrentCore, Regularizer, Task

__all__ = ["Shard", "Training", "axis_values"]


@dataclass(frozen=True)
class Training:
    """How networks are trained: Adam on the task's loss plus the penalty.

    Parameters
    ----------
    epochs
        How often the training trials are gone through.
    trials_per_epoch
        Training trials of each network, drawn once and kept in order.
    fresh_trials
        Whether trials are drawn anew for every update instead: for tasks with more variety than fits into memory.
    batch_size
        Trials per update.
    validation_trials
        Trials on which validation accuracy is measured, without noise.
    learning_rate, beta1, beta2, epsilon
        Parameters of Adam; the learning rate may differ per network.
    input_noise
        Standard deviation of the Gaussian noise added to every input while training; may differ per network.
    recurrent_noise
        Standard deviation of the Gaussian noise added to what enters every unit while training, for cores that take
        it; may differ per network.
    keep_every
        Weights and scores are kept before training, of every so many epochs, and of the last. A network of 10,000 units
        takes 420 MB at each, in memory and on disk.
    device
        Where to train: ``"cpu"``, ``"cuda"`` or ``"cuda:1"``, ``"mps"``, ``"xpu"``; or ``"auto"``, an NVIDIA GPU where
        there is one when the run begins, and else the processor.
    precision
        Floating-point type of weights and states.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Methods, "Training".
    """

    epochs: int = 10
    trials_per_epoch: int = 5120
    batch_size: int = 128
    validation_trials: int = 2560
    learning_rate: PerNetwork = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-7
    input_noise: PerNetwork = 0.05
    recurrent_noise: PerNetwork = 0.0
    fresh_trials: bool = False
    keep_every: int = 1
    device: str = "cpu"
    precision: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        for name in ("epochs", "trials_per_epoch", "batch_size", "validation_trials", "keep_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        for name, lowest in (
            ("learning_rate", "positive"),
            ("input_noise", "not negative"),
            ("recurrent_noise", "not negative"),
        ):
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if not math.isfinite(value) or value < 0 or (value == 0 and lowest == "positive"):
                    raise ValueError(f"{name} must be finite and {lowest}, not {value}")
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        if not (math.isfinite(self.epsilon) and self.epsilon > 0):
            raise ValueError(f"epsilon must be positive, not {self.epsilon}")
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            raise ValueError(f"device must be auto, cpu, cuda, cuda:N, mps or xpu, not {self.device!r}")
        if self.batch_size > self.trials_per_epoch:
            raise ValueError(f"batch_size {self.batch_size} is more than trials_per_epoch {self.trials_per_epoch}")

    @property
    def device_here(self) -> str:
        """The device that ``"auto"`` means on this machine, or the one that is named."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def updates_per_epoch(self) -> int:
        """How many batches an epoch has; a last, smaller batch counts."""
        return math.ceil(self.trials_per_epoch / self.batch_size)

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights and scores are kept, in order.

        Examples
        --------
        >>> Training(epochs=10, keep_every=4).kept_epochs
        (0, 4, 8, 10)
        """
        return tuple(sorted({*range(0, self.epochs + 1, self.keep_every), self.epochs}))


@dataclass(frozen=True)
class Shard:
    """Some networks of one group that are trained together as one batch.

    Parameters
    ----------
    index
        Number of the shard in its run.
    group
        Name of the group.
    networks
        The networks' numbers within their group.
    seeds
        One seed per network.
    geometry
        The geometry's name in its run (see `Run.geometry`).
    core, regularizer, task, training
        The parts; a `PerNetwork` field holds one number, or one per network of this shard.
    axes
        The values of what varies between the networks of the group, by key path, each ``(network,)``.
    """

    index: int
    group: str
    networks: tuple[int, ...]
    seeds: tuple[int, ...]
    geometry: str
    core: RecurrentCore
    regularizer: Regularizer
    task: Task
    training: Training
    axes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def updates(self) -> int:
        """Updates of one network, over all epochs."""
        return self.training.epochs * self.training.updates_per_epoch


def axis_values(values: tuple[Any, ...]) -> NDArray[Any]:
    """Return the values of an axis as a coordinate of a run, ``(network,)``: numbers, or else words."""
    if all(isinstance(value, (bool, int, float)) for value in values):
        return np.array(values, dtype=float if any(isinstance(value, float) for value in values) else int)
    return np.array([str(value) for value in values], dtype=object)
