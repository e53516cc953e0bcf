"""Speed, as ratios taken within one run: `make benchmark`.

Times drift from machine to machine and from hour to hour; a ratio of two programs that take turns on one machine is
worth quoting. `steps`, `sizes`, `structures` and `fronts` hold what is timed, `targets` what is to be reached.
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


def child(task: str) -> None:
    """Time one program alone in this process and print its figures."""
    torch.set_num_threads(1)
    kind, *words = task.split("-")
    if kind != "baseline":  # what nobody would have without the toolkit, whose workers do it
        keep_memory()
    if kind == "size":
        method, n_units, updates = words
        sizes.print_size("exact" if method == "exact" else "stochastic", int(n_units), int(updates))
    elif kind == "growth":
        structures.print_growth(int(words[0]))
    else:
        group, repeats = words
        steps.print_step(kind, group, int(repeats))


def processor() -> str:
    """Return the processor's name, as far as the system tells it."""
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
    parser.add_argument("names", nargs="*", help=f"which of {', '.join(BENCHMARKS)}; by default all")
    parser.add_argument("--large", action="store_true", help="series: 1,000 units, too (so it is with --page)")
    parser.add_argument("--smallest", action="store_true", help="everything once and tiny: does it work")
    parser.add_argument("--out", type=Path, help="write the figures to this JSON file")
    parser.add_argument("--page", type=Path, help="write a page of the documentation, and its pictures beside it")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given.child)
        return
    unknown = set(given.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    effort = (
        SMALLEST if given.smallest else Effort(series=(100, 360, 1000) if given.large or given.page else (100, 360))
    )
    torch.set_num_threads(1)
    keep_memory()  # for programs that take turns, the baselines' too: otherwise each pays for the other's pages
    found: dict[str, Any] = {"machine it ran on": machine(), "about": {}, "figures": {}}
    begun = time.perf_counter()
    for name in given.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        figures = benchmark(effort)
        found["about"][name] = " ".join((benchmark.__doc__ or "").split())
        found["figures"][name] = figures
        print(f"\n{name}: {found['about'][name]}")
        for label, value in figures.items():
            print(f"  {label:75s} {value:10.3f}", flush=True)
    found["minutes"] = (time.perf_counter() - begun) / 60
    if given.out:
        given.out.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if given.page:
        write(found, given.page)


if __name__ == "__main__":
    main()
