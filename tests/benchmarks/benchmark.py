"""Measure speed and memory: `make benchmark`.

Times differ between machines and vary from hour to hour, so ratios compare programs that run alternately on one
machine. `steps`, `sizes`, `structures` and `fronts` contain the timed programs, and `targets` the targets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fronts
import sizes
import steps
import structures
import torch
from page import LOAD, write
from timing import SMALLEST, Effort, Figures

from spatialnets.engines.threads import keep_memory

BENCHMARKS: Mapping[str, Callable[[Effort], Figures]] = {
    "paper": fronts.paper,
    "machine": steps.machine,
    "step": steps.step,
    "penalty": steps.penalty,
    "core": steps.core,
    "cores": steps.cores,
    "series": steps.series,
    "size": sizes.size,
    "networks": fronts.networks,
    "structure": structures.structure,
    "growth": structures.growth,
    "surface": sizes.surface,
    "start": fronts.start,
}
PACKAGES = ("spatialnets", "torch", "numpy", "scipy", "numba", "networkx", "xarray")


def run_child(task: str) -> None:
    """Time one program in this process and print its figures."""
    torch.set_num_threads(1)
    kind, *arguments = task.split("-")
    if kind != "baseline":  # a setting of the toolkit's workers, which a program without the toolkit lacks
        keep_memory()
    if kind == "size":
        method, n_units, updates = arguments
        sizes.print_size("exact" if method == "exact" else "stochastic", int(n_units), int(updates))
    elif kind == "growth":
        structures.print_growth(int(arguments[0]))
    else:
        group, repeats = arguments
        steps.print_step(kind, group, int(repeats))


def processor() -> str:
    """Return the name of the processor, or of its architecture if the name is unknown."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory, GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        LOAD: round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).date().isoformat(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help=f"benchmarks to run, by default all: {', '.join(BENCHMARKS)}")
    parser.add_argument("--large", action="store_true", help="include 1,000 units in `series` (implied by --page)")
    parser.add_argument("--smallest", action="store_true", help="run everything once and tiny, as a test")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--page", type=Path, help="write the documentation page with its pictures")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        run_child(options.child)
        return
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))} (valid: {', '.join(BENCHMARKS)})")
    large = options.large or options.page
    effort = SMALLEST if options.smallest else Effort(series=(100, 360, 1000) if large else (100, 360))
    torch.set_num_threads(1)
    keep_memory()  # for all programs that run alternately: otherwise each would pay for the other's pages
    results: dict[str, Any] = {"machine it ran on": machine(), "about": {}, "figures": {}}
    start = time.perf_counter()
    for name in options.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        figures = benchmark(effort)
        results["about"][name] = " ".join((benchmark.__doc__ or "").split())
        results["figures"][name] = figures
        print(f"\n{name}: {results['about'][name]}")
        for label, value in figures.items():
            print(f"  {label:75s} {value:10.3f}", flush=True)
    results["minutes"] = (time.perf_counter() - start) / 60
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.page:
        write(results, options.page)


if __name__ == "__main__":
    main()
