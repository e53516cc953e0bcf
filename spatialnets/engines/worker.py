"""One worker process: does the jobs it is given, one at a time, on one thread.

Jobs come in as pickles on standard input, progress and results go out as one line of JSON each. The worker ends
when its input does, and dies when the process that started it does.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from spatialnets.engine import Job
    from spatialnets.run import Run


def main() -> None:
    """Serve until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the driver decides
    reports = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # a chatty part must not spoil the reports

    def report(**content: Any) -> None:
        reports.write(json.dumps(content) + "\n")
        reports.flush()

    source = sys.stdin.buffer
    search_path, folder, threads, parent, trusted = pickle.load(source)
    sys.path[:] = search_path
    die_with(parent)

    from spatialnets.engines.arithmetic import arithmetic
    from spatialnets.run import Run

    run = Run.open(Path(folder), trusted=trusted)
    with arithmetic(threads):
        while True:
            try:
                job = pickle.load(source)
            except EOFError:
                return
            _serve(run, job, report)


def die_with(parent: int) -> None:
    """Have the system kill this process when the one that started it dies, whatever it is doing then."""
    if sys.platform != "linux":
        return  # it ends at its next report
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # which may have died before
        os.kill(os.getpid(), signal.SIGKILL)


def _serve(run: Run, job: Job, report: Callable[..., None]) -> None:
    """Do one job and report."""
    from spatialnets.engines.claim import Cancelled
    from spatialnets.errors import UserError

    done, doing, last = 0, "", time.monotonic()

    def advance(amount: int, status: str) -> None:
        nonlocal done, doing, last
        done, doing = done + amount, status
        if time.monotonic() - last > 0.25:
            report(event="advance", amount=done, status=doing)
            done, last = 0, time.monotonic()

    try:
        lines = job.work(run, advance)
    except Cancelled as error:
        report(event="cancelled", message=str(error))
    except UserError as error:
        report(event="refused", message=str(error))
    except MemoryError as error:
        report(event="refused", message=f"memory is short: {error}")
    except Exception:  # the driver raises it again, with this trace
        report(event="failed", message=traceback.format_exc())
    else:
        report(event="done", amount=done, status=doing, lines=lines)


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os._exit(1)  # nobody listens any more
