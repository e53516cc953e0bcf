"""Batched products of many small matrices, as in unrolled networks, with the fastest kernel that PyTorch ships."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

__all__ = ["BLOCK_SAMPLES", "add_products", "add_summed_products"]

Kernel: TypeAlias = Callable[..., None]

# PyTorch's block product in single precision; the mangled name encodes the types. Arguments: rows, columns, depth, the
# three leading dimensions, whether to add to the result, the addresses of left, right and result, and whether right is
# packed.
_SYMBOL = "_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb"
_DEPTHS = range(64, 1025)  # below, call overhead dominates; above, matrices do not fit the cache
BLOCK_SAMPLES = 640
"""Number of samples to sum at a time: this many rows of 100 units each stay in the cache."""


@cache
def _kernel() -> Kernel | None:
    """Return oneDNN's block product, which PyTorch ships but does not use for single-precision matrices.

    For 128 trials of 100 units it is about twice as fast as `torch.baddbmm`, whose MKL does not use all features of
    AMD processors and which is called through several layers. None if this version of PyTorch has no such function or
    the function fails a test product.
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
    left, right, result = (torch.arange(20.0).view(4, 5) + start for start in (1, 2, 3))
    expected = result[:3, :3] + left[:3, :4] @ right[:4, :3]
    kernel(3, 3, 4, 5, 5, 5, True, left.data_ptr(), right.data_ptr(), result.data_ptr(), False)
    return kernel if torch.equal(result[:3, :3], expected) else None  # exact: small whole numbers


def _kernel_for(depth: int, *matrices: Tensor) -> Kernel | None:
    """Return the kernel if it can multiply these matrices and is faster than PyTorch; it runs on one thread."""
    if depth not in _DEPTHS or torch.get_num_threads() > 1:
        return None
    for matrix in matrices:
        if matrix.dtype != torch.float32 or matrix.device.type != "cpu" or matrix.stride(-1) != 1:
            return None
    return _kernel()


def add_products(onto: Tensor, left: Tensor, right: Tensor, keep: float = 1.0) -> Tensor:
    """Add the product of two matrices to `onto` in place, for each network, and return `onto`.

    Parameters
    ----------
    onto
        ``(network, row, column)``.
    left
        ``(network, row, unit)``.
    right
        ``(network, unit, column)``.
    keep
        Factor by which `onto` is multiplied first; with 0, its previous content is ignored.
    """
    kernel = _kernel_for(right.shape[1], onto, left, right)
    networks, rows, depth = left.shape
    fits = right.shape[:2] == (networks, depth) and onto.shape == (networks, rows, right.shape[2])
    if kernel is None or not fits or not onto.numel():  # the kernel checks nothing; PyTorch reports wrong shapes
        return onto.baddbmm_(left, right, beta=keep)
    if keep not in (0, 1):
        onto.mul_(keep)
    columns = right.shape[2]
    addresses = onto.data_ptr(), left.data_ptr(), right.data_ptr()
    (onto_step, onto_row), (left_step, left_row), (right_step, right_row) = (
        matrix.stride()[:2] for matrix in (onto, left, right)
    )
    for network in range(networks):
        kernel(
            rows,
            columns,
            depth,
            left_row,
            right_row,
            onto_row,
            keep != 0,
            addresses[1] + 4 * network * left_step,
            addresses[2] + 4 * network * right_step,
            addresses[0] + 4 * network * onto_step,
            False,
        )
    return onto


def add_summed_products(onto: Tensor, before: Tensor, after: Tensor) -> None:
    """Add the products of pre- and postsynaptic values, summed over samples, in place: the gradient of weights.

    Parameters
    ----------
    onto
        ``(network, pre, post)``.
    before
        ``(network, sample, pre)``.
    after
        ``(network, sample, post)``.
    """
    fits = before.shape[:2] == after.shape[:2] and onto.shape == (len(before), before.shape[2], after.shape[2])
    if not fits or _kernel_for(before.shape[2], onto, before, after) is None:
        onto.baddbmm_(before.mT, after)
        return
    buffer = before.new_empty(before.shape[2], min(BLOCK_SAMPLES, before.shape[1]))
    for network in range(len(onto)):
        for start in range(0, before.shape[1], BLOCK_SAMPLES):
            samples = slice(start, start + BLOCK_SAMPLES)
            block = before[network, samples].T  # PyTorch transposes a batch of matrices much more slowly
            left = buffer[:, : block.shape[1]].copy_(block)
            add_products(onto[network, None], left[None], after[network, None, samples])
