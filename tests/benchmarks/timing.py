"""Measure the time that a program takes and the peak memory of processes."""

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
"""Measured values of a benchmark by their labels."""

COMMAND = Path(__file__).parent / "benchmark.py"
BASELINE = Path(__file__).parent / "baseline.py"
POLL_SECONDS = 0.02  # the kernel records the peak, so only a rise in the last moment of a process is missed


@dataclass(frozen=True)
class Effort:
    """Sizes of the programs and numbers of repeats."""

    repeats: int = 9
    alone: int = 40  # repeats of a program in a separate process
    series: tuple[int, ...] = (100, 360)  # units
    sizes: tuple[int, ...] = (100, 400, 1000, 4000)  # units
    largest: int | None = 10_000  # units, trained only with the stochastic method
    surface_units: int = 400
    epochs: tuple[int, int] = (2, 10)
    networks: tuple[int, ...] = (4, 16, 40)  # of each of the paper's two groups
    matrices: int = 10
    product_seconds: float = 0.2  # for each kernel and shape
    large_product: int = 2048  # rows and columns
    reported: int = 4000  # networks of a report
    declared: int = 2_000_000  # networks of an experiment that is only validated
    overrides: tuple[str, ...] = ()  # that make the paper's experiment smaller
    paper_run: str = ""  # folder of a finished run of the whole paper, to report


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
    product_seconds=0.0,
    large_product=128,
    reported=4,
    declared=40,
    overrides=(
        "geometry.shape=[2, 2, 2]",
        "training.trials_per_epoch=64",
        "training.batch_size=32",
        "training.validation_trials=32",
        "task.goal_steps=2",
        "task.delay_steps=1",
        "task.choice_steps=2",
        "analyses=[wiring]",
    ),
)
"""Everything once and as small as possible, to test that it works and not how fast."""


def time_alternately(programs: Mapping[str, Callable[[], Any]], repeats: int) -> Figures:
    """Return the median seconds of each program; they run alternately, so that drift affects all equally."""
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
    """Start a program of the suite in a separate process, which prints its figures."""
    return _started([str(COMMAND), "--child", task], environment)


def baseline_child(regularizer: str, repeats: int) -> subprocess.Popen[str]:
    """Start the baseline of training on two threads, which prints its seconds per update."""
    return _started([str(BASELINE), regularizer, str(repeats), "2"], {})


def _started(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )


def printed_figures(process: subprocess.Popen[str]) -> list[float]:
    """Wait for a process and return the figures that it printed.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    output = process.communicate()[0]
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}")
    return [float(number) for number in output.split()]


def gibibytes(field: str, process: int | str = "self") -> float:
    """Return a field of the kernel's memory statistics of a process; NaN without /proc or such a process.

    `resource.getrusage` would include the memory of the parent at the start of the process.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return float("nan")
    amounts = [line.split()[1] for line in status.splitlines() if line.startswith(f"{field}:")]
    return int(amounts[0]) / 2**20 if amounts else float("nan")


def peak_gibibytes(process: int | str = "self") -> float:
    """Return the peak memory of a process so far; NaN if it is unknown."""
    return gibibytes("VmHWM", process)


def _children(process: int) -> list[int]:
    try:
        lists = [path.read_text(encoding="utf-8") for path in Path(f"/proc/{process}/task").glob("*/children")]
    except OSError:  # the process has just ended
        return []
    return [int(number) for numbers in lists for number in numbers.split()]


class Usage(NamedTuple):
    """Time and memory of a command: seconds, and the peak memory of its process, its largest child, and all together.

    The last is the largest sum at one moment; memory that processes share counts once for each.
    """

    seconds: float
    driver: float
    worker: float
    together: float


def watch(command: Sequence[str]) -> Usage:
    """Run a command and measure its time and the memory of its process and children, in GiB.

    Raises
    ------
    RuntimeError
        If it failed.
    """
    start = time.perf_counter()
    peaks: dict[int, float] = {}
    together = 0.0
    # a file, because a full pipe that is not read would block the command
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            for number in (process.pid, *_children(process.pid)):
                peak = peak_gibibytes(number)
                if not math.isnan(peak):  # NaN if it has ended
                    peaks[number] = peak
            now = [gibibytes("VmRSS", number) for number in peaks]
            together = max(together, sum(amount for amount in now if not math.isnan(amount)))
            time.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - start
        if process.returncode:
            output.seek(0)
            raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output.read()}")
    driver = peaks.pop(process.pid, float("nan"))
    return Usage(seconds, driver, max(peaks.values(), default=0.0), together)
