"""Where the jobs of a run are done: what an engine is, and what a job is. Never what comes of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from spatialnets.engines.progress import Progress
    from spatialnets.run import Run

__all__ = ["ATTEMPTS", "Advance", "Detached", "Engine", "Job"]

ATTEMPTS = 3  # a process may be killed from outside, for memory say; its job goes on from what it has stored

Advance: TypeAlias = Callable[[int, str], None]
"""Called with how much was done since the last call, and with what is going on, in words."""


class Job(Protocol):
    """One piece of work on a run; doing it twice does no harm and changes nothing."""

    @property
    def name(self) -> str:
        """What it is, for messages."""
        ...

    @property
    def key(self) -> str:
        """A word for names of files."""
        ...

    @property
    def bytes(self) -> int:
        """About how much memory it takes; 0 if little."""
        ...

    @property
    def device(self) -> str:
        """Where it computes, such as ``"cpu"`` or ``"cuda"``."""
        ...

    @property
    def order(self) -> Mapping[str, Any]:
        """Plain data from which any process makes the job again (see `spatialnets.engines.orders`).

        Raises
        ------
        UserError
            If no other process could, because a part is defined in a script or notebook.
        """
        ...

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Do it; return what is to be said of it, one line each."""
        ...

    def done(self, run: Run) -> bool:
        """Tell whether its result is stored."""
        ...

    def progress(self, run: Run) -> int:
        """Return how much of it is stored, in the units of the progress display."""
        ...


class Detached(Exception):
    """An engine has handed jobs to a scheduler that goes on with them; the message says how to look, wait and stop.

    Nothing is wrong: the run is not finished yet, and nothing more is to be done here for now.
    """


@dataclass(frozen=True)
class Engine(ABC):
    """Where the jobs of a run are done.

    Parameters
    ----------
    workers
        Jobs at a time; by default as the engine finds best.
    """

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
        """

    def state(self, run: Run) -> str | None:
        """Say in one line what a scheduler knows of a run, if there is one."""
        return None

    def at_a_time(self, jobs: Sequence[Job]) -> int:
        """Return how many of some jobs are done at a time at most, for the record."""
        return min(self.workers or len(jobs), len(jobs))

    def cancel(self, run: Run) -> None:
        """Stop what a scheduler still has of a run."""
        return None
