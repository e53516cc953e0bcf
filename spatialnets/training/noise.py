"""Gaussian noise for many networks, each from its own stream."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from spatialnets.rng import Stream

__all__ = ["Noise"]


class Noise:
    """Gaussian noise of each network for one purpose; false if all standard deviations are zero.

    Parameters
    ----------
    size
        Standard deviations, ``(network,)``.
    purpose
        What the noise is for, such as ``"input noise"``; each purpose has its own streams.
    seeds
        One for each network.
    """

    def __init__(self, size: Tensor, purpose: str, seeds: Sequence[int]) -> None:
        self.size, self.any = size, bool((size > 0).any())
        self.stream = Stream.of(seeds, purpose, size.device)

    def __bool__(self) -> bool:
        return self.any

    def draw(self, shape: Sequence[int], update: int, epoch: int) -> Tensor:
        """Return the noise of an update, ``(network, *shape)``."""
        return self.stream.at(update, epoch).normals(shape, self.size)

    def add_to(self, values: Tensor, update: int, epoch: int) -> None:
        """Add the noise of an update to values ``(network, …)`` in place."""
        if self.any:
            self.stream.at(update, epoch).add_normals_to(values, self.size)
