"""How far a run is and who computes it, from its folder alone: for another shell, or another machine."""

from __future__ import annotations

import platform
import time
from dataclasses import dataclass
from typing import Any

from spatialnets.checkpoint import updates_in
from spatialnets.engines.claim import cancellation
from spatialnets.engines.record import engine_of_last, held, last_driver
from spatialnets.errors import RunError, UserError
from spatialnets.files.sizes import plain_text
from spatialnets.run import Run

__all__ = ["Standing", "standing"]


@dataclass(frozen=True)
class Standing:
    """How far a run is.

    Parameters
    ----------
    name, folder
        Of the run.
    networks, computed
        How many networks it has, and how many are stored.
    shards, shards_computed
        The same of shards.
    under_way
        Unfinished shards of which something is stored: number, group and updates made of each network.
    stored_seconds_ago
        How long ago something was last stored; None if nothing is.
    driver
        What the last process that computed it wrote of itself (`spatialnets.engines.record`), if any.
    at_work
        Whether that process, or another one, holds the run now.
    scheduler
        What the scheduler of that engine says, if it has something of the run.
    cancelled
        Whether it was cancelled, and has not gone on since.
    refused
        Why jobs were refused, by their key.
    """

    name: str
    folder: str
    networks: int
    computed: int
    shards: int
    shards_computed: int
    under_way: tuple[tuple[int, str, int], ...]
    stored_seconds_ago: float | None
    driver: dict[str, Any] | None
    at_work: bool
    scheduler: str | None
    cancelled: bool
    refused: dict[str, str]

    @property
    def words(self) -> list[str]:
        """The same in words, a line each."""
        lines = [
            f"{self.name} in {self.folder}: {self.computed:,} of {self.networks:,} networks, "
            f"{self.shards_computed:,} of {self.shards:,} shards"
        ]
        lines += [f"under way: shard {number} of {group}, {made:,} updates" for number, group, made in self.under_way]
        if self.stored_seconds_ago is not None:
            lines.append(f"last stored: {_ago(self.stored_seconds_ago)}")
        lines.append(self._who())
        if self.scheduler is not None:
            lines.append(self.scheduler)
        if self.cancelled:
            lines.append(f"it was cancelled; to go on: spatialnets resume {self.folder}")
        lines += [f"refused: {key}: {reason}" for key, reason in self.refused.items()]
        return lines

    def _who(self) -> str:
        known = self.driver
        if known is None:
            return "a process computes it" if self.at_work else "nobody computes it"
        who = f"engine {known['engine']}, process {known['pid']} on {known['host']}, since {known['since']}"
        if self.at_work:
            return f"computed by {who}"
        if known.get("until") is None and known["host"] == platform.node():
            return f"nobody computes it; the last process ({who}) was killed"
        if known.get("until") is None:
            return f"perhaps computed by {who}; it can be asked on {known['host']} alone"
        return f"nobody computes it; last was {who}"


def _ago(seconds: float) -> str:
    if seconds < 0:  # a clock was set, or another machine's differs
        return "just now"
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} seconds ago"


def standing(run: Run) -> Standing:
    """Return how far a run is; nothing in its folder is changed."""
    done = [shard for shard in run.shards if shard.done]
    made = {shard.index: updates_in(run.checkpoint(shard.index)) for shard in run.shards if not shard.done}
    stored = [
        path.stat().st_mtime for name in ("shards", "checkpoints") for path in (run.folder / name).glob("*.n[cp]*")
    ]
    engine = engine_of_last(run)
    try:
        scheduler = engine.state(run) if engine is not None else None
    except RunError as error:
        scheduler = f"its scheduler cannot be asked here: {error}"
    return Standing(
        name=run.name,
        folder=str(run.folder),
        networks=sum(len(shard.networks) for shard in run.shards),
        computed=sum(len(shard.networks) for shard in done),
        shards=len(run.shards),
        shards_computed=len(done),
        under_way=tuple((shard.index, shard.group, made[shard.index]) for shard in run.shards if made.get(shard.index)),
        stored_seconds_ago=time.time() - max(stored) if stored else None,
        driver=last_driver(run),
        at_work=held(run),
        scheduler=scheduler,
        cancelled=cancellation(run).exists(),
        refused=_refused(run),
    )


def _refused(run: Run) -> dict[str, str]:
    found = {}
    for path in sorted((run.folder / "engine" / "refused").glob("*.txt")):
        try:
            found[path.stem] = plain_text(path, 100_000).strip()
        except UserError:
            continue
    return found
