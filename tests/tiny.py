"""A tiny shard for tests that train: two networks of eight units, a few updates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.cores import RNN
from spatialnets.geometries import Grid
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.regularizers import L1
from spatialnets.tasks import OneChoice
from spatialnets.training.settings import Training
from spatialnets.training.shard import Shard

CUBE = StoredGeometry.of(Grid((2, 2, 2)))
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
OVERRIDES = (
    "networks=1",
    "training.epochs=1",
    "training.trials_per_epoch=64",
    "training.batch_size=32",
    "training.validation_trials=32",
    "task.goal_steps=2",
    "task.delay_steps=1",
    "task.choice_steps=2",
)
"""Overrides that make the demo equally small."""


def tiny(training: dict[str, Any] | None = None, **parts: Any) -> Shard:
    """Return the tiny shard with other components or training settings."""
    return replace(SHARD, training=replace(TRAINING, **(training or {})), **parts)


def random(*shape: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=shape)
