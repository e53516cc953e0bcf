"""The interface of engines, which decide where the jobs of a run are done and never affect the results."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from spatialnets.engines.job import Job
from spatialnets.errors import Detached
from spatialnets.progress import Progress
from spatialnets.runs.run import Run
from spatialnets.validation import require_at_least

__all__ = ["ATTEMPTS", "Detached", "Engine"]

ATTEMPTS = 3  # at a job whose process dies, for example for lack of memory; it continues from its last stored state


@dataclass(frozen=True)
class Engine(ABC):
    """Base class of engines.

    Parameters
    ----------
    workers
        Number of jobs at a time; by default decided by the engine.
    """

    references: ClassVar[tuple[str, ...]] = ()
    can_detach: ClassVar[bool] = False

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None:
            require_at_least("workers", self.workers, 1)

    @abstractmethod
    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Do all jobs, several at a time, and repeat those whose process died; `progress` has begun.

        Raises
        ------
        RunError
            If a job is refused, its process died too often, or no process can do it.
        Detached
            If a scheduler continues without this process, as requested.
        """

    @property
    def is_remote(self) -> bool:
        """Whether jobs may be done on machines with other devices than this one."""
        return False

    def state(self, run: Run) -> str | None:
        """Return one line on the jobs that a scheduler has of a run; None if there are none."""
        return None

    def cancel(self, run: Run) -> None:
        """Cancel the jobs that a scheduler has of a run."""
        return None
