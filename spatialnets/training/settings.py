"""Settings of training: the ``training`` block of an experiment."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

from spatialnets.aliases import PerNetwork
from spatialnets.validation import require_at_least, require_not_negative, require_positive

__all__ = ["Training"]


@dataclass(frozen=True)
class Training:
    """How networks are trained: Adam on the task loss plus the penalty.

    Parameters
    ----------
    epochs
        Number of passes through the training trials.
    trials_per_epoch
        Training trials of each network, drawn once and presented in the same order in every epoch.
    fresh_trials
        If True, new trials are drawn for every update instead: for tasks whose trials are too varied to be stored.
    batch_size
        Trials per update.
    validation_trials
        Trials on which validation accuracy is measured, without noise.
    learning_rate, beta1, beta2, epsilon
        Parameters of Adam; the learning rate may differ between networks.
    input_noise
        Standard deviation of the Gaussian noise added to every input during training; may differ between networks.
    recurrent_noise
        Standard deviation of the Gaussian noise added to the input of every unit during training, for cores that
        support it; may differ between networks.
    keep_every
        Interval, in epochs, at which weights and scores are stored; those before training and of the last epoch are
        always stored. A network of 10,000 units takes 420 MB each time, in memory and on disk.
    device
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"`` or ``"xpu"``; or ``"auto"``: an NVIDIA GPU if there is one
        when the run begins, otherwise the CPU.
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
            require_at_least(name, getattr(self, name), 1)
        require_positive("learning_rate", self.learning_rate)
        require_not_negative("input_noise", self.input_noise)
        require_not_negative("recurrent_noise", self.recurrent_noise)
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 0 and below 1, not {getattr(self, name)}")
        require_positive("epsilon", self.epsilon)
        if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", self.device):
            raise ValueError(f"device must be auto, cpu, cuda, cuda:N, mps or xpu, not {self.device!r}")
        if self.batch_size > self.trials_per_epoch:
            raise ValueError(f"batch_size {self.batch_size} is larger than trials_per_epoch {self.trials_per_epoch}")

    @property
    def device_here(self) -> str:
        """The device on this machine, with ``"auto"`` resolved."""
        if self.device != "auto":
            return self.device
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def updates_per_epoch(self) -> int:
        """The number of batches in an epoch, including a smaller last one."""
        return math.ceil(self.trials_per_epoch / self.batch_size)

    @property
    def kept_epochs(self) -> tuple[int, ...]:
        """The epochs of which weights and scores are stored, in order.

        Examples
        --------
        >>> Training(epochs=10, keep_every=4).kept_epochs
        (0, 4, 8, 10)
        """
        return tuple(sorted({*range(0, self.epochs + 1, self.keep_every), self.epochs}))
