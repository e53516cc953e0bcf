"""The job of training one shard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spatialnets.engines.claim import claim, watched
from spatialnets.engines.elsewhere import importable_elsewhere
from spatialnets.engines.job import Advance
from spatialnets.engines.orders import refusal
from spatialnets.errors import UserError
from spatialnets.runs.run import Run, ShardRecord
from spatialnets.training.checkpoint import updates_in
from spatialnets.training.shard import Shard

__all__ = ["ShardJob"]


@dataclass(frozen=True)
class ShardJob:
    """Train one shard and store it."""

    record: ShardRecord
    shard: Shard

    @property
    def name(self) -> str:
        return f"shard {self.record.index} (group '{self.shard.group}')"

    @property
    def key(self) -> str:
        return f"shard-{self.record.index:05d}"

    @property
    def order(self) -> Mapping[str, Any]:
        if not importable_elsewhere(self):
            raise UserError(
                f"{self.name} has a part that is defined in a script or notebook, where no other process finds it; "
                "put it into a module, or use engine=here"
            )
        return {"shard": self.record.index}

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Train, store, and return one line for each network that diverged."""
        from spatialnets.training.trainer import train

        with claim(run, self.key, self.name):
            if self.done(run):
                return []
            advance = watched(run, advance)
            checkpoint = run.checkpoint(self.record.index)
            said: list[str] = []
            dataset = train(
                self.shard,
                run.geometry(self.shard.geometry),
                checkpoint,
                lambda updates, epoch: advance(updates, f"{self.shard.group} epoch {epoch}"),
                said.append,
            )
            run.write_shard(self.record, dataset)
            checkpoint.unlink(missing_ok=True)
            refusal(run, self).unlink(missing_ok=True)
        return said + [
            f"network {network} of group '{self.shard.group}' was taken out: {reason}"
            for network, reason in zip(self.shard.networks, dataset["reason"].to_numpy(), strict=True)
            if reason
        ]

    def done(self, run: Run) -> bool:
        return run.shards[self.record.index].done

    def progress(self, run: Run) -> int:
        """Return how many updates of single networks are stored."""
        updates = self.shard.updates if self.done(run) else updates_in(run.checkpoint(self.record.index))
        return updates * len(self.shard.networks)
