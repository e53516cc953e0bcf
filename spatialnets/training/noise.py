"""Noise of many networks, each from streams of its own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spatialnets.rng import torch_stream

__all__ = ["Noise"]


class Noise:
    """Gaussian noise of each network, from streams of its own.

    Parameters
    ----------
    size
        Standard deviations, ``(network,)``; where all are zero nothing is drawn.
    purpose
        What for.
    seeds
        One per network.
    epoch
        In which epoch.
    """

    def __init__(self, size: Tensor, purpose: str, seeds: Sequence[int], epoch: int) -> None:
        self.size, self.any = size, bool((size > 0).any())
        self.generators = [torch_stream(seed, purpose, epoch) for seed in seeds] if self.any else []

    def __bool__(self) -> bool:
        return self.any

    def drawn(self, shape: Sequence[int]) -> Tensor:
        """Return noise ``(network, *shape)``."""
        noise = torch.stack([torch.randn(tuple(shape), generator=generator) for generator in self.generators])
        return noise.to(self.size) * self.size.view(-1, *[1] * len(shape))

    def added_to(self, values: Tensor) -> Tensor:
        """Return values ``(network, …)`` with noise."""
        return values + self.drawn(values.shape[1:]) if self.any else values
