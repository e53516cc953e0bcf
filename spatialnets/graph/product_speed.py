"""Measure which method multiplies matrices faster on this processor."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch

from spatialnets.graph.products import add_products, add_summed_products, block_kernel, block_products

__all__ = ["measure_products"]

ROWS, INPUTS = 128, 9  # of the measured products: trials; inputs and a bias
MAX_SQUARE_ROWS = 256  # of the product of two square matrices, of which the whole would take long
MAX_NETWORKS, MAX_STEPS = 4, 5  # of one measurement
SMALL = 400  # units in all, up to which several networks are measured, and units up to which several steps are
MIN_ROUNDS, MAX_ROUNDS, SECONDS = 3, 9, 0.01  # of a measurement


def measure_products(units: int) -> dict[str, float]:
    """Return the seconds that the products of a few steps of training take, by method: ``"block"`` and ``"torch"``.

    These are products of the forward and the backward pass, the gradient of weights summed over the steps, and a
    product of two square matrices as in communicability; the best of several rounds that alternate between the methods,
    on one thread. Without the block kernel, no product is computed: its time is infinite, and PyTorch's 0.
    """
    if block_kernel() is None:
        return {"block": math.inf, "torch": 0.0}
    generator = torch.Generator().manual_seed(0)
    networks, steps = max(1, min(MAX_NETWORKS, SMALL // units)), MAX_STEPS if units <= SMALL else 1

    def random(rows: int, columns: int) -> torch.Tensor:
        return torch.randn(networks, rows, columns, generator=generator)

    joint, drive = random(steps * ROWS, units + INPUTS), random(steps * ROWS, units)
    square, weights = random(min(units, MAX_SQUARE_ROWS), units), random(units + INPUTS, units)
    result, square_result, gradient = torch.empty_like(drive), torch.empty_like(square), torch.zeros_like(weights)
    recurrent = weights[:, :units].contiguous()

    def multiply() -> None:
        for step in range(steps):
            rows = slice(step * ROWS, (step + 1) * ROWS)
            add_products(result[:, rows], joint[:, rows], weights, keep=0)
            add_products(result[:, rows], drive[:, rows], recurrent, keep=0)
        add_summed_products(gradient, joint, drive)
        add_products(square_result, square, recurrent, keep=0)

    def multiply_blocks() -> None:
        with block_products([units]):
            multiply()

    return _best_seconds({"block": multiply_blocks, "torch": multiply})


def _best_seconds(methods: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Return the seconds of each method: the best of several rounds, in each of which all are called in turn."""
    best = dict.fromkeys(methods, math.inf)
    with _one_thread():
        for method in methods.values():
            method()
        begin = time.thread_time()  # not interrupted by other processes
        for rounds in range(1, MAX_ROUNDS + 1):
            for name, method in methods.items():
                start = time.thread_time()
                method()
                best[name] = min(best[name], time.thread_time() - start)
            if rounds >= MIN_ROUNDS and time.thread_time() - begin > SECONDS:
                break
    return best


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
