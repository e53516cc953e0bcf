"""Jobs as lines of a file, from which any process can do them: data, never code."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialnets.engines.job import Job
from spatialnets.errors import RunError, UserError
from spatialnets.files.atomic import write_text
from spatialnets.runs.run import Run

__all__ = ["job_from", "read_order", "refusal", "shard_jobs", "work_command", "write_orders"]


def write_orders(run: Run, jobs: Sequence[Job]) -> Path:
    """Write a file of orders, ``RUN/engine/orders-*.jsonl``, one line of JSON each; return its path.

    Raises
    ------
    UserError
        If another process could not do one of the jobs.
    """
    folder = run.folder.resolve() / "engine"
    folder.mkdir(exist_ok=True)
    path = folder / f"orders-{secrets.token_hex(6)}.jsonl"  # which no other process chooses at this moment
    write_text(path, "".join(json.dumps(dict(job.order)) + "\n" for job in jobs))
    return path


def read_order(path: Path, line: int) -> dict[str, Any]:
    """Return an order.

    Parameters
    ----------
    path
        A file of orders.
    line
        Which of its lines, from 0.

    Raises
    ------
    RunError
        If the file cannot be read or has no such line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not 0 <= line < len(lines):
        raise RunError(f"{path} has lines 0 to {len(lines) - 1}; there is no line {line}")
    try:
        order = json.loads(lines[line])
    except ValueError as error:
        raise RunError(f"line {line} of {path} is no order: {error}") from error
    if not isinstance(order, dict):
        raise RunError(f"line {line} of {path} is no order: expected a mapping such as {{'shard': 3}}, got {order!r}")
    return order


def job_from(run: Run, order: Mapping[str, Any]) -> Job:
    """Return the job of an order.

    Raises
    ------
    UserError
        If the run has no such shard, or a part of the job cannot be had here.
    """
    if "analysis" in order:
        from spatialnets.engines.measure import measure_job

        return measure_job(run, order)
    (job,) = shard_jobs(run, [order.get("shard")])
    return job


def shard_jobs(run: Run, indices: Sequence[Any]) -> list[Job]:
    """Return the jobs of some shards of a run.

    Raises
    ------
    UserError
        If the run has no such shard, or a part of its experiment cannot be had here.
    """
    from spatialnets.engines.train_job import ShardJob
    from spatialnets.runs.folder import planned_shards

    for index in indices:
        if not isinstance(index, int) or not 0 <= index < len(run.shards):
            raise RunError(f"{run.folder} has shards 0 to {len(run.shards) - 1}; there is no shard {index!r}")
    experiment = run.experiment()
    if run.plan["experiment"] != experiment.digest:
        raise RunError(f"{run.folder} is damaged: its plan is of another experiment than its experiment.yaml")
    shards = planned_shards(run, experiment)
    return [ShardJob(run.shards[index], shards[index]) for index in indices]


def refusal(run: Run, job: Job) -> Path:
    """Return the file in which a process elsewhere says why it refused a job."""
    return run.folder / "engine" / "refused" / f"{job.key}.txt"


def work_command(run: Run, orders: Path, python: str = sys.executable) -> list[str]:
    """Return the command that does an order, all but the number of its line.

    Parameters
    ----------
    run
        Whose orders.
    orders
        The file of orders.
    python
        The Python to do it with.
    """
    try:
        trusted = run.trusted or run.experiment().trusted
    except UserError:  # what is asked for may not need what the folder names
        trusted = False
    command = [python, "-m", "spatialnets", "work", str(run.folder.resolve()), "--orders", str(orders)]
    return [*command, *(["--trust"] if trusted else []), "--line"]
