"""Batched products of many small matrices, as in unrolled networks, with the fastest kernel that PyTorch ships."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

from spatialnets.errors import UserError
from spatialnets.validation import require_at_least

__all__ = ["BLOCK_SAMPLES", "add_products", "add_summed_products", "block_kernel", "block_products"]

Kernel: TypeAlias = Callable[..., None]

# PyTorch's block product in single precision; the mangled name encodes the types. Arguments: rows, columns, depth, the
# three leading dimensions, whether to add to the result, the addresses of left, right and result, and whether right is
# packed.
_SYMBOL = "_ZN2at6native7cpublas6brgemmEllllllbPKfS3_Pfb"
BLOCK_SAMPLES = 640
"""Number of samples to sum at a time: this many rows of 100 units each stay in the cache."""

_block_units: ContextVar[frozenset[int]] = ContextVar("block_units", default=frozenset())


@cache
def block_kernel() -> Kernel | None:
    """Return oneDNN's block product, which PyTorch ships but does not use for single-precision matrices.

    For 128 trials of 100 units it is about twice as fast as `torch.baddbmm` on AMD processors, of which PyTorch's MKL
    does not use all features, and slower on Intel processors. None if this version of PyTorch has no such function or
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


@contextmanager
def block_products(units: Iterable[int]) -> Iterator[None]:
    """Use the block kernel for networks of these numbers of units within the block; outside, PyTorch's products.

    The kernel is used for single-precision matrices on the CPU, in the calling thread, if the right matrix has a
    multiple of one of these numbers as columns and at least as many rows: as the recurrent weights of such networks,
    alone, beside input weights or beside the weights of other gates, and their transposes. The choice depends neither
    on the number of trials nor on that of networks.

    Parameters
    ----------
    units
        Numbers of units; those for which the kernel is faster here are returned by
        `spatialnets.graph.product_choice.choose_block_units`.

    Raises
    ------
    UserError
        If there are any, and PyTorch has no such kernel on this machine.
    ValueError
        If a number is less than 1.
    """
    chosen = frozenset(units)
    require_at_least("units", min(chosen, default=1), 1)
    if chosen and block_kernel() is None:
        raise UserError(
            f"networks of {', '.join(map(str, sorted(chosen)))} units are to be trained with oneDNN's block kernel, "
            f"which PyTorch {torch.__version__} does not have on this machine ({sys.platform}): continue the run on a "
            "machine like the one where it began, or begin it again in another folder with --products torch"
        )
    token = _block_units.set(chosen)
    try:
        yield
    finally:
        _block_units.reset(token)


class _Layout(NamedTuple):
    """Where the matrices of a batch are in memory: the address of the first, and distances between matrices and rows.

    Parameters
    ----------
    address, step
        In bytes.
    row
        In numbers.
    """

    address: int
    step: int
    row: int


def _layouts(right: Tensor, *others: Tensor) -> list[_Layout] | None:
    """Return the layouts of matrices, ``(network, …, …)``, or None if the kernel is not to multiply by `right`."""
    _, rows, columns = right.shape
    if not any(columns % units == 0 and rows >= units for units in _block_units.get()):
        return None
    layouts = []
    for matrix in (right, *others):
        step, row, column = matrix.stride()
        if column != 1 or matrix.dtype is not torch.float32 or not matrix.is_cpu:
            return None
        layouts.append(_Layout(matrix.data_ptr(), 4 * step, row))
    return layouts


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
    layouts = _layouts(right, left, onto)
    if layouts is None:
        return onto.baddbmm_(left, right, beta=keep)
    (networks, rows, depth), columns = left.shape, right.shape[2]
    # the kernel checks nothing; PyTorch reports wrong shapes
    if right.shape[0] != networks or right.shape[1] != depth or onto.shape != (networks, rows, columns) or not rows:
        return onto.baddbmm_(left, right, beta=keep)
    if keep not in (0, 1):
        onto.mul_(keep)
    _multiply_blocks(layouts[1], layouts[0], layouts[2], (networks, rows, depth, columns), keep != 0)
    return onto


def _multiply_blocks(left: _Layout, right: _Layout, onto: _Layout, shape: tuple[int, int, int, int], add: bool) -> None:
    kernel = block_kernel()
    assert kernel is not None  # see block_products
    networks, rows, depth, columns = shape
    # converted once, not for each network
    sizes = [ctypes.c_long(size) for size in (rows, columns, depth, left.row, right.row, onto.row)]
    adds, packed = ctypes.c_bool(add), ctypes.c_bool(False)
    left_address, right_address, onto_address = left.address, right.address, onto.address
    for _ in range(networks):
        kernel(*sizes, adds, left_address, right_address, onto_address, packed)
        left_address += left.step
        right_address += right.step
        onto_address += onto.step


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
    layouts = _layouts(onto, after)
    fits = before.shape[:2] == after.shape[:2] and onto.shape == (len(before), before.shape[2], after.shape[2])
    if layouts is None or not fits or before.dtype is not torch.float32 or not before.is_cpu:
        onto.baddbmm_(before.mT, after)
        return
    samples, pre, post, (to, right) = *before.shape[1:], after.shape[2], layouts
    transposed, buffer = before.mT, before.new_empty(pre, BLOCK_SAMPLES)
    from_buffer = _Layout(buffer.data_ptr(), 0, BLOCK_SAMPLES)
    for start in range(0, samples, BLOCK_SAMPLES):
        count = min(BLOCK_SAMPLES, samples - start)
        left = buffer[:, :count]
        for network, block in enumerate(transposed[:, :, start : start + count].unbind()):
            left.copy_(block)  # one after another: PyTorch transposes a batch of matrices much more slowly
            target = to._replace(address=to.address + network * to.step)
            source = right._replace(address=right.address + network * right.step + 4 * start * right.row)
            _multiply_blocks(from_buffer, source, target, (1, pre, count, post), add=True)
