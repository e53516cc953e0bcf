"""The engine of a Dask cluster, wherever that runs: Kubernetes, PBS, LSF, clouds, or this machine."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spatialnets.engine import Engine, Job
from spatialnets.engines.commands import do_elsewhere
from spatialnets.engines.progress import Progress
from spatialnets.engines.sizing import fitting_workers
from spatialnets.errors import RunError, UserError

if TYPE_CHECKING:
    from spatialnets.run import Run

__all__ = ["Dask"]


@dataclass(frozen=True)
class Dask(Engine):
    """A Dask cluster: each job is a command of its own, started by a Dask worker, and dies with that.

    Workers need spatialnets and the run's folder under the same path. A job whose worker dies is given to another one
    and goes on from what it had stored; when the scheduler dies, the same command goes on.

    Parameters
    ----------
    workers
        Worker processes of a cluster that is started for this run; by default one a core. Of a cluster that is there
        already its own scheduler decides.
    scheduler
        The address of a scheduler, such as ``"tcp://head:8786"``; by default a cluster is started on this machine.
    connect_seconds
        How long to wait for the scheduler.

    Raises
    ------
    ValueError
        If `workers` is less than 1, or `connect_seconds` is not positive.

    Examples
    --------
    >>> Dask(scheduler="tcp://head:8786")
    Dask(workers=None, scheduler='tcp://head:8786', connect_seconds=10.0)
    """

    scheduler: str | None = None
    connect_seconds: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.connect_seconds > 0:
            raise ValueError(f"connect_seconds must be positive, not {self.connect_seconds}")

    def at_a_time(self, jobs: Sequence[Job]) -> int:
        default = fitting_workers(jobs) if self.scheduler is None else len(jobs)
        return min(self.workers or default, len(jobs))

    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Do all jobs; those whose worker died go on in another one.

        Raises
        ------
        UserError
            If Dask is not installed, or a part is defined in a script or notebook.
        RunError
            If a job is refused, its process died three times, or the scheduler cannot be reached or is gone.
        """
        with self._client(jobs) as client:
            where = client.scheduler.address if client.scheduler is not None else "?"
            progress.say(f"Dask scheduler {where}, {len(client.scheduler_info()['workers'])} workers")
            try:
                with client.get_executor(pure=False) as pool:
                    do_elsewhere(run, jobs, progress, pool)
            except (CancelledError, OSError) as error:
                raise _gone(where, error) from error
            except RuntimeError as error:
                if type(error).__module__.partition(".")[0] not in ("distributed", "dask"):
                    raise
                raise _gone(where, error) from error

    @contextmanager
    def _client(self, jobs: Sequence[Job]) -> Iterator[Any]:
        try:
            from distributed import Client, LocalCluster
        except ImportError as error:
            raise UserError(f"engine=dask needs Dask ({error}): pip install 'spatialnets[dask]'") from error
        with contextlib.ExitStack() as stack:
            address: Any = self.scheduler
            if address is None:
                address = stack.enter_context(
                    LocalCluster(
                        n_workers=self.at_a_time(jobs),
                        threads_per_worker=1,
                        processes=True,
                        host="127.0.0.1",
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,
                    )
                )
            try:
                client = stack.enter_context(Client(address, timeout=self.connect_seconds))
            except (OSError, ValueError, TimeoutError) as error:
                raise RunError(
                    f"no Dask scheduler answers at {self.scheduler} within {self.connect_seconds:g} s ({error}); give "
                    "the address that it prints when it starts, such as tcp://host:8786"
                ) from error
            yield client


def _gone(where: str, error: Exception) -> RunError:
    return RunError(
        f"the Dask scheduler {where} is gone ({type(error).__name__}); what was computed is kept, and the same "
        "command, with this or another engine, goes on"
    )
