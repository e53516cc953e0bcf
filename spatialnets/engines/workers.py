"""Worker processes that take shards from one queue."""

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
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from spatialnets.engines.progress import Progress
from spatialnets.errors import RunError
from spatialnets.run import ShardRecord
from spatialnets.shard import Shard

__all__ = ["Workers"]

ATTEMPTS = 3  # a worker may be killed from outside, for memory say; its shard goes on from its last epoch


class Workers:
    """Processes that compute shards; a context manager that leaves none behind.

    Parameters
    ----------
    folder
        The run's folder.
    count
        How many processes.
    threads
        torch threads in each.
    """

    def __init__(self, folder: Path, count: int, threads: int) -> None:
        self._greeting = pickle.dumps((sys.path, str(folder.resolve()), threads))
        self._environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
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
        """Start a process, and a thread that passes its reports on; return its number."""
        number, self._started = self._started, self._started + 1
        process = subprocess.Popen(
            [sys.executable, "-m", "spatialnets.engines.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self._environment,
        )
        self._processes[number] = process
        self._send(number, self._greeting)

        def listen() -> None:
            assert process.stdout is not None
            with contextlib.suppress(ValueError, OSError):  # closed while we end
                for line in process.stdout:
                    self._events.put((number, json.loads(line)))
            self._events.put((number, None))

        threading.Thread(target=listen, daemon=True).start()
        return number

    def _send(self, number: int, content: bytes) -> None:
        stream = self._processes[number].stdin
        assert stream is not None
        with contextlib.suppress(BrokenPipeError):  # it is dead, and its listener will say so
            stream.write(content)
            stream.flush()

    def compute(self, shards: Sequence[tuple[ShardRecord, Shard]], progress: Progress) -> None:
        """Compute all shards.

        Raises
        ------
        RunError
            If a shard is refused, or if its worker died three times.
        RuntimeError
            If a part raised an error that it should not have; the message holds its trace.
        """
        waiting = deque(shards)
        working: dict[int, tuple[ShardRecord, Shard]] = {}
        attempts: dict[int, int] = {}

        def hand_out(number: int) -> None:
            if waiting:
                working[number] = waiting.popleft()
                self._send(number, pickle.dumps(working[number]))

        for number in list(self._processes):
            hand_out(number)
        while working:
            number, event = self._events.get()
            if number not in working:
                continue
            record, shard = working[number]
            if event is None:
                code = self._processes.pop(number).wait()
                del working[number]
                attempts[record.index] = attempts.get(record.index, 0) + 1
                if attempts[record.index] >= ATTEMPTS:
                    raise RunError(
                        f"the worker for shard {record.index} (group '{record.group}') died {ATTEMPTS} times "
                        f"(exit status {code}); memory may be short. Give the same command again to go on, "
                        "perhaps with --workers 1"
                    )
                progress.say(f"a worker died (exit status {code}); its shard goes on from its last epoch")
                waiting.appendleft((record, shard))
                hand_out(self._start())
            elif event["event"] == "advance":
                progress.advance(event["updates"], f"{shard.group} epoch {event['epoch']}")
            elif event["event"] == "done":
                progress.advance(event["updates"], shard.group)
                for reason in event["reasons"]:
                    progress.say(reason)
                del working[number]
                hand_out(number)
            elif event["event"] == "refused":
                raise RunError(event["message"])
            else:
                raise RuntimeError(f"shard {record.index} of group '{record.group}' failed:\n{event['message']}")
