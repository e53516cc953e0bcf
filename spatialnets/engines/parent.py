"""A process that does not outlive the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["die_with_parent"]

_PR_SET_PDEATHSIG = 1  # of prctl(2)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process at once when the one that started it dies, however that ends.

    Elsewhere than on Linux nothing is done: there, such a process ends at its next report, which nobody reads.

    Parameters
    ----------
    parent
        The process that started this one; if it is dead already, this one ends here.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
