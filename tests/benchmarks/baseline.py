"""The baseline of training: one network of the paper at a time, without the toolkit.

`torch.nn.RNN`, autograd, `torch.linalg.matrix_exp` and `torch.optim.Adam`, with inputs of the paper's shape and its
noise. This file is frozen: tests/test_benchmarks.py holds its SHA-256, because a slower baseline would pass for a
faster toolkit. It imports only PyTorch.

    python baseline.py both|l1 REPEATS THREADS

prints the median seconds of an update.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch

TRIALS, STEPS, INPUTS, UNITS, OUTPUTS = 128, 50, 8, 100, 4
GRID = (5, 5, 4)


def distances() -> torch.Tensor:
    """Return the distances between the units of the paper's grid, in steps, ``(unit, unit)``."""
    positions = torch.cartesian_prod(*(torch.arange(float(length)) for length in GRID))
    return torch.cdist(positions, positions, compute_mode="donot_use_mm_for_euclid_dist")


def one_by_one_step(regularizer: str) -> Callable[[], None]:
    """Return a function that makes one update of one network, regularized by "both" or "l1"."""
    network = torch.nn.RNN(INPUTS, UNITS, nonlinearity="relu", batch_first=True)
    readout = torch.nn.Linear(UNITS, OUTPUTS)
    recurrent: Any = network.weight_hh_l0
    torch.nn.init.orthogonal_(recurrent)
    lengths = distances()
    optimizer = torch.optim.Adam([*network.parameters(), *readout.parameters()], lr=0.001, eps=1e-7)
    inputs, labels = torch.randn(TRIALS, STEPS, INPUTS), torch.randint(OUTPUTS, (TRIALS,))
    off_diagonal = 1 - torch.eye(UNITS)

    def penalty() -> torch.Tensor:
        weights = recurrent.T.abs()
        if regularizer == "l1":
            return 0.01 * weights.sum()
        root = weights.sum(dim=1).sqrt()
        price = torch.linalg.matrix_exp(weights / root[:, None] / root[None, :]) * off_diagonal
        return 0.3 * (weights * lengths * price).sum()

    def step() -> None:
        optimizer.zero_grad()
        states, _ = network(inputs + 0.05 * torch.randn_like(inputs))
        loss = torch.nn.functional.cross_entropy(readout(states[:, -1]), labels) + penalty()
        loss.backward()
        optimizer.step()

    return step


def main() -> None:
    """Print the median seconds of an update."""
    regularizer, repeats, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    step = one_by_one_step(regularizer)
    step()
    seconds: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(statistics.median(seconds))


if __name__ == "__main__":
    main()
