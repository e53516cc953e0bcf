"""Noise, trials and checkpoints, compared with how they were made before (`before.py`)."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import before
import numpy as np
import torch
from baseline import INPUTS, STEPS, TRIALS
from peak import NETWORKS_PER_SHARD, UPDATES_PER_EPOCH
from steps import geometry
from timing import Effort, Figures, time_alternately
from torch import Tensor

from spatialnets.cores import RNN
from spatialnets.regularizers import L1
from spatialnets.rng import numpy_stream
from spatialnets.tasks import OneChoice
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard
from spatialnets.training.trainer import Trainer
from spatialnets.training.trials import Batch, TrialSet

EPOCHS = 10  # of the paper
SEEDS = tuple(range(NETWORKS_PER_SHARD))


class Idle(Trainer):
    """A trainer that takes trials and noise for every update, as training does, but does not update the networks."""

    def update(self, batch: Batch, noise: Tensor | None = None, epoch: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return a loss and an accuracy of zero."""
        return torch.zeros(len(batch.inputs)), torch.zeros(len(batch.inputs))


def noise(effort: Effort) -> tuple[float, float]:
    """Return the seconds to add input noise in an epoch of a shard: before, and now.

    The latter is the difference between epochs with and without noise, in which networks are not updated.
    """

    def epoch_of(size: float) -> Callable[[], None]:
        training = Training(epochs=10**9, keep_every=10**9, validation_trials=8, input_noise=size)
        trainer = Idle(Shard(0, "x", SEEDS, SEEDS, "grid", RNN(), L1(0.01), OneChoice(), training), geometry())
        return lambda: trainer.run_epoch(lambda updates, epoch: None)

    size = torch.full((NETWORKS_PER_SHARD,), 0.05)
    inputs = torch.rand(NETWORKS_PER_SHARD, TRIALS, STEPS, INPUTS)

    def old() -> None:
        drawn = before.Noise(size, "input noise", SEEDS, 1)
        for _ in range(UPDATES_PER_EPOCH):
            drawn.add_to(inputs)

    seconds = time_alternately({"old": old, "with": epoch_of(0.05), "without": epoch_of(0.0)}, effort.repeats)
    return seconds["old"], max(seconds["with"] - seconds["without"], 1e-9)  # noise may make the difference negative


def trials(effort: Effort) -> tuple[float, float]:
    """Return the seconds to draw the training and validation trials of a shard, and to count the latter."""
    task, training = OneChoice(), Training()
    counts = {"training trials": training.trials_per_epoch, "validation trials": training.validation_trials}

    def streams(purpose: str) -> list[np.random.Generator]:
        return [numpy_stream(seed, purpose) for seed in SEEDS]

    def old() -> None:
        for purpose, count in counts.items():
            before.TrialSet(task, count, streams(purpose), torch.float32).counted()

    def new() -> None:
        for purpose, count in counts.items():
            TrialSet(task, count, streams(purpose), torch.float32, torch.device("cpu"))

    seconds = time_alternately({"old": old, "new": new}, min(effort.repeats, 5))
    return seconds["old"], seconds["new"]


def checkpoints(folder: Path) -> tuple[float, float]:
    """Return the seconds to store the state of a shard after each of the paper's ten epochs."""
    training = Training(epochs=EPOCHS, trials_per_epoch=TRIALS, validation_trials=8)
    trainer = Trainer(Shard(0, "x", SEEDS, SEEDS, "grid", RNN(), L1(0.01), OneChoice(), training), geometry())
    old = before.Checkpoint(folder / "before.npz")
    seconds = {"old": 0.0, "new": 0.0}

    for epoch in range(EPOCHS + 1):
        if epoch:
            trainer.run_epoch(lambda updates, epoch: None)
        kept = {name: block.detach().numpy() for name, block in trainer.ensemble.projections().items()}
        state = {
            f"{part}/{name}": values.detach().numpy()
            for part, tensors in (
                ("state", trainer.ensemble.state_dict()),
                ("first", trainer.optimizer.first),
                ("second", trainer.optimizer.second),
            )
            for name, values in tensors.items()
        }
        if not epoch:
            old.keep(kept)
            continue
        for name in ("old", "new") if epoch % 2 else ("new", "old"):  # the disk may still be at work for the other
            start = time.perf_counter()
            if name == "old":
                old.save(state, kept)
            else:
                trainer.save(folder / "checkpoint.npz")
            seconds[name] += time.perf_counter() - start
    return seconds["old"], seconds["new"]


def savings(effort: Effort) -> Figures:
    """Noise, trials and checkpoints of a shard of the paper's networks: as before December 2026, and now, one thread.

    Noise of an epoch; training and validation trials; checkpoints after each of ten epochs.
    """
    figures = {}
    with tempfile.TemporaryDirectory(prefix="spatialnets-benchmark-") as folder:
        stored = [checkpoints(Path(folder)) for _ in range(min(effort.repeats, 3))]
    pairs = {"noise": noise(effort), "trials": trials(effort), "checkpoints": sorted(stored)[len(stored) // 2]}
    for name, (old, new) in pairs.items():
        figures[f"milliseconds: {name}, before"] = 1000 * old
        figures[f"milliseconds: {name}"] = 1000 * new
        figures[f"ratio: {name}"] = old / new
    return figures
