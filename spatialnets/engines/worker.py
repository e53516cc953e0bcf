"""A worker process, which does one job at a time.

It reads jobs as pickles from standard input and writes progress and results as lines of JSON to standard output. It
exits at the end of its input, and dies with the process that started it.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from spatialnets.engines.job import Job
    from spatialnets.runs.run import Run


def main() -> None:
    """Do jobs until the input ends."""
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # output of a component must not mix with reports

    def report(**content: Any) -> None:
        reports.write(json.dumps(content) + "\n")
        reports.flush()

    source = sys.stdin.buffer
    search_path, folder, threads, parent = pickle.load(source)
    sys.path[:] = search_path

    from spatialnets.engines.child import die_with_parent
    from spatialnets.engines.threads import arithmetic, keep_memory
    from spatialnets.runs.run import Run

    die_with_parent(parent)
    keep_memory()
    run = Run.open(Path(folder))
    with arithmetic(threads):
        while True:
            try:
                job = pickle.load(source)
            except EOFError:
                return
            _serve(run, job, report)


def _serve(run: Run, job: Job, report: Callable[..., None]) -> None:
    """Do one job and report its progress and result."""
    from spatialnets.engines.claim import Cancelled
    from spatialnets.errors import StorageError, UserError

    done, current, last_report = 0, "", time.monotonic()

    def advance(amount: int, status: str) -> None:
        nonlocal done, current, last_report
        done, current = done + amount, status
        if time.monotonic() - last_report > 0.25:
            report(event="advance", amount=done, status=current)
            done, last_report = 0, time.monotonic()

    try:
        lines = job.work(run, advance)
    except Cancelled:
        report(event="cancelled")
    except UserError as error:
        report(event="refused", message=str(error), storage=isinstance(error, StorageError))
    except MemoryError as error:
        report(event="refused", message=f"out of memory: {error}")
    except Exception:  # the driver raises it again, with this traceback
        report(event="failed", message=traceback.format_exc())
    else:
        report(event="done", amount=done, status=current, lines=lines)


if __name__ == "__main__":
    try:
        main()
    except (BrokenPipeError, EOFError):
        os._exit(1)  # the driver is gone
    sys.stdout.flush()  # what components have printed
    os._exit(0)  # everything is reported and stored; taking the libraries down again would take half a second
