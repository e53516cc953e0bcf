"""How a process computes: the same in every worker, so that the same plan gives the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["arithmetic", "thread_variables"]


def thread_variables(threads: int) -> dict[str, str]:
    """Return the environment variables that hold the libraries below torch and NumPy to some threads."""
    return {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Compute on some threads and take numbers below 1e-38 for zero, for as long as this lasts.

    In networks that a strong penalty has silenced, weights, states and Adam's moments decay towards zero for
    thousands of updates; below 1e-38 a processor computes with them several times slower.

    Parameters
    ----------
    threads
        torch threads of this process.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        torch.set_num_threads(before)
