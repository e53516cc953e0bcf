"""How far a run is, from its folder alone: whoever computes it, on whatever machine."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from spatialnets.engines.choice import engine_noted
from spatialnets.engines.claim import at_work, cancellation
from spatialnets.engines.driver import driver, is_driven
from spatialnets.errors import UserError
from spatialnets.progress import clock_words
from spatialnets.runs.run import Run, ShardRecord
from spatialnets.training.checkpoint import updates_in

__all__ = ["Begun", "Status", "status_of"]

SOON = 1.0  # seconds of a sitting after which its pace says something


@dataclass(frozen=True)
class Begun:
    """A shard of which something is stored, but not all.

    Parameters
    ----------
    shard, group
        Which shard.
    updates, of
        Updates of each network that are stored, and how many there will be; None where the experiment cannot be built
        here.
    epoch
        The epoch that these reach into, from 1.
    seconds_ago
        When that was stored.
    """

    shard: int
    group: str
    updates: int
    of: int | None
    epoch: int | None
    seconds_ago: float

    def __str__(self) -> str:
        """Return it as a line."""
        epoch = f"epoch {self.epoch}, " if self.epoch is not None else ""
        of = f" of {self.of:,}" if self.of is not None else ""
        ago = clock_words(self.seconds_ago)
        return f"shard {self.shard} (group '{self.group}'): {epoch}{self.updates:,}{of} updates, stored {ago} ago"


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Parameters
    ----------
    name, folder
        Of the run.
    networks, of
        Networks that are computed, and how many there will be.
    shards
        How many shards they are in.
    begun
        Shards of which something is stored, but not all.
    stored_seconds_ago
        When something was last stored; None if nothing is.
    computed
        Whether a process computes it now, or sees to its being computed.
    jobs
        Keys of the jobs that processes are at, here or elsewhere.
    by
        Who computes it, or did when it was killed (``engine/engine.json``).
    left_seconds
        Time left at the pace of this sitting; None if nothing can be said.
    scheduler
        What a scheduler knows of it.
    cancelled
        Whether it was cancelled, and nobody has gone on since.
    refused
        Why jobs were refused, by their keys.
    """

    name: str
    folder: str
    networks: int
    of: int
    shards: int
    begun: tuple[Begun, ...]
    stored_seconds_ago: float | None
    computed: bool
    jobs: tuple[str, ...]
    by: dict[str, Any] | None
    left_seconds: float | None
    scheduler: str | None
    cancelled: bool
    refused: dict[str, str]


def status_of(run: Run) -> Status:
    """Return how far a run is."""
    note, now = driver(run), time.time()
    computed = is_driven(run)
    done = [shard for shard in run.shards if shard.done]
    begun = tuple(found for shard in run.missing if (found := _begun(run, shard, now)) is not None)
    times = [stamp for shard in done if (stamp := _stored_at(shard.path)) is not None]
    times += [now - shard.seconds_ago for shard in begun]
    engine = engine_noted(note)
    return Status(
        name=run.name,
        folder=str(run.folder),
        networks=sum(len(shard.networks) for shard in done),
        of=sum(len(shard.networks) for shard in run.shards),
        shards=len(run.shards),
        begun=begun,
        stored_seconds_ago=max(0.0, now - max(times)) if times else None,
        computed=computed,
        jobs=at_work(run),
        by=note,
        left_seconds=_left(run, note) if computed and note is not None else None,
        scheduler=engine.state(run) if engine is not None else None,
        cancelled=cancellation(run.folder).exists(),
        refused=_refused(run),
    )


def _stored_at(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:  # gone meanwhile
        return None


def _begun(run: Run, shard: ShardRecord, now: float) -> Begun | None:
    path = run.checkpoint(shard.index)
    stored = _stored_at(path)
    if stored is None:
        return None
    updates, of, epoch = updates_in(path), None, None
    try:
        training = run.parts(shard.group, shard.networks[0]).training
        of, epoch = training.epochs * training.updates_per_epoch, 1 + updates // training.updates_per_epoch
    except UserError:  # a part that is not installed here
        pass
    return Begun(shard.index, shard.group, updates, of, epoch, max(0.0, now - stored))


def _left(run: Run, note: dict[str, Any]) -> float | None:
    """Return the time left in seconds, from what this sitting has stored of networks since it began."""
    if note.get("what") != "updates":
        return None
    try:
        since = (datetime.now(UTC) - datetime.fromisoformat(note["since"])).total_seconds()
        total, before = int(note["total"]), int(note["done"])
        done = 0
        for shard in run.shards:
            training = run.parts(shard.group, shard.networks[0]).training
            all_of_it = training.epochs * training.updates_per_epoch
            done += len(shard.networks) * (all_of_it if shard.done else updates_in(run.checkpoint(shard.index)))
    except (UserError, KeyError, TypeError, ValueError):
        return None
    if since < SOON or done <= before:
        return None
    return (total - done) * since / (done - before)


def _refused(run: Run) -> dict[str, str]:
    found = {}
    for path in sorted((run.folder / "engine" / "refused").glob("*.txt")):
        try:
            found[path.stem] = path.read_text(encoding="utf-8", errors="replace").strip()
        except OSError:  # a later success has removed it
            continue
    return found
