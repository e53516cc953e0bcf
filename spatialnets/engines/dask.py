"""The engine of a Dask cluster: each job is a process that a Dask worker starts and does not outlive."""

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

from spatialnets.engines.child import run_as_child
from spatialnets.engines.claim import Cancelled, cancellation, hold, is_held
from spatialnets.engines.engine import ATTEMPTS, Engine
from spatialnets.engines.job import Job
from spatialnets.engines.orders import refusal, work_command, write_orders
from spatialnets.engines.threads import thread_variables
from spatialnets.errors import RunError, UserError
from spatialnets.progress import Progress
from spatialnets.runs.run import Run
from spatialnets.training.capacity import cores

if TYPE_CHECKING:
    from distributed import Client, Future

__all__ = ["Dask"]

POLL = 0.5  # seconds between two looks at what is stored
LOOKS = 30  # a second apart, for the result of a job that is done
SILENCE = 10.0  # seconds without a scheduler after which it counts as gone
# exit statuses of a job that another process has claimed, or that was told to stop, perhaps before it had begun
LATER = {75, 128 + signal.SIGTERM, -signal.SIGTERM}


@dataclass(frozen=True)
class Dask(Engine):
    """A Dask cluster: one that runs already, or worker processes of this machine.

    All of its machines must see the run's folder under the same path, and have spatialnets installed. A worker that
    dies takes its job along, which then goes on elsewhere from what it has stored.

    Parameters
    ----------
    workers
        Jobs at a time; by default as many as the cluster has threads, or one per core on this machine.
    scheduler
        Its address, such as ``tcp://10.0.0.1:8786``; by default a cluster is started on this machine.
    """

    scheduler: str | None = None

    @property
    def elsewhere(self) -> bool:
        return self.scheduler is not None

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        orders = write_orders(run, jobs)
        with _token(run) as token, _quiet(), self._client(len(jobs)) as client:
            _Sitting(self, run, jobs, progress, client, orders, token).work()

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
                client = Client(self.scheduler, timeout=SILENCE, set_as_default=False)
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
            dashboard_address="127.0.0.1:0",  # None would ask for port 8787, which somebody may have
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
            cluster.close(timeout=SILENCE)


@dataclass
class _Sitting:
    """The jobs of one call."""

    engine: Dask
    run: Run
    jobs: Sequence[Job]
    progress: Progress
    client: Client
    orders: Path
    token: Path
    attempts: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)

    def work(self) -> None:
        """Do all of them."""
        stored = {job.key: job.progress(self.run) for job in self.jobs}
        waiting = deque(enumerate(self.jobs))
        working: dict[int, Future] = {}
        resting: dict[int, float] = {}  # jobs that another process still has: when to ask again
        answered = time.monotonic()
        most = self.engine.workers or len(self.jobs)
        while waiting or working or resting:
            if cancellation(self.run.folder).exists():
                raise Cancelled
            if not self.token.exists():
                raise RunError(f"another process has taken over {self.run.folder}; wait for it or stop it")
            for place in [place for place, moment in resting.items() if moment <= time.monotonic()]:
                del resting[place]
                waiting.append((place, self.jobs[place]))
            while waiting and len(working) < most:
                place, _ = waiting.popleft()
                working[place] = self._submit(place)
            time.sleep(POLL)
            if self.client.status == "running":
                answered = time.monotonic()
            elif self.client.status == "closed" or time.monotonic() - answered > SILENCE:
                where = self.engine.scheduler or "of this machine"
                raise RunError(
                    f"the Dask scheduler {where} is gone; what was computed is kept. Give the same command again, with "
                    "a scheduler that is there, to go on"
                )
            for place in [place for place, future in working.items() if future.done()]:
                future = working[place]
                if future.status in ("lost", "cancelled") and self.client.status != "running":
                    continue  # the scheduler is gone, which is said in a moment
                del working[place]
                self._settle(place, future, waiting, resting)
            for job in self.jobs:
                if (now := job.progress(self.run)) > stored[job.key]:
                    self.progress.advance(now - stored[job.key], job.name)
                    stored[job.key] = now

    def _submit(self, place: int) -> Future:
        command = [*work_command(self.run, self.orders, "python")[1:], str(place)]
        environment = thread_variables(self.run.plan["threads"])
        return self.client.submit(_work, command, environment, _own_paths(), str(self.token), pure=False)

    def _settle(self, place: int, future: Future, waiting: deque[tuple[int, Job]], resting: dict[int, float]) -> None:
        """See what became of a job: done, refused, claimed by another process, or dead with its process."""
        job = self.jobs[place]
        code, said = _outcome(future)
        if code == 0 and not job.done(self.run):
            # over a network's file system results reach us late
            self.unseen[job.key] = self.unseen.get(job.key, 0) + 1
            if self.unseen[job.key] > LOOKS:
                raise RunError(
                    f"{job.name} is said to be done, and is not in {self.run.folder}: do the Dask workers see the "
                    "same folder under that path?"
                )
            resting[place] = time.monotonic() + 1
            return
        if code == 0:
            for line in said.splitlines()[:-1]:  # the last one says that it is done
                self.progress.say(line)
            return
        if code == 2:
            with contextlib.suppress(OSError):
                said = refusal(self.run, job).read_text(encoding="utf-8")
            raise RunError(said.strip().removeprefix("error: "))
        if code == 130:
            raise Cancelled
        if code in LATER:
            resting[place] = time.monotonic() + 1
            return
        self.attempts[job.key] = self.attempts.get(job.key, 0) + 1
        if self.attempts[job.key] >= ATTEMPTS:
            raise RunError(
                f"the process for {job.name} died {ATTEMPTS} times ({said.strip() or f'exit status {code}'}); memory "
                "may be short. Give the same command again to go on, perhaps with fewer workers"
            )
        self.progress.say(f"the process for {job.name} died (exit status {code}); it goes on from what was stored")
        waiting.append((place, job))


def _outcome(future: Future) -> tuple[int, str]:
    """Return the exit status of a job and what it said; -1 if its Dask worker died again and again."""
    from distributed import KilledWorker

    try:
        code, said = future.result(timeout=SILENCE)
    except KilledWorker as error:
        return -1, f"its Dask workers died: {error.last_worker.address}"
    except Exception as error:  # Dask's, of a worker that cannot import this module, say
        return -1, str(error).partition("\n")[0]
    return code, said


def _work(command: list[str], environment: dict[str, str], paths: list[str], token: str) -> tuple[int, str]:
    """Do one job, in a Dask worker; stop it when the one who asked for it has gone."""
    return run_as_child([sys.executable, *command], environment, paths, lambda: Path(token).exists())


def _own_paths() -> list[str]:
    """Return where Python looks for modules here, and not in any process of the same environment."""
    installed = (sys.prefix, sys.base_prefix, sys.exec_prefix)
    return [path for path in sys.path if path and not path.startswith(installed) and "site-packages" not in path]


@contextlib.contextmanager
def _token(run: Run) -> Iterator[Path]:
    """Give a file that is there for as long as somebody wants the jobs done; those of killed drivers are removed."""
    folder = run.folder.resolve() / "engine"
    for old in folder.glob("dask-*"):
        if not is_held(old):  # another process may measure the run, and this one train it
            old.unlink(missing_ok=True)
    path = folder / f"dask-{uuid4().hex}"
    lock = hold(path)
    assert lock is not None  # nobody else knows its name
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)
        os.close(lock)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Have Dask say nothing: what matters is said in one line."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _close(client: Any) -> None:
    with contextlib.suppress(Exception):  # it may be gone already, and nothing depends on a farewell
        client.close(timeout=5)
