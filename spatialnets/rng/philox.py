r"""Philox 4x32-10 and normal deviates in plain PyTorch operations, for any device.

A block is four 32-bit words, a function of a key of two words and a counter of four. The counter is (number of the
block, kind of array, update, epoch). Element :math:`e` of an array of :math:`n` normal deviates is number
:math:`\lfloor e / B \rfloor` of the four in block :math:`e \bmod B`, where :math:`B = \lceil n / 4 \rceil`; a block has
two pairs, each from two words :math:`v, w` by the transform of Box and Muller:

.. math:: \sqrt{-2 \ln u} \, (\pm \cos(\pi x / 2), \pm \sin(\pi x / 2))

where :math:`u` is a number between 0 and 1 from the upper 23 bits of :math:`v`, the signs are the two upper bits of
:math:`w`, and :math:`x`, between 0 and 1, its next 21 bits.

Only additions, multiplications and square roots of float32 are used, each rounded on its own, and polynomials instead
of the logarithm, sine and cosine of a library. All CPUs thus compute the same bits, and so does
`spatialnets.rng.philox_kernels`, which makes the same steps in the same order.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["LN_2", "LOG", "MULTIPLIERS", "SINE", "SQRT_HALF", "WEYL", "philox", "random_normals", "random_signs"]

MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
WORD = 0xFFFFFFFF  # mask of 32 bits
LANES = 4
BITS = 32 * LANES

# ln(1 + m) = m - m^2 / 2 + m^3 P(m), for m from sqrt(1/2) - 1 to sqrt(2) - 1; from the Cephes library, highest first
LOG = tuple(
    float(np.float32(value))
    for value in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
)
LN_2 = float(np.float32(0.69314718056))
SQRT_HALF = 0x3F3504F3  # bits of the float32 sqrt(1/2)
# sin(pi x / 2) = x P(x^2), for x from 0 to 1: interpolation at Chebyshev nodes, relative error 7e-9; highest first
SINE = tuple(
    float(np.float32(value))
    for value in (1.5167170368375678e-4, -4.674143838188751e-3, 7.968991832905106e-2, -0.6459637595835442, 1.57079632)
)

# Number of blocks, of all networks, computed at a time: intermediate results stay in the cache of a CPU, and do not
# fill the memory of another device.
CHUNK_ON_CPU, CHUNK = 2**14, 2**22


def philox(counter: Sequence[Tensor], key: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the four words of each block, int64 from 0 to 2**32 - 1.

    Parameters
    ----------
    counter
        The four words of the counter, int64 of one shape.
    key
        The two words of the key, int64, which broadcast to this shape.

    Examples
    --------
    >>> zero = torch.tensor(0)
    >>> [f"{int(word):x}" for word in philox([zero] * 4, [zero] * 2)]
    ['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']
    """
    c0, c1, c2, c3 = (word.clone() for word in counter)
    k0, k1 = key
    for _ in range(ROUNDS):
        # products wrap around at 64 bits, which leaves their lower and upper words right except for upper sign bits
        p0, p1 = c0.mul_(MULTIPLIERS[0]), c2.mul_(MULTIPLIERS[1])
        c0 = (p1 >> 32).bitwise_xor_(c1).bitwise_xor_(k0).bitwise_and_(WORD)
        c2 = (p0 >> 32).bitwise_xor_(c3).bitwise_xor_(k1).bitwise_and_(WORD)
        c1, c3 = p1, p0
        k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
    return c0, c1.bitwise_and_(WORD), c2, c3.bitwise_and_(WORD)


def random_normals(keys: Tensor, count: int, counter: tuple[int, int, int]) -> Tensor:
    """Return standard normal deviates, float32, ``(network, count)``.

    Parameters
    ----------
    keys
        Two words for each network, ``(network, 2)``, int64.
    count
        Number of deviates of each network.
    counter
        The last three words of the counter.
    """
    blocks = -(-count // LANES)
    normals = torch.empty((len(keys), LANES, blocks), dtype=torch.float32, device=keys.device)
    chunk = max(1, (CHUNK_ON_CPU if keys.device.type == "cpu" else CHUNK) // max(1, len(keys)))
    for start in range(0, blocks, chunk):
        part = slice(start, min(start + chunk, blocks))
        words = _blocks(keys, part, counter)
        for lane in (0, 2):
            radius = _radius(words[lane])
            cosine, sine = _direction(words[lane + 1])
            torch.mul(radius, cosine, out=normals[:, lane, part])
            torch.mul(radius, sine, out=normals[:, lane + 1, part])
    return normals.flatten(1)[:, :count]


def random_signs(keys: Tensor, count: int, counter: tuple[int, int, int]) -> Tensor:
    """Return 1 or -1 from single bits, int8, ``(network, count)``; arguments as in `random_normals`."""
    blocks = -(-count // BITS)
    words = torch.stack(_blocks(keys, slice(0, blocks), counter), dim=1)
    bits = torch.arange(32, device=keys.device)[:, None]
    signs = ((words[:, :, None] >> bits) & 1).to(torch.int8).mul_(2).sub_(1)
    return signs.flatten(1)[:, :count]


def _blocks(keys: Tensor, which: slice, counter: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the words of consecutive blocks, ``(network, block)`` each."""
    first = torch.arange(which.start, which.stop, device=keys.device).expand(len(keys), -1)
    return philox([first, *(torch.full_like(first, word) for word in counter)], (keys[:, :1], keys[:, 1:]))


def _radius(words: Tensor) -> Tensor:
    """Return sqrt(-2 ln u), where u is the number in the upper 23 bits of a word, plus 1/2, divided by 2**23."""
    uniform = (words >> 9).float().add_(0.5).mul_(2.0**-23)
    bits = uniform.view(torch.int32)
    exponent = (bits - SQRT_HALF) >> 23
    m = (bits - (exponent << 23)).view(torch.float32) - 1
    square = m * m
    series = _polynomial(m, LOG).mul_(m).mul_(square).sub_(square * 0.5).add_(m)
    return _square_root(series.add_(exponent.float().mul_(LN_2)).mul_(-2))


def _direction(words: Tensor) -> tuple[Tensor, Tensor]:
    """Return cosine and sine of a uniform angle: two signs and an angle within a quadrant, from the upper 23 bits."""
    x = ((words >> 9) & 0x1FFFFF).float().add_(0.5).mul_(2.0**-21)
    signs = (1 - ((words >> 30) & 2)).float(), (1 - ((words >> 29) & 2)).float()
    return _quarter_sine(1 - x).mul_(signs[0]), _quarter_sine(x).mul_(signs[1])


def _quarter_sine(x: Tensor) -> Tensor:
    """Return sin(pi x / 2) for x from 0 to 1."""
    return _polynomial(x * x, SINE).mul_(x)


def _polynomial(x: Tensor, coefficients: tuple[float, ...]) -> Tensor:
    values = x * coefficients[0]
    for coefficient in coefficients[1:-1]:
        values.add_(coefficient).mul_(x)
    return values.add_(coefficients[-1])


def _square_root(values: Tensor) -> Tensor:
    """Return square roots, correctly rounded on CPUs.

    PyTorch may leave the square roots of float32 on CPUs to a vector library that does not promise this. Those of
    float64 are exact enough that rounding them to float32 gives the correct result.
    """
    return values.double().sqrt_().float() if values.device.type == "cpu" else values.sqrt_()
