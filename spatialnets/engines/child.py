"""Processes that do not outlive the process that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence

__all__ = ["die_with_parent", "run_child"]

_PR_SET_PDEATHSIG = 1  # of prctl(2)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process as soon as its parent dies, however that happens.

    On systems other than Linux this does nothing; there, an orphaned process ends when it next reports to its parent.

    Parameters
    ----------
    parent
        Process ID of the parent; if it is dead already, this process exits at once.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def run_child(
    command: Sequence[str], environment: Mapping[str, str], paths: Sequence[str], wanted: Callable[[], bool]
) -> tuple[int, str]:
    """Run `spatialnets work` in a process that dies with this one.

    Parameters
    ----------
    command
        The program and its arguments.
    environment
        Environment variables to add to those of this process.
    paths
        Folders to add to the module search path.
    wanted
        Called twice a second; the process is stopped when it returns False.

    Returns
    -------
    tuple of int and str
        Exit status and output; for a process that failed, the last line of its error output.
    """
    search_path = os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])])
    process = subprocess.Popen(
        [*command, "--parent", str(os.getpid())],
        env={**os.environ, **environment, **({"PYTHONPATH": search_path} if search_path else {})},
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
    return process.returncode, out if process.returncode == 0 else (err.strip().splitlines() or [""])[-1]
