"""How long a program takes and how much memory a process took at most."""

from __future__ import annotations

import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

Figures = dict[str, float]
"""What a benchmark measured, by what it is."""

COMMAND = Path(__file__).parent / "benchmark.py"
LOOK_EVERY = 0.02  # seconds; the kernel keeps the peak, so only what rises in a process's last moment is missed


@dataclass(frozen=True)
class Effort:
    """How large the programs are and how often they are repeated."""

    repeats: int = 9
    alone: int = 40  # repeats of a program that has its process for itself
    series: tuple[int, ...] = (100, 360)  # units
    sizes: tuple[int, ...] = (100, 400, 1000, 4000)  # units
    largest: int | None = 10_000  # units that are trained by the stochastic method alone
    surface_units: int = 400
    epochs: tuple[int, int] = (2, 6)
    networks: tuple[int, ...] = (2, 8, 32)  # of each of the paper's two groups
    matrices: int = 10
    words: tuple[str, ...] = ()  # what makes the paper's experiment smaller


SMALLEST = Effort(
    repeats=1,
    alone=1,
    series=(20,),
    sizes=(30,),
    largest=None,
    surface_units=10,
    epochs=(1, 2),
    networks=(1, 2),
    matrices=1,
    words=(
        "training.trials_per_epoch=64",
        "training.batch_size=32",
        "training.validation_trials=32",
        "task.goal_steps=2",
        "task.delay_steps=1",
        "task.choice_steps=2",
        "analyses=[wiring]",
    ),
)
"""Everything once and as small as it can be: that it works, not how fast it is."""


def taking_turns(programs: Mapping[str, Callable[[], Any]], repeats: int) -> Figures:
    """Return the median seconds of each program; they take turns, so that drift meets all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in programs}
    for program in programs.values():
        program()
    for _ in range(repeats):
        for name, program in programs.items():
            start = time.perf_counter()
            program()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def child(task: str, **environment: str) -> subprocess.Popen[str]:
    """Start a program of the suite in a process of its own, which prints its figures."""
    return subprocess.Popen(
        [sys.executable, str(COMMAND), "--child", task],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def said(process: subprocess.Popen[str]) -> list[float]:
    """Return the figures that a process prints, when it has ended.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    words = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    return [float(word) for word in words.split()]


def gibibytes(field: str, process: int | str = "self") -> float:
    """Return a field of a process's memory as the kernel has it; NaN where there is no /proc, or no such process.

    Not `resource.getrusage`: that counts what the parent had when it started the process.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return float("nan")
    amounts = [line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")]
    return int(amounts[0]) / 2**20 if amounts else float("nan")


def peak_gibibytes(process: int | str = "self") -> float:
    """Return the most memory that a process has had so far; NaN where it is not known."""
    return gibibytes("VmHWM", process)


def _children(process: int) -> list[int]:
    try:
        lists = [path.read_text(encoding="utf-8") for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:  # it has just ended
        return []
    return [int(number) for numbers in lists for number in numbers.split()]


class Watched(NamedTuple):
    """What a command took: seconds, and the peak memory of its process, of its largest child, and of all together.

    All together is the largest sum seen at one moment; memory that processes share counts once for each.
    """

    seconds: float
    driver: float
    worker: float
    together: float


def watch(command: Sequence[str]) -> Watched:
    """Run a command and look at the memory of its process and its children meanwhile, in GiB.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    start = time.perf_counter()
    peaks: dict[int, float] = {}
    together = 0.0
    # a file and not a pipe: nobody reads meanwhile, and a full pipe would stop the command
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            for number in (process.pid, *_children(process.pid)):
                peak = peak_gibibytes(number)
                if not math.isnan(peak):  # gone meanwhile
                    peaks[number] = peak
            now = [gibibytes("VmRSS", number) for number in peaks]
            together = max(together, sum(amount for amount in now if not math.isnan(amount)))
            time.sleep(LOOK_EVERY)
        seconds = time.perf_counter() - start
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output.read()}")
    driver = peaks.pop(process.pid, float("nan"))
    return Watched(seconds, driver, max(peaks.values(), default=0.0), together)
