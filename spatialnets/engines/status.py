"""The state of a run, read from its folder alone, whichever process on whichever machine computes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from spatialnets.engines.choice import engine_from_note
from spatialnets.engines.claim import cancellation_file, claimed_jobs
from spatialnets.engines.driver import driver_note, has_driver
from spatialnets.errors import UserError
from spatialnets.progress import clock_time
from spatialnets.runs.plan import indices_in
from spatialnets.runs.run import Run
from spatialnets.runs.shards import ShardRecord
from spatialnets.training.checkpoint import updates_in

__all__ = ["Status", "UnfinishedShard", "status_of"]

MIN_SECONDS = 1.0  # length of a session from which its pace is meaningful


@dataclass(frozen=True)
class UnfinishedShard:
    """A shard that has a checkpoint but is not finished.

    Parameters
    ----------
    shard, group
        Number of the shard, and name of its group.
    updates, of
        Number of updates of each network so far and in total; the latter is None if the experiment cannot be built
        here.
    epoch
        The epoch that the checkpoint has reached, from 1; None if the experiment cannot be built here.
    seconds_ago
        Age of the checkpoint.
    """

    shard: int
    group: str
    updates: int
    of: int | None
    epoch: int | None
    seconds_ago: float

    def __str__(self) -> str:
        """Return a line of text."""
        epoch = f"epoch {self.epoch}, " if self.epoch is not None else ""
        of = f" of {self.of:,}" if self.of is not None else ""
        age = clock_time(self.seconds_ago)
        return f"shard {self.shard} (group '{self.group}'): {epoch}{self.updates:,}{of} updates, stored {age} ago"


@dataclass(frozen=True)
class Status:
    """The state of a run.

    Parameters
    ----------
    name, folder
        Name and folder of the run.
    networks, of
        Number of networks that are computed, and their total number.
    shards
        Total number of shards.
    begun
        Unfinished shards that have a checkpoint.
    stored_seconds_ago
        Time since a shard or checkpoint was last stored (or a shard removed); None if nothing is stored.
    computed
        Whether a process is computing the run, or waits for those that do.
    jobs
        Keys of the jobs that processes on any machine are computing.
    by
        Note of the process that computes the run, or did until it was killed (``engine/engine.json``).
    left_seconds
        Remaining time at the pace of this session; None if it cannot be estimated.
    scheduler
        State of the run's jobs in a scheduler.
    cancelled
        Whether the run was cancelled and has not been continued since.
    refused
        Reasons why jobs were refused, by their keys.
    """

    name: str
    folder: str
    networks: int
    of: int
    shards: int
    begun: tuple[UnfinishedShard, ...]
    stored_seconds_ago: float | None
    computed: bool
    jobs: tuple[str, ...]
    by: dict[str, Any] | None
    left_seconds: float | None
    scheduler: str | None
    cancelled: bool
    refused: dict[str, str]


def status_of(run: Run) -> Status:
    """Return the state of a run; it lists folders, and reads nothing but the checkpoints of unfinished shards."""
    note, now = driver_note(run), time.time()
    computed = has_driver(run)
    stored = run.stored()
    finished = set(stored)
    checkpoints = [
        index
        for index in indices_in(run.folder / "checkpoints", ".npz")
        if index < len(run.shards) and index not in finished
    ]
    begun = tuple(state for index in checkpoints if (state := _unfinished(run, run.shards[index], now)) is not None)
    # a folder's own time is that of its last result; a hundred thousand files would each have to be asked
    modified = _modified(run.folder / "shards") if stored else None
    times = [stamp for stamp in (modified,) if stamp is not None] + [now - shard.seconds_ago for shard in begun]
    engine = engine_from_note(note)
    return Status(
        name=run.name,
        folder=str(run.folder),
        networks=int(run.shards.sizes(stored).sum()),
        of=sum(run.shards.lengths),
        shards=len(run.shards),
        begun=begun,
        stored_seconds_ago=max(0.0, now - max(times)) if times else None,
        computed=computed,
        jobs=claimed_jobs(run),
        by=note,
        left_seconds=_remaining_seconds(run, note, stored, begun) if computed and note is not None else None,
        scheduler=engine.state(run) if engine is not None else None,
        cancelled=cancellation_file(run.folder).exists(),
        refused=_refusals(run),
    )


def _modified(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:  # removed in the meantime
        return None


def _unfinished(run: Run, shard: ShardRecord, now: float) -> UnfinishedShard | None:
    path = run.checkpoint(shard.index)
    stored = _modified(path)
    if stored is None:
        return None
    updates, of, epoch = updates_in(path), None, None
    try:
        training = run.parts(shard.group, shard.networks[0]).training
        of, epoch = training.epochs * training.updates_per_epoch, 1 + updates // training.updates_per_epoch
    except UserError:  # a component is not installed here
        pass
    return UnfinishedShard(shard.index, shard.group, updates, of, epoch, max(0.0, now - stored))


def _remaining_seconds(
    run: Run, note: dict[str, Any], stored: Sequence[int], begun: Sequence[UnfinishedShard]
) -> float | None:
    """Estimate the remaining time from the updates that this session has stored."""
    if note.get("what") != "updates":
        return None
    try:
        elapsed = (datetime.now(UTC) - datetime.fromisoformat(note["since"])).total_seconds()
        total, done_before = int(note["total"]), int(note["done"])
        finished = np.bincount(
            run.shards.places(stored), weights=run.shards.sizes(stored), minlength=len(run.shards.ensembles)
        )
        done = sum(shard.updates * len(run.shards[shard.shard].networks) for shard in begun)
        for ensemble, networks in zip(run.shards.ensembles, finished.tolist(), strict=True):
            if networks:
                training = run.parts(ensemble.group, int(ensemble.networks[0])).training
                done += int(networks) * training.epochs * training.updates_per_epoch
    except (UserError, KeyError, TypeError, ValueError):
        return None
    if elapsed < MIN_SECONDS or done <= done_before:
        return None
    return (total - done) * elapsed / (done - done_before)


def _refusals(run: Run) -> dict[str, str]:
    reasons = {}
    for path in sorted((run.folder / "engine" / "refused").glob("*.txt")):
        try:
            reasons[path.stem] = path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # removed in the meantime, because the job was done
            continue
    return reasons
