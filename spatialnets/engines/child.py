"""A process that does not outlive the one that started it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

__all__ = ["die_with_parent", "run_as_child"]

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


def run_as_child(
    command: Sequence[str], environment: Mapping[str, str], paths: Sequence[str], wanted: Callable[[], bool]
) -> tuple[int, str]:
    """Run `spatialnets work` as a process that dies with this one.

    Parameters
    ----------
    command
        Its words.
    environment
        Variables besides those of this process.
    paths
        Where else it looks for modules.
    wanted
        Asked twice a second: whether it is still to go on.

    Returns
    -------
    tuple of int and str
        Its exit status, and what it said: of one that failed, its last line.
    """
    known = os.environ.get("PYTHONPATH", "")
    together = os.pathsep.join([*paths, *filter(None, [known])])
    process = subprocess.Popen(
        [*command, "--parent", str(os.getpid())],
        env={**os.environ, **environment, **({"PYTHONPATH": together} if together else {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        while True:
            try:
                out, err = process.communicate(timeout=0.5)
                break
            except subprocess.TimeoutExpired:
                if not wanted():
                    process.terminate()
                    out, err = process.communicate(timeout=10)
                    break
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    said = out if process.returncode == 0 else (err.strip().splitlines() or [""])[-1]
    return process.returncode, said
