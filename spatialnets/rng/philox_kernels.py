"""Normal deviates of `spatialnets.rng.philox`, compiled by numba: the same bits, several times faster.

Importing this module imports numba; import it inside the functions that need it. Without numba, its functions are never
called, because loops over single numbers would take seconds.

The inner loops run over contiguous arrays without branches, so that LLVM makes vector instructions of them, as wide as
the processor has them. Words are held in 64 bits, because all of these processors multiply 32-bit words to 64 bits in
one instruction. Multiplications and additions must not be fused, so these functions are compiled without fastmath.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from spatialnets.compiled import jit
from spatialnets.rng import philox

__all__ = ["fill_normals", "fill_words"]

CHUNK = 512  # blocks at a time: their words and deviates, 16 KiB, stay in the first-level cache

f4, i4, u4, u8 = np.float32, np.int32, np.uint32, np.uint64
ROUNDS, WORD = philox.ROUNDS, u8(philox.WORD)
MULTIPLIERS = tuple(u8(value) for value in philox.MULTIPLIERS)
WEYL = tuple(u8(value) for value in philox.WEYL)
SQRT_HALF, LN_2 = i4(philox.SQRT_HALF), f4(philox.LN_2)
LOG, SINE = tuple(f4(value) for value in philox.LOG), tuple(f4(value) for value in philox.SINE)
SIGN = i4(-(2**31))


@jit
def fill_words(key0: int, key1: int, start: int, kind: int, update: int, epoch: int, words: NDArray[np.uint32]) -> None:
    """Write the four words of consecutive blocks into ``words``, ``(word, block)``; `start` is the first block."""
    w0, w1, w2, w3 = words[0], words[1], words[2], words[3]
    for block in range(len(w0)):
        c0, c1, c2, c3 = u8(start + block) & WORD, u8(kind) & WORD, u8(update) & WORD, u8(epoch) & WORD
        k0, k1 = u8(key0) & WORD, u8(key1) & WORD
        for _ in range(ROUNDS):
            p0, p1 = MULTIPLIERS[0] * c0, MULTIPLIERS[1] * c2
            c0, c1, c2, c3 = (p1 >> u8(32)) ^ c1 ^ k0, p1 & WORD, (p0 >> u8(32)) ^ c3 ^ k1, p0 & WORD
            k0, k1 = (k0 + WEYL[0]) & WORD, (k1 + WEYL[1]) & WORD
        w0[block], w1[block], w2[block], w3[block] = u4(c0), u4(c1), u4(c2), u4(c3)


@jit
def _quarter_sine(x: np.float32) -> np.float32:
    z = x * x
    return ((((SINE[0] * z + SINE[1]) * z + SINE[2]) * z + SINE[3]) * z + SINE[4]) * x


@jit
def _fill_pairs(
    radii: NDArray[np.uint32],
    directions: NDArray[np.uint32],
    first: NDArray[np.float32],
    second: NDArray[np.float32],
) -> None:
    """Write the two deviates of each pair of words."""
    for i in range(len(radii)):
        # arithmetic of int32 gives int64 in numba, hence the conversions
        bits = f4((f4(i4(radii[i] >> u4(9))) + f4(0.5)) * f4(2.0**-23)).view(i4)
        exponent = i4(i4(bits - SQRT_HALF) >> i4(23))
        m = i4(bits - i4(exponent << i4(23))).view(f4) - f4(1)
        square = m * m
        series = ((LOG[0] * m + LOG[1]) * m + LOG[2]) * m + LOG[3]
        series = ((((series * m + LOG[4]) * m + LOG[5]) * m + LOG[6]) * m + LOG[7]) * m + LOG[8]
        log = series * m * square - square * f4(0.5) + m + f4(exponent) * LN_2
        radius = f4(np.sqrt(log * f4(-2))).view(i4)
        x = (f4(i4((directions[i] >> u4(9)) & u4(0x1FFFFF))) + f4(0.5)) * f4(2.0**-21)
        signs = i4(directions[i])
        first[i] = i4(radius ^ (signs & SIGN)).view(f4) * _quarter_sine(f4(1) - x)
        second[i] = i4(radius ^ i4(i4(signs << i4(1)) & SIGN)).view(f4) * _quarter_sine(x)


@jit
def fill_normals(
    keys: NDArray[np.int64],
    size: NDArray[np.float32],
    kind: int,
    update: int,
    epoch: int,
    add: bool,
    values: NDArray[np.float32],
) -> None:
    """Write normal deviates into ``values``, ``(network, element)``, or add them.

    Parameters
    ----------
    keys
        Two words for each network, ``(network, 2)``.
    size
        Standard deviation of each network.
    kind, update, epoch
        The last three words of the counter.
    add
        Whether the deviates are added to the values.
    values
        Changed in place.
    """
    count = values.shape[1]
    blocks = (count + 3) // 4
    words, normals = np.empty((4, CHUNK), dtype=np.uint32), np.empty((4, CHUNK), dtype=np.float32)
    for network in range(len(values)):
        for start in range(0, blocks, CHUNK):
            fill_words(keys[network, 0], keys[network, 1], start, kind, update, epoch, words)
            _fill_pairs(words[0], words[1], normals[0], normals[1])
            _fill_pairs(words[2], words[3], normals[2], normals[3])
            for lane in range(4):
                begin = lane * blocks + start
                target = values[network, begin : min(begin + CHUNK, (lane + 1) * blocks, count)]
                if add:
                    for i in range(len(target)):
                        target[i] += normals[lane, i] * size[network]
                else:
                    for i in range(len(target)):
                        target[i] = normals[lane, i] * size[network]
