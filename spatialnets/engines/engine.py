"""What an engine is: where jobs are done, never what comes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from spatialnets.engines.job import Job
from spatialnets.errors import Detached
from spatialnets.progress import Progress
from spatialnets.runs.run import Run

__all__ = ["ATTEMPTS", "Detached", "Engine"]

ATTEMPTS = 3  # a process may be killed from outside, for memory say; its job goes on from what it has stored


@dataclass(frozen=True)
class Engine(ABC):
    """Where the jobs of a run are done.

    Parameters
    ----------
    workers
        Jobs at a time; by default as the engine finds best.
    """

    references: ClassVar[tuple[str, ...]] = ()

    workers: int | None = None

    def __post_init__(self) -> None:
        if self.workers is not None and self.workers < 1:
            raise ValueError(f"workers must be 1 or more, not {self.workers}")

    @abstractmethod
    def do(self, run: Run, jobs: Sequence[Job], progress: Progress) -> None:
        """Do all jobs, several at a time, and those again whose process died; `progress` has begun.

        Raises
        ------
        RunError
            If a job is refused, its process died too often, or nobody is there to do it.
        Detached
            If a scheduler goes on without this process, as was asked for.
        """

    @property
    def elsewhere(self) -> bool:
        """Whether jobs may be done on machines that have other devices than this one."""
        return False

    def state(self, run: Run) -> str | None:
        """Say in one line what a scheduler knows of a run, if there is one."""
        return None

    def cancel(self, run: Run) -> None:
        """Stop what a scheduler still has of a run."""
        return None
