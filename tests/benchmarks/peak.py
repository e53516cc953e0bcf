"""The speed of matrix products on this machine, by every kernel at hand, and how much of it training uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from baseline import INPUTS, STEPS, TRIALS, UNITS
from timing import Effort, Figures, child, printed_figures

from spatialnets.engines.threads import thread_variables
from spatialnets.graph.products import add_products

UPDATES_PER_EPOCH = 40
NETWORKS_PER_SHARD = 4  # as for the paper on two cores that share 32 MB of cache
KERNELS = ("torch.mm", "torch.bmm", "torch.baddbmm", "NumPy", "toolkit")
SHAPES = ("paper", "large")

# Per update and time step, for the weights of units and of inputs: the product forward, the gradient of the weights,
# and, for the units alone, the gradient of the states. Every product multiplies and adds. The readout, which is needed
# at the last step, adds 0.1 % and is left out.
PRODUCTS_PER_EPOCH = UPDATES_PER_EPOCH * STEPS * (3 * UNITS + 2 * INPUTS) * TRIALS * UNITS
GFLOP_PER_EPOCH = 2 * PRODUCTS_PER_EPOCH / 1e9


def programs(shape: tuple[int, int, int], networks: int) -> list[tuple[str, Callable[[], Any]]]:
    """Return the product of matrices of one shape for some networks, by kernel."""
    rows, depth, columns = shape
    left, right = torch.rand(networks, rows, depth), torch.rand(networks, depth, columns) / depth
    onto = torch.zeros(networks, rows, columns)
    array, other, result = left.numpy(), right.numpy(), np.zeros((networks, rows, columns), dtype=np.float32)

    def one_by_one() -> None:
        for network in range(networks):
            torch.mm(left[network], right[network], out=onto[network])

    def numpy_products() -> None:
        for network in range(networks):
            np.matmul(array[network], other[network], out=result[network])

    kernels: Sequence[Callable[[], Any]] = (
        one_by_one,
        lambda: torch.bmm(left, right, out=onto),
        lambda: onto.baddbmm_(left, right),
        numpy_products,
        lambda: add_products(onto, left, right),
    )
    return list(zip(KERNELS, kernels, strict=True))


def print_products(seconds: float, large: int) -> None:
    """Print the GFLOP/s of every kernel at every shape of `SHAPES`: the best of repeats that take some seconds each.

    `large` is the number of rows and columns of the large square, which is limited by neither calls nor small matrices.
    """
    for networks, shape in ((NETWORKS_PER_SHARD, (TRIALS, UNITS, UNITS)), (1, (large, large, large))):
        flop = 2 * networks * shape[0] * shape[1] * shape[2]
        for _, program in programs(shape, networks):
            program()
            best, end = float("inf"), time.perf_counter() + seconds
            while best == float("inf") or time.perf_counter() < end:
                start = time.perf_counter()
                program()
                best = min(best, time.perf_counter() - start)
            print(flop / best / 1e9)


def measure(effort: Effort, processes: int) -> Figures:
    """Return the GFLOP/s of every kernel and shape, summed over processes with one thread each that run together."""
    running = [
        child(f"products-{effort.product_seconds}-{effort.large_product}", **thread_variables(1))
        for _ in range(processes)
    ]
    results = [printed_figures(process) for process in running]
    names = [f"{kernel}, {shape}" for shape in SHAPES for kernel in KERNELS]
    return {name: sum(values) for name, values in zip(names, zip(*results, strict=True), strict=True)}


def products(effort: Effort) -> Figures:
    """GFLOP/s of float32 products at the paper's shape (4 networks, 128 x 100 x 100) and of a large square (2,048).

    One process, and two at a time, whose sum is given; one thread each. Training is compared with the best kernel and
    shape.
    """
    one, two = (measure(effort, processes) for processes in (1, 2))
    return {
        **{f"GFLOP/s: {name}": value for name, value in one.items()},
        **{f"GFLOP/s, two processes: {name}": value for name, value in two.items()},
        "GFLOP/s: best": max(one.values()),
        "GFLOP/s, two processes: best": max(two.values()),
        "GFLOP for one network and epoch": GFLOP_PER_EPOCH,
    }
