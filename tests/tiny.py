"""A tiny shard for tests that train: four networks of eight units, some updates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.cores import RNN
from spatialnets.geometries import Grid
from spatialnets.regularizers import L1
from spatialnets.runs.folder import stored
from spatialnets.tasks import OneChoice
from spatialnets.training.shard import Shard, Training

CUBE = stored(Grid((2, 2, 2)))
TRAINING = Training(epochs=2, trials_per_epoch=96, batch_size=32, validation_trials=32)
SHARD = Shard(
    index=0,
    group="tiny",
    networks=(0, 1),
    seeds=(3, 4),
    geometry="cube",
    core=RNN(),
    regularizer=L1(0.01),
    task=OneChoice(goal_steps=2, delay_steps=1, choice_steps=2),
    training=TRAINING,
)
WORDS = (
    "networks=1",
    "training.epochs=1",
    "training.trials_per_epoch=64",
    "training.batch_size=32",
    "training.validation_trials=32",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
)
"""Words that make the demo as small."""


def tiny(training: dict[str, Any] | None = None, **parts: Any) -> Shard:
    """Return the tiny shard with other parts, or other settings of training."""
    return replace(SHARD, training=replace(TRAINING, **(training or {})), **parts)


def random(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)
