"""The streams of random numbers: NumPy and PyTorch generators, and numbers computed from a counter."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Stream", "numpy_stream", "torch_stream"]


def _sequence(seed: int, purpose: str, *step: int) -> np.random.SeedSequence:
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *step])


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


@dataclass(frozen=True, eq=False)
class Stream:
    """Random numbers of many networks for one purpose, computed from a counter: a stream without state.

    The numbers of a network are a function of its key, which its seed and the purpose determine, of update, epoch and
    draw, and of the shape of the array: not of the other networks, of the numbers drawn before, or of the number of
    threads. On CPUs they are the same to the bit with numba and without, on every processor; other devices may round
    differently. The generator is Philox 4x32-10.

    Parameters
    ----------
    keys
        Two 32-bit words of each network, ``(network, 2)``, int64, on the device of the numbers; see `of`.
    update, epoch
        The moment, from 0 to 2**32 - 1 each; see `at`.

    Raises
    ------
    ValueError
        If the keys have another shape or type, or update or epoch are out of range.

    References
    ----------
    Salmon, Moraes, Dror & Shaw (2011), doi:10.1145/2063384.2063405; Box & Muller (1958), doi:10.1214/aoms/1177706645.

    Examples
    --------
    >>> noise = Stream.of(seeds=[3, 4], purpose="input noise").at(update=5, epoch=1)
    >>> noise.normals((128, 50, 8)).shape
    torch.Size([2, 128, 50, 8])
    >>> alone = Stream.of([4], "input noise").at(5, 1)
    >>> bool((noise.normals((100,))[1] == alone.normals((100,))[0]).all())
    True
    """

    keys: Tensor
    update: int = 0
    epoch: int = 0

    def __post_init__(self) -> None:
        import torch

        if self.keys.dtype != torch.int64 or self.keys.ndim != 2 or self.keys.shape[1] != 2:
            raise ValueError(
                f"keys must be int64 of shape (network, 2), not {self.keys.dtype} of {tuple(self.keys.shape)}: "
                "write Stream.of(seeds, purpose)"
            )
        for name, value in (("update", self.update), ("epoch", self.epoch)):
            if not 0 <= value < 2**32:
                raise ValueError(f"{name} must be from 0 to 2**32 - 1, not {value}")

    @classmethod
    def of(cls, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu") -> Stream:
        """Return the stream of some networks for one purpose.

        Parameters
        ----------
        seeds
            One for each network, not negative.
        purpose
            What the numbers are for, such as ``"input noise"``; other purposes have other numbers.
        device
            Where the numbers are computed.
        """
        import torch

        keys = np.array([_sequence(seed, purpose).generate_state(2, np.uint32) for seed in seeds], dtype=np.int64)
        return cls(torch.from_numpy(keys.reshape(-1, 2)).to(device))

    def at(self, update: int, epoch: int = 0) -> Stream:
        """Return the stream at an update of an epoch; its numbers are independent of those at other moments."""
        return replace(self, update=update, epoch=epoch)

    def __len__(self) -> int:
        """Return the number of networks."""
        return len(self.keys)

    def normals(self, shape: Sequence[int], size: Tensor | None = None, draw: int = 0) -> Tensor:
        """Return normally distributed numbers ``(network, *shape)`` with mean 0.

        They have the precision of float32 and lie within 5.8 standard deviations.

        Parameters
        ----------
        shape
            Shape of the numbers of one network.
        size
            Standard deviation of each network, ``(network,)``, whose type is that of the numbers; None for 1, float32.
        draw
            Number of the array, if several independent arrays are needed at the same moment.
        """
        import torch

        size = torch.ones(len(self), device=self.keys.device) if size is None else size
        values = torch.empty((len(self), *shape), dtype=size.dtype, device=self.keys.device)
        self._normals(values, size, draw, add=False)
        return values

    def add_normals_to(self, values: Tensor, size: Tensor, draw: int = 0) -> None:
        """Add ``normals(shape, size, draw)`` to values ``(network, *shape)`` in place, in one pass over the memory."""
        self._normals(values, size, draw, add=True)

    def signs(self, shape: Sequence[int], dtype: torch.dtype | None = None, draw: int = 0) -> Tensor:
        """Return 1 or -1 with equal probability, ``(network, *shape)``, independent of `normals`.

        Parameters
        ----------
        shape, draw
            As in `normals`.
        dtype
            Type of the numbers; None for float32.
        """
        import torch

        from spatialnets.rng.philox import random_signs

        signs = random_signs(self.keys, math.prod(shape), self._counter(2 * draw + 1))
        return signs.to(dtype or torch.float32).view(len(self), *shape)

    def _normals(self, values: Tensor, size: Tensor, draw: int, add: bool) -> None:
        import torch

        from spatialnets.compiled import HAS_NUMBA
        from spatialnets.rng.philox import random_normals

        if len(values) != len(self) or size.shape != (len(self),):
            raise ValueError(
                f"values of {len(values)} networks and standard deviations of shape {tuple(size.shape)} do not match "
                f"the {len(self)} networks of the stream"
            )
        counter, count = self._counter(2 * draw), math.prod(values.shape[1:])
        float32 = values.dtype == size.dtype == torch.float32
        if HAS_NUMBA and float32 and values.is_contiguous() and values.device.type == "cpu":
            from spatialnets.rng.philox_kernels import fill_normals

            rows = values.detach().view(len(self), count)
            fill_normals(self.keys.numpy(), size.detach().numpy(), *counter, add, rows.numpy())
            return
        noise = random_normals(self.keys, count, counter).to(size.dtype).mul_(size[:, None]).view(values.shape)
        if add:
            values.add_(noise)
        else:
            values.copy_(noise)

    def _counter(self, number: int) -> tuple[int, int, int]:
        """Return the last three words of the counter; the first numbers the blocks of an array."""
        if not 0 <= number < 2**32:
            raise ValueError(f"draw must be from 0 to 2**31 - 1, not {number // 2}")
        return number, self.update, self.epoch
