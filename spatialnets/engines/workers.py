"""Worker processes that do jobs from one queue."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from spatialnets.engines.claim import CHECK_SECONDS, Cancelled, cancellation_file
from spatialnets.engines.engine import ATTEMPTS
from spatialnets.engines.job import Job
from spatialnets.engines.threads import thread_variables
from spatialnets.errors import RunError, StorageError
from spatialnets.progress import Progress

__all__ = ["Workers"]


class Workers:
    """Processes that do jobs; a context manager that stops all of them at the end.

    Parameters
    ----------
    folder
        The run's folder.
    count
        Number of processes.
    threads
        PyTorch threads of each process.
    gpus
        GPUs for the processes, named as in ``CUDA_VISIBLE_DEVICES``; each process sees one of them.
    """

    def __init__(self, folder: Path, count: int, threads: int, gpus: Sequence[str] = ()) -> None:
        self._setup = pickle.dumps((sys.path, str(folder.resolve()), threads, os.getpid()))
        self._cancelled = cancellation_file(folder)
        self._gpus = dict.fromkeys(gpus, 0)  # the number of processes on each
        self._gpu_of: dict[int, str] = {}
        self._environment = {**os.environ, **thread_variables(threads)}
        self._events: queue.Queue[tuple[int, dict[str, Any] | None]] = queue.Queue()
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._started = 0
        self._count = count

    def __enter__(self) -> Workers:
        for _ in range(self._count):
            self._start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            if kind is not None:
                process.terminate()
            if process.stdin is not None:
                with contextlib.suppress(OSError):
                    process.stdin.close()
        for process in self._processes.values():
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def _start(self) -> int:
        """Start a process, and a thread that forwards its reports; return its number."""
        number, self._started = self._started, self._started + 1
        environment = self._environment
        if self._gpus:
            gpu = self._gpu_of[number] = min(self._gpus, key=lambda gpu: self._gpus[gpu])
            self._gpus[gpu] += 1
            environment = {**environment, "CUDA_VISIBLE_DEVICES": gpu}
        process = subprocess.Popen(
            [sys.executable, "-m", "spatialnets.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            process_group=0,  # Ctrl-C reaches only the driver, which stops its workers
        )
        self._processes[number] = process
        self._send(number, self._setup)

        def listen() -> None:
            assert process.stdout is not None
            with contextlib.suppress(ValueError, OSError):  # closed because the driver ends
                for line in process.stdout:
                    self._events.put((number, json.loads(line)))
            self._events.put((number, None))

        threading.Thread(target=listen, daemon=True).start()
        return number

    def _send(self, number: int, content: bytes) -> None:
        stream = self._processes[number].stdin
        assert stream is not None
        with contextlib.suppress(BrokenPipeError):  # it has died, which its listener reports
            stream.write(content)
            stream.flush()

    def compute(self, jobs: Sequence[Job], progress: Progress) -> None:
        """Do all jobs.

        Raises
        ------
        RunError
            If a job is refused, or its worker died three times.
        RuntimeError
            If a component raised an unexpected error; the message contains the traceback.
        """
        waiting = deque(jobs)
        working: dict[int, Job] = {}
        attempts: dict[str, int] = {}

        def hand_out(number: int) -> None:
            if waiting:
                working[number] = waiting.popleft()
                self._send(number, pickle.dumps(working[number]))

        for number in list(self._processes):
            hand_out(number)
        while working:
            try:
                number, event = self._events.get(timeout=CHECK_SECONDS)
            except queue.Empty:
                self._stop_if_cancelled()
                continue
            if number not in working:
                continue
            job = working[number]
            if event is None:
                code = self._remove(number)
                del working[number]
                attempts[job.name] = attempts.get(job.name, 0) + 1
                if attempts[job.name] >= ATTEMPTS:
                    raise RunError(
                        f"the worker for {job.name} died {ATTEMPTS} times (exit status {code}), perhaps for lack of "
                        "memory. To continue, repeat the command, perhaps with --workers 1"
                    )
                progress.say(f"a worker died (exit status {code}); its job continues from its last stored state")
                waiting.appendleft(job)
                hand_out(self._start())
            else:
                self._handle(job, event, progress)
                if event["event"] == "done":
                    del working[number]
                    hand_out(number)

    def _stop_if_cancelled(self) -> None:
        """Check for a cancellation here: a worker that makes no progress reports, as in a long analysis, does not."""
        if self._cancelled.exists():
            raise Cancelled

    def _remove(self, number: int) -> int:
        """Forget a dead process and close its pipes; return its exit status."""
        process = self._processes.pop(number)
        code = process.wait()
        if number in self._gpu_of:
            self._gpus[self._gpu_of.pop(number)] -= 1
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return code

    @staticmethod
    def _handle(job: Job, event: Mapping[str, Any], progress: Progress) -> None:
        match event["event"]:
            case "advance":
                progress.advance(event["amount"], event["status"])
            case "done":
                progress.advance(event["amount"], event["status"])
                for line in event["lines"]:
                    progress.say(line)
            case "cancelled":
                raise Cancelled
            case "refused":
                raise (StorageError if event.get("storage") else RunError)(event["message"])
            case _:
                raise RuntimeError(f"{job.name} failed:\n{event['message']}")
