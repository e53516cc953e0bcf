"""Analysis: a measurement of a run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import xarray as xr

    from spatialnets.runs.run import Run

__all__ = ["Analysis"]


@dataclass(frozen=True)
class Analysis(ABC):
    """A measurement of the networks of a run, which can be repeated at any time.

    `heavy` is True if one network may take seconds: shards are then measured in parallel without first timing one.
    """

    references: ClassVar[tuple[str, ...]] = ()
    heavy: ClassVar[bool] = False

    @abstractmethod
    def measure(self, run: Run) -> xr.Dataset:
        """Return the measurements of all groups over ``(network, epoch, ...)``; NaN where a network diverged.

        Coordinates ``group``, ``strength`` and ``seed`` lie along ``network``. Epochs may be a subset of the run's.
        """
