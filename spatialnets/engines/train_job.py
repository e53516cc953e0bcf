"""The job of training one shard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spatialnets.engines.claim import claim, refusal_file, with_cancellation_check
from spatialnets.engines.job import Advance, Job
from spatialnets.runs.run import Run
from spatialnets.runs.shards import ShardRecord
from spatialnets.training.checkpoint import remove_checkpoint, updates_in
from spatialnets.training.shard import Shard

__all__ = ["MAX_LOOK_SHARE", "TrainJob", "results_of"]

MAX_LOOK_SHARE = 0.05
"""Largest share of the time in which an engine looks at the folder of a run: each look reads all checkpoints."""


@dataclass(frozen=True)
class TrainJob:
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
        return {"shard": self.record.index}

    def work(self, run: Run, advance: Advance) -> list[str]:
        """Train and store the shard; return one message for each network that diverged.

        Raises
        ------
        UserError
            If the plan names a method for products that this machine does not have.
        """
        from spatialnets.graph.products import block_products
        from spatialnets.training.trainer import train

        with claim(run, self.key, self.name):
            checkpoint = run.checkpoint(self.record.index)
            if self.done(run):
                remove_checkpoint(checkpoint)  # which a process left that was killed after it had stored the shard
                return []
            advance = with_cancellation_check(run, advance)
            messages: list[str] = []
            geometry = run.geometry(self.shard.geometry)
            with block_products({len(geometry.positions)}.intersection(run.plan["block_products"])):
                dataset = train(
                    self.shard,
                    geometry,
                    checkpoint,
                    lambda updates, epoch: advance(updates, f"{self.shard.group} epoch {epoch}"),
                    messages.append,
                )
            self.record.write(dataset)
            remove_checkpoint(checkpoint)
            refusal_file(run, self).unlink(missing_ok=True)
        return messages + [
            f"network {network} of group '{self.shard.group}' was excluded: {reason}"
            for network, reason in zip(self.shard.networks, dataset["reason"].to_numpy(), strict=True)
            if reason
        ]

    def done(self, run: Run) -> bool:
        return run.shards[self.record.index].done

    def progress(self, run: Run) -> int:
        """Return the number of stored updates, summed over networks."""
        updates = self.shard.updates if self.done(run) else updates_in(run.checkpoint(self.record.index))
        return updates * len(self.shard.networks)


def results_of(run: Run, jobs: Sequence[Job]) -> list[tuple[bool, int]]:
    """Return whether each job is done, and how much of its work is stored (`Job.done`, `Job.progress`).

    The folders of shards and checkpoints are listed once, however many jobs there are.
    """
    computed, begun = set(run.computed_indices()), set(run.checkpoint_indices())
    results = []
    for job in jobs:
        if not isinstance(job, TrainJob):
            results.append((job.done(run), job.progress(run)))
        elif job.record.index in computed:
            results.append((True, job.shard.updates * len(job.shard.networks)))
        else:
            results.append((False, job.progress(run) if job.record.index in begun else 0))
    return results
