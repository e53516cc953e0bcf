"""The Dask engine: each job is a process that a Dask worker starts, and that does not outlive the worker."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from spatialnets.engines.child import run_child
from spatialnets.engines.claim import Cancelled, cancellation_file, refusal_file
from spatialnets.engines.engine import ATTEMPTS, Engine
from spatialnets.engines.job import Job
from spatialnets.engines.orders import work_command, write_orders
from spatialnets.engines.threads import thread_variables
from spatialnets.engines.train_job import MAX_LOOK_SHARE, results_of
from spatialnets.errors import RunError, UserError
from spatialnets.files.locks import hold, is_held
from spatialnets.progress import Progress
from spatialnets.runs.run import Run
from spatialnets.training.capacity import cores

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Dask"]

POLL_SECONDS = 0.5
RETRY_SECONDS = 1.0  # before another look at a job that is claimed by another process, or whose result is not visible
MAX_LOOKS = 30  # for the result of a job that is done: network file systems show it late
TIMEOUT_SECONDS = 10.0  # without a scheduler, after which it counts as gone
# exit statuses of a job that another process has claimed, or that was stopped, perhaps before it had begun
RETRY_STATUSES = {75, 128 + signal.SIGTERM, -signal.SIGTERM}


@dataclass(frozen=True)
class Dask(Engine):
    """Use an existing Dask cluster, or start one on this machine.

    All machines of the cluster must see the run's folder under the same path and have spatialnets installed. If a Dask
    worker dies, its job continues on another worker from its last stored state.

    Parameters
    ----------
    workers
        Number of jobs at a time; by default as many as the cluster has threads, or one per core on this machine.
    scheduler
        Address of the cluster, such as ``tcp://10.0.0.1:8786``; by default a cluster is started on this machine.
    """

    scheduler: str | None = None

    @property
    def is_remote(self) -> bool:
        return self.scheduler is not None

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        orders = write_orders(run, jobs)
        with _token(run) as token, _without_logs(), self._client(len(jobs)) as client:
            _Session(self, run, jobs, progress, client, orders, token).work()

    @contextlib.contextmanager
    def _client(self, jobs: int) -> Iterator[Client]:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise UserError(
                f"engine=dask needs the packages of Dask ({error}); install them with: pip install 'spatialnets[dask]'"
            ) from error
        if self.scheduler is not None:
            try:
                client = Client(self.scheduler, timeout=TIMEOUT_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                raise RunError(
                    f"no Dask scheduler answers at {self.scheduler}; start one with `dask scheduler`, or leave out "
                    "engine.scheduler to start workers on this machine"
                ) from error
            try:
                yield client
            finally:
                _close(client)
            return
        cluster = LocalCluster(
            n_workers=min(self.workers or cores(), jobs),
            threads_per_worker=1,
            dashboard_address="127.0.0.1:0",  # None would request port 8787, which may be taken
            host="127.0.0.1",
            silence_logs=logging.CRITICAL,
        )
        try:
            client = Client(cluster, set_as_default=False)
            try:
                yield client
            finally:
                _close(client)
        finally:
            cluster.close(timeout=TIMEOUT_SECONDS)


@dataclass
class _Session:
    """The jobs of one call of `Dask.do`; they are numbered in the order of `jobs`."""

    engine: Dask
    run: Run
    jobs: Sequence[Job]
    progress: Progress
    client: Client
    orders: Path
    token: Path
    attempts: dict[str, int] = field(default_factory=dict)
    looks: dict[str, int] = field(default_factory=dict)

    def work(self) -> None:
        """Do all jobs."""
        stored = [progress for _, progress in results_of(self.run, self.jobs)]
        waiting = deque(range(len(self.jobs)))
        working: dict[int, Future] = {}
        resting: dict[int, float] = {}  # the times at which jobs are tried again
        changed: set[int] = set()  # jobs that have ended since the last look
        last_contact, next_look = time.monotonic(), 0.0
        max_working = self.engine.workers or len(self.jobs)
        while waiting or working or resting:
            if cancellation_file(self.run.folder).exists():
                raise Cancelled
            if not self.token.exists():
                raise RunError(f"another process has taken over {self.run.folder}; wait for it or stop it")
            for number in [number for number, moment in resting.items() if moment <= time.monotonic()]:
                del resting[number]
                waiting.append(number)
            while waiting and len(working) < max_working:
                number = waiting.popleft()
                working[number] = self._submit(number)
            time.sleep(POLL_SECONDS)
            if self.client.status == "running":
                last_contact = time.monotonic()
            elif self.client.status == "closed" or time.monotonic() - last_contact > TIMEOUT_SECONDS:
                where = self.engine.scheduler or "of this machine"
                raise RunError(
                    f"the Dask scheduler {where} is gone; stored results are kept. To continue, repeat the command "
                    "with a scheduler that is running"
                )
            for number in [number for number, future in working.items() if future.done()]:
                future = working[number]
                if future.status in ("lost", "cancelled") and self.client.status != "running":
                    continue  # the scheduler is gone, which is reported soon
                del working[number]
                changed.add(number)
                self._settle(number, future, waiting, resting)
            begun = time.monotonic()
            if begun >= next_look or not (waiting or working or resting):
                self._look(sorted({*changed, *working, *resting}), stored)
                changed.clear()
                next_look = time.monotonic() + (time.monotonic() - begun) / MAX_LOOK_SHARE

    def _look(self, numbers: Sequence[int], stored: list[int]) -> None:
        """Report the progress that jobs have stored since the last look."""
        results = results_of(self.run, [self.jobs[number] for number in numbers])
        for number, (_, progress) in zip(numbers, results, strict=True):
            if progress > stored[number]:
                self.progress.advance(progress - stored[number], self.jobs[number].name)
                stored[number] = progress

    def _submit(self, number: int) -> Future:
        command = [*work_command(self.run, self.orders, "python")[1:], str(number)]
        environment = thread_variables(self.run.plan["threads"])
        return self.client.submit(_work, command, environment, _local_modules(), str(self.token), pure=False)

    def _settle(self, number: int, future: Future, waiting: deque[int], resting: dict[int, float]) -> None:
        """Handle the end of a job: it is done, refused, claimed by another process, or its process died."""
        job = self.jobs[number]
        code, output = _outcome(future)
        if code == 0 and not job.done(self.run):
            self.looks[job.key] = self.looks.get(job.key, 0) + 1
            if self.looks[job.key] > MAX_LOOKS:
                raise RunError(
                    f"a Dask worker reported that {job.name} is done, but the result is not in {self.run.folder}; all "
                    "workers must see the same folder under this path"
                )
            resting[number] = time.monotonic() + RETRY_SECONDS
        elif code == 0:
            for line in output.splitlines()[:-1]:  # the last line only reports that the job is done
                self.progress.say(line)
        elif code == 2:
            with contextlib.suppress(OSError):
                output = refusal_file(self.run, job).read_text(encoding="utf-8")
            raise RunError(output.strip().removeprefix("error: "))
        elif code == 130:
            raise Cancelled
        elif code in RETRY_STATUSES:
            resting[number] = time.monotonic() + RETRY_SECONDS
        else:
            self.attempts[job.key] = self.attempts.get(job.key, 0) + 1
            if self.attempts[job.key] >= ATTEMPTS:
                raise RunError(
                    f"the process for {job.name} died {ATTEMPTS} times ({output.strip() or f'exit status {code}'}), "
                    "perhaps for lack of memory. To continue, repeat the command, perhaps with fewer workers"
                )
            self.progress.say(
                f"the process for {job.name} died (exit status {code}); it continues from its last stored state"
            )
            waiting.append(number)


def _outcome(future: Future) -> tuple[int, str]:
    """Return the exit status and output of a job; status -1 if its Dask workers kept dying."""
    from distributed import KilledWorker

    try:
        code, output = future.result(timeout=TIMEOUT_SECONDS)
    except KilledWorker as error:
        return -1, f"its Dask workers died: {error.last_worker.address}"
    except Exception as error:  # raised by Dask, for example if a worker cannot import this module
        return -1, str(error).partition("\n")[0]
    return code, output


def _work(command: list[str], environment: dict[str, str], paths: list[str], token: str) -> tuple[int, str]:
    """Do one job in a Dask worker; stop it when the driver is gone and its token has been removed."""
    return run_child([sys.executable, *command], environment, paths, lambda: Path(token).exists())


def _local_modules() -> list[str]:
    """Return the part of this process's module search path that does not belong to its Python environment."""
    installed = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    return [path for path in sys.path if path and not path.startswith(installed) and "site-packages" not in path]


@contextlib.contextmanager
def _token(run: Run) -> Iterator[Path]:
    """Create a file that exists as long as the jobs are wanted, and remove the files of drivers that were killed."""
    folder = run.folder.resolve() / "engine"
    for old in folder.glob("dask-*"):
        if not is_held(old):  # a held one belongs to another driver, which measures the run while this one trains it
            old.unlink(missing_ok=True)
    path = folder / f"dask-{uuid4().hex}"
    lock = hold(path)
    assert lock is not None  # no other process knows the name
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


@contextlib.contextmanager
def _without_logs() -> Iterator[None]:
    """Silence Dask's loggers within the block: problems are reported in one line by this module."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # the scheduler may be gone, and nothing depends on a clean goodbye
        client.close(timeout=5)
