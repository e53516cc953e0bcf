"""Jobs: the pieces of work on a run that engines do."""

from __future__ import annotations

import pickle
import pickletools
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np

from spatialnets.errors import UserError
from spatialnets.runs.run import Run
from spatialnets.runs.shards import ShardRecord

__all__ = ["Advance", "Job", "importable_elsewhere", "one_per_ensemble", "require_importable"]

AnyJob = TypeVar("AnyJob", bound="Job")

Advance = Callable[[int, str], None]
"""Called with the amount of work done since the last call, and a short description of the current work."""


class Job(Protocol):
    """One piece of work on a run; repeating it has no further effect."""

    @property
    def name(self) -> str:
        """Description for messages."""
        ...

    @property
    def key(self) -> str:
        """Identifier used in names of files."""
        ...

    @property
    def record(self) -> ShardRecord:
        """The shard that is trained or measured."""
        ...

    @property
    def order(self) -> Mapping[str, Any]:
        """Plain data from which any process can rebuild the job (see `spatialnets.engines.orders`)."""
        ...

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Do the job; return messages for the user, one line each."""
        ...

    def done(self, run: Run) -> bool:
        """Tell whether the result is stored."""
        ...

    def progress(self, run: Run) -> int:
        """Return how much of the work is stored, in the units of the progress display."""
        ...


def one_per_ensemble(run: Run, jobs: Sequence[AnyJob]) -> list[AnyJob]:
    """Return the first of the jobs of each ensemble; the others have the same components, except for their networks."""
    places = run.shards.places([job.record.index for job in jobs])
    return [jobs[first] for first in np.unique(places, return_index=True)[1].tolist()]


def importable_elsewhere(job: Any) -> bool:
    """Tell whether another process can import all components of a job: none is defined in a script or notebook."""
    try:
        pickled = pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    # classes are pickled by the name of their module; a component may also hold "module:function"
    names = {text.partition(":")[0] for _, text, _ in pickletools.genops(pickled) if isinstance(text, str)}
    # scripts, notebooks and modules created at run time have no import specification
    return "__main__" not in names and all(sys.modules[name].__spec__ is not None for name in names & {*sys.modules})


def require_importable(part: Any, name: str) -> None:
    """Raise a UserError unless another process can import all components of a job or of one of its parts."""
    if not importable_elsewhere(part):
        raise UserError(
            f"{name} has a component that is defined in a script or notebook, which other processes cannot import; "
            "move it to a module, or use engine=here"
        )
