"""Simulate runs of thousands of shards, or print what large experiments cost: python tests/benchmarks/scaling.py.

`scaling.py processes 10000` drives 10,000 shards of nothing through an engine (`processes`, `dask` or `slurm`),
`folder` writes a finished run by hand, and `model` prints the tables of docs/scaling.md from scaling.json. To see what
your cluster costs, copy scaling.json, change its constants and add `--constants FILE`.
"""

from __future__ import annotations

import argparse
import json
import runpy
import sys
import time
from pathlib import Path

from timing import gibibytes


def _run_command(name: str, run: str) -> None:
    """Run one of the toolkit's commands in this process, and print its CPU seconds and peak memory at the end."""
    sys.argv = ["spatialnets", name, run]
    try:
        runpy.run_module("spatialnets", run_name="__main__")
    finally:
        print(time.process_time(), 1024 * gibibytes("VmHWM"), file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition(":")[0])
    parser.add_argument("what", nargs="?", choices=("processes", "dask", "slurm", "folder", "model"))
    parser.add_argument("shards", nargs="?", type=int, default=1000)
    parser.add_argument("--constants", type=Path, help="a JSON file like scaling.json")
    parser.add_argument("--commands", default="status,show", help="commands to measure after the end")
    parser.add_argument("--drive", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--command", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.command:  # before anything is imported that would count as the command's memory
        _run_command(*options.command)
        return
    if options.what == "model":
        import costs

        print(costs.tables(costs.constants_of(options.constants or costs.CONSTANTS)))
        return
    import simulation

    if options.drive:
        name, run, shards = options.drive
        print(json.dumps(simulation.drive(name, Path(run), int(shards))))
    elif options.what:
        figures = simulation.measure(options.what, options.shards, None, options.commands.split(","))
        print(json.dumps({"engine": options.what, "shards": options.shards, "figures": figures}, indent=2))
    else:
        parser.error("expected processes, dask, slurm, folder or model")


if __name__ == "__main__":
    main()
