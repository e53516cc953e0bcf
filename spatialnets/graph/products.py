"""Products of the many small matrices of unrolled networks, by the fastest kernel that torch brings along."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["SAMPLES", "add_products", "add_summed_products"]

Kernel: TypeAlias = Callable[..., None]

# torch's block product of single precision: rows, columns, depth, the three leading dimensions, whether to add to what
# is there, the addresses of left, right and result, and whether the right one is packed. The name holds the types.
_SYMBOL = "_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb"
_DEPTHS = range(64, 1025)  # for fewer units calls take longer than products, and more do not fit the cache
SAMPLES = 640
"""How many samples are best summed at a time: so many rows of 100 units each stay in the cache."""


@cache
def _kernel() -> Kernel | None:
    """Return oneDNN's block product, which torch carries but does not use for matrices of single precision.

    For 128 trials of 100 units it is about twice as fast as `torch.baddbmm`, whose MKL does not use all of an AMD
    processor and which is called through several layers. None where this torch has no such function, or where it does
    not compute what is expected of it.
    """
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if sys.platform != "linux" or not library.exists():
        return None
    try:
        kernel = getattr(ctypes.CDLL(str(library)), _SYMBOL)
    except (OSError, AttributeError):
        return None
    long, flag, address = ctypes.c_long, ctypes.c_bool, ctypes.c_void_p
    kernel.restype, kernel.argtypes = None, [*[long] * 6, flag, *[address] * 3, flag]
    left, right, onto = (torch.arange(20.0).view(4, 5) + start for start in (1, 2, 3))
    expected = onto[:3, :3] + left[:3, :4] @ right[:4, :3]
    kernel(3, 3, 4, 5, 5, 5, True, left.data_ptr(), right.data_ptr(), onto.data_ptr(), False)
    return kernel if torch.equal(onto[:3, :3], expected) else None  # small whole numbers: without rounding


def _kernel_for(depth: int, *matrices: Tensor) -> Kernel | None:
    """Return the kernel if it is the better one for these matrices: it works on one thread."""
    if depth not in _DEPTHS or torch.get_num_threads() > 1:
        return None
    for each in matrices:
        if each.dtype != torch.float32 or each.device.type != "cpu" or each.stride(-1) != 1:
            return None
    return _kernel()


def add_products(onto: Tensor, left: Tensor, right: Tensor, keep: float = 1.0) -> Tensor:
    """Add the product of two matrices to a third in place, for each network; return the third.

    Parameters
    ----------
    onto
        ``(network, row, column)``.
    left
        ``(network, row, unit)``.
    right
        ``(network, unit, column)``.
    keep
        What the third is multiplied by before; at 0 what is in it does not matter.
    """
    kernel = _kernel_for(right.shape[1], onto, left, right)
    networks, rows, depth = left.shape
    fit = right.shape[:2] == (networks, depth) and onto.shape == (networks, rows, right.shape[2])
    if kernel is None or not fit or not onto.numel():  # the kernel checks nothing; torch says what does not fit
        return onto.baddbmm_(left, right, beta=keep)
    if keep not in (0, 1):
        onto.mul_(keep)
    columns = right.shape[2]
    places = onto.data_ptr(), left.data_ptr(), right.data_ptr()
    (to_next, to_row), (left_next, left_row), (right_next, right_row) = (
        each.stride()[:2] for each in (onto, left, right)
    )
    for network in range(networks):
        kernel(
            rows,
            columns,
            depth,
            left_row,
            right_row,
            to_row,
            keep != 0,
            places[1] + 4 * network * left_next,
            places[2] + 4 * network * right_next,
            places[0] + 4 * network * to_next,
            False,
        )
    return onto


def add_summed_products(onto: Tensor, before: Tensor, after: Tensor) -> None:
    """Add how much units were active together, summed over samples, in place: the gradient of their weights.

    Parameters
    ----------
    onto
        ``(network, pre, post)``.
    before
        ``(network, sample, pre)``.
    after
        ``(network, sample, post)``.
    """
    fit = before.shape[:2] == after.shape[:2] and onto.shape == (len(before), before.shape[2], after.shape[2])
    if not fit or _kernel_for(before.shape[2], onto, before, after) is None:
        onto.baddbmm_(before.mT, after)
        return
    turned = before.new_empty(before.shape[2], min(SAMPLES, before.shape[1]))
    for network in range(len(onto)):
        for start in range(0, before.shape[1], SAMPLES):
            samples = slice(start, start + SAMPLES)
            part = before[network, samples].T  # torch turns the matrices of several networks much more slowly
            left = turned[:, : part.shape[1]].copy_(part)
            add_products(onto[network, None], left[None], after[network, None, samples])
