"""What an engine does: one job of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from spatialnets.runs.run import Run

__all__ = ["Advance", "Job"]

Advance = Callable[[int, str], None]
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
