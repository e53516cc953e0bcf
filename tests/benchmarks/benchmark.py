"""Measure speed and memory: `make benchmark`.

Times differ between machines and vary from hour to hour, so ratios compare programs that run alternately on one
machine. `steps`, `sizes`, `structures` and `fronts` contain the timed programs, and `targets` the targets.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import fronts
import peak
import savings
import sizes
import steps
import structures
import torch
from baseline import UNITS
from page import LOAD, keep, write
from timing import SMALLEST, Effort, Figures

from spatialnets.engines.threads import arithmetic, keep_memory
from spatialnets.graph.product_choice import choose_block_units
from spatialnets.graph.products import block_products

BENCHMARKS: Mapping[str, Callable[[Effort], Figures]] = {
    "paper": fronts.paper,
    "products": peak.products,
    "machine": steps.machine,
    "step": steps.step,
    "penalty": steps.penalty,
    "core": steps.core,
    "cores": steps.cores,
    "savings": savings.savings,
    "series": steps.series,
    "size": sizes.size,
    "networks": fronts.networks,
    "structure": structures.structure,
    "growth": structures.growth,
    "surface": sizes.surface,
    "start": fronts.start,
    "demo": fronts.demo,
    "report": fronts.report,
    "declare": fronts.declare,
}
PACKAGES = ("spatialnets", "torch", "numpy", "scipy", "numba", "networkx", "xarray")


@contextmanager
def as_in_a_worker() -> Iterator[None]:
    """Compute within the block as workers do: on one thread, by the chosen products, keeping memory that was freed."""
    keep_memory()  # for all programs that run alternately: otherwise each would pay for the other's pages
    with arithmetic(1), block_products(choose_block_units([UNITS])):  # others choose for their own units
        yield


def run_child(task: str) -> None:
    """Time one program in this process and print its figures."""
    kind, *arguments = task.split("-")
    if kind == "size":
        method, n_units, updates = arguments
        sizes.print_size("exact" if method == "exact" else "stochastic", int(n_units), int(updates))
    elif kind == "growth":
        structures.print_growth(int(arguments[0]))
    elif kind == "products":
        peak.print_products(float(arguments[0]), int(arguments[1]))
    else:
        group, repeats = arguments
        steps.print_step(group, int(repeats))


def processor(information: str) -> str:
    """Return the name of the processor with the numbers of its family and model, or else its architecture.

    Virtual machines often hide the name: an "AMD EPYC" of family 25, model 17 is Zen 4, of family 26, model 2 Zen 5.

    Parameters
    ----------
    information
        The content of ``/proc/cpuinfo``.
    """
    fields = dict(
        reversed([[part.strip() for part in line.split(":", 1)] for line in information.splitlines() if ":" in line])
    )
    names = ("model name", "cpu family", "model", "stepping", "CPU implementer", "CPU part", "CPU variant")
    words = [fields[name] if name == "model name" else f"{name} {fields[name]}" for name in names if fields.get(name)]
    return ", ".join(words) or platform.processor() or platform.machine()


def cpu_information() -> str:
    """Return the content of ``/proc/cpuinfo``; nothing where it does not exist."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


def commit() -> str:
    """Return the short name of the commit that is checked out; nothing outside a repository."""
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    return done.stdout.strip()


def machine() -> dict[str, Any]:
    return {
        "processor": processor(cpu_information()),
        "cores": os.cpu_count(),
        "memory, GiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "commit": commit(),
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
    parser.add_argument("--paper-run", default="", help="folder of a finished run of sernn_paper, to time its report")
    parser.add_argument("--keep", action="store_true", help="add the figures of the targets to earlier.json")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        with as_in_a_worker():
            run_child(options.child)
        return
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown benchmark: {', '.join(sorted(unknown))} (valid: {', '.join(BENCHMARKS)})")
    large = options.large or options.page
    series = (100, 360, 1000) if large else (100, 360)
    effort = SMALLEST if options.smallest else Effort(series=series, paper_run=options.paper_run)
    results: dict[str, Any] = {"machine it ran on": machine(), "about": {}, "figures": {}}
    start = time.perf_counter()
    for name in options.names or BENCHMARKS:
        benchmark = BENCHMARKS[name]
        with as_in_a_worker():
            figures = benchmark(effort)
        results["about"][name] = " ".join((benchmark.__doc__ or "").split())
        results["figures"][name] = figures
        print(f"\n{name}: {results['about'][name]}")
        for label, value in figures.items():
            print(f"  {label:75s} {value:10.3f}", flush=True)
    results["minutes"] = (time.perf_counter() - start) / 60
    if options.out:
        options.out.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    if options.keep:
        keep(results)
    if options.page:
        write(results, options.page)


if __name__ == "__main__":
    main()
