"""Random numbers: one stream for each network and purpose, derived only from the network's seed.

A network therefore gets the same initial weights, trials and noise alone or in an ensemble of fifty, in any shard and
on any engine, and a resumed run needs no stored generator state.
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
    """Return the NumPy generator of one network and purpose.

    Parameters
    ----------
    seed
        The network's seed, a non-negative integer.
    purpose
        What the numbers are for, such as ``"training trials"``.
    step
        Number of the stream, such as the epoch, if a purpose has several.

    Examples
    --------
    >>> bool(numpy_stream(7, "noise").normal() == numpy_stream(7, "noise").normal())
    True
    >>> bool(numpy_stream(7, "noise").normal() == numpy_stream(7, "noise", step=1).normal())
    False
    """
    return np.random.Generator(np.random.PCG64(_sequence(seed, purpose, step)))


def torch_stream(seed: int, purpose: str, step: int = 0) -> torch.Generator:
    """Return the PyTorch generator (on the CPU) of one network and purpose; arguments as in `numpy_stream`."""
    import torch

    generator = torch.Generator()
    high, low = _sequence(seed, purpose, step).generate_state(2, np.uint32)
    generator.manual_seed((int(high) << 31) ^ int(low))
    return generator
