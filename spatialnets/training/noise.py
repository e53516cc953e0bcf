"""Gaussian noise for many networks, each from its own streams."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spatialnets.rng import torch_stream

__all__ = ["Noise"]


class Noise:
    """Gaussian noise of each network for one purpose in one epoch.

    Parameters
    ----------
    size
        Standard deviations, ``(network,)``; nothing is drawn if all are zero.
    purpose
        What the noise is for, such as ``"input noise"``; each purpose has its own streams.
    seeds
        One for each network.
    epoch
        The epoch; each has its own streams.
    """

    def __init__(self, size: Tensor, purpose: str, seeds: Sequence[int], epoch: int) -> None:
        self.size, self.any = size, bool((size > 0).any())
        self.generators = [torch_stream(seed, purpose, epoch) for seed in seeds] if self.any else []

    def __bool__(self) -> bool:
        return self.any

    def draw(self, shape: Sequence[int]) -> Tensor:
        """Return noise ``(network, *shape)``."""
        noise = torch.stack([torch.randn(tuple(shape), generator=generator) for generator in self.generators])
        return noise.to(self.size) * self.size.view(-1, *[1] * len(shape))

    def add_to(self, values: Tensor) -> Tensor:
        """Return values ``(network, …)`` plus noise."""
        return values + self.draw(values.shape[1:]) if self.any else values
