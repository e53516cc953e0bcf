"""Chance: one stream of random numbers per network and purpose, derived from its seed and nothing else.

A network therefore sees the same initial weights, problems and noise alone, among fifty others, in
another shard or on another engine, and a continued run needs no saved generator state.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

__all__ = ["numpy_stream", "torch_stream"]


def _sequence(seed: int, purpose: str, step: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), step])


def numpy_stream(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """Return the NumPy stream of one network and purpose.

    Parameters
    ----------
    seed
        The network's seed, a non-negative integer.
    purpose
        What the numbers are for, such as ``"training trials"``.
    step
        Which of several streams for that purpose, such as the epoch.

    Examples
    --------
    >>> bool(numpy_stream(7, "noise").normal() == numpy_stream(7, "noise").normal())
    True
    >>> bool(numpy_stream(7, "noise").normal() == numpy_stream(7, "noise", step=1).normal())
    False
    """
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, step)))


def torch_stream(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """Return the torch stream (on the CPU) of one network and purpose; arguments as in `numpy_stream`."""
    import torch

    generator = torch.Generator()
    high, low = _sequence(seed, purpose, step).generate_state(2, np.uint32)
    generator.manual_seed((int(high) << 31) ^ int(low))
    return generator
