"""Threads, memory and arithmetic of a process: the same in every worker, so that results are bit-identical."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

__all__ = ["arithmetic", "keep_memory", "thread_variables"]

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # of mallopt, in malloc.h


def thread_variables(threads: int) -> dict[str, str]:
    """Return environment variables that limit the numerical libraries of PyTorch and NumPy to some threads."""
    return {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def keep_memory() -> None:
    """Have this process keep the memory that it frees, instead of returning it to the system between two updates.

    Every update needs the same tens of megabytes; requesting them from the system again, page by page, takes up to a
    third of its time. For processes that only train; with C libraries other than GNU's this does nothing.
    """
    import ctypes
    import sys

    if sys.platform != "linux":
        return
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # glibc before 2.35 accepts at most 32 MiB here; the trim threshold alone would make it slower
        if mallopt(MMAP_THRESHOLD, 2**30) or mallopt(MMAP_THRESHOLD, 2**25):
            mallopt(TRIM_THRESHOLD, 2**30)


@contextmanager
def arithmetic(threads: int) -> Iterator[None]:
    """Limit PyTorch to some threads and treat numbers below 1e-38 as zero within the block.

    In networks that a strong penalty has silenced, weights, states and Adam's moments decay towards zero for thousands
    of updates, and processors are several times slower with numbers below 1e-38.

    Parameters
    ----------
    threads
        Number of threads.
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
