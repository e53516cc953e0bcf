"""Provenance: the versions, machine and sessions that computed a run."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from spatialnets.errors import RunError
from spatialnets.runs.run import Run

__all__ = ["Session", "new_provenance", "now", "warn"]


def new_provenance() -> dict[str, Any]:
    """Return the provenance of a run that begins now."""
    packages = ("spatialnets", "torch", "numpy", "scipy", "xarray", "h5netcdf", "h5py", "pydantic")
    return {
        "created": now(),
        "command": sys.argv,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "commit": _commit(),
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "sessions": [],
    }


def now() -> str:
    """Return the current time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _commit() -> str | None:
    """Return the commit of the toolkit if it runs from a git checkout, otherwise None."""
    git = ["git", "-C", str(Path(__file__).resolve().parent), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


@dataclass
class Session:
    """A session of work on a run, noted in its provenance when it ends.

    Parameters
    ----------
    run
        The run.
    engine, workers
        Name and workers of the engine.
    started
        When the session began.
    missing
        Number of shards that were missing then.
    """

    run: Run
    engine: str
    workers: int | None
    started: str
    missing: int

    @classmethod
    def begin(cls, run: Run, engine: str, workers: int | None) -> Session:
        """Return a session that begins now."""
        return cls(run, engine, workers, now(), len(run.shards) - len(run.stored()))

    def end(self) -> None:
        """Note when the session ended and how many shards it computed."""
        try:
            provenance = self.run.provenance
            provenance["sessions"].append(
                {
                    "started": self.started,
                    "ended": now(),
                    "engine": self.engine,
                    "workers": self.workers,
                    "shards": self.missing - (len(self.run.shards) - len(self.run.stored())),
                }
            )
            self.run.write_provenance(provenance)
        except RunError as error:  # must neither hide what ended the session nor undo what it computed
            warn(f"this session is not noted in the provenance: {error}")


def warn(line: str) -> None:
    """Print a message that must be seen even if progress is not shown; no progress bar is on screen at this time."""
    print(line, file=sys.stderr, flush=True)
