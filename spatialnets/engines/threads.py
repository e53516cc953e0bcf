"""How a process computes: the same in every worker, so that the same plan gives the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["arithmetic", "keep_memory", "thread_variables"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h


def thread_variables(threads: int) -> dict[str, str]:
    """Return the environment variables that hold the libraries below torch and NumPy to some threads."""
    return {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def keep_memory() -> None:
    """Have this process keep the memory that it frees, instead of giving it back to the system between two updates.

    Each update needs the same tens of megabytes again; to get them from the system anew, page by page, takes up to a
    third of its time. For processes that do nothing else; where the C library is not GNU's, nothing is changed.
    """
    import ctypes
    import sys

    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # glibc before 2.35 takes no more than 32 MiB here; the other alone would make it worse
        if mallopt(MMAP_THRESHOLD, 2**30) or mallopt(MMAP_THRESHOLD, 2**25):
            mallopt(TRIM_THRESHOLD, 2**30)


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
