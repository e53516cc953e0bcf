"""Jobs as lines of a file, from which any process can do them: data, never code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialnets.engine import Job
from spatialnets.engines.folder import planned_shards
from spatialnets.engines.measuring import measure_job
from spatialnets.engines.shard_job import ShardJob
from spatialnets.errors import UserError
from spatialnets.files.sizes import plain_text
from spatialnets.run import Run
from spatialnets.storage import write_text

__all__ = ["job_from", "read_order", "write_orders"]


def write_orders(run: Run, jobs: Sequence[Job]) -> Path:
    """Write a file of orders, one line of JSON each; return its path."""
    folder = run.folder.resolve() / "engine"
    folder.mkdir(exist_ok=True)
    number = 1 + max((int(path.stem.partition("-")[2]) for path in folder.glob("orders-*.jsonl")), default=0)
    path = folder / f"orders-{number:05}.jsonl"
    write_text(path, "".join(json.dumps(dict(job.order)) + "\n" for job in jobs))
    return path


def read_order(path: Path, line: int) -> dict[str, Any]:
    """Return an order.

    Raises
    ------
    UserError
        If the file cannot be read or has no such line.
    """
    lines = plain_text(path).splitlines()
    if not 0 <= line < len(lines):
        raise UserError(f"{path} has lines 0 to {len(lines) - 1}; there is no line {line}")
    try:
        order = json.loads(lines[line])
    except (ValueError, RecursionError):
        order = None
    if not isinstance(order, dict):
        raise UserError(f"{path}: line {line} is no order")
    return order


def job_from(run: Run, order: Mapping[str, Any]) -> Job:
    """Return the job of an order: ``{"shard": 3}``, or one of an analysis.

    Raises
    ------
    UserError
        If the run has no such shard, or a part is not installed or not trusted.
    """
    if "measure" in order:
        return measure_job(run, order)
    index = order.get("shard")
    if not isinstance(index, int) or not 0 <= index < len(run.shards):
        raise UserError(f"{run.folder} has shards 0 to {len(run.shards) - 1}, and no shard {index}")
    shard = planned_shards(run, run.experiment())[index]
    return ShardJob(run.shards[index], shard, len(run.geometry(shard.geometry).positions))
