"""Orders: files that describe one job per line, so that any process can do it; they contain data, never code."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatialnets.engines.job import Job, one_per_ensemble, require_importable
from spatialnets.engines.train_job import TrainJob
from spatialnets.errors import RunError, UserError
from spatialnets.files.atomic import write_text
from spatialnets.runs.run import Run

__all__ = ["job_from_order", "read_order", "train_jobs", "work_command", "write_orders"]


def write_orders(run: Run, jobs: Sequence[Job]) -> Path:
    """Write a file of orders, ``RUN/engine/orders-*.jsonl``, one line of JSON per job; return its path.

    Lines are padded with spaces to the same length: each process finds its own without reading those of all others,
    which for ten thousand jobs would be gigabytes in total.

    Raises
    ------
    UserError
        If a job cannot be done by another process, because a component is defined in a script or notebook.
    """
    for job in one_per_ensemble(run, [job for job in jobs if isinstance(job, TrainJob)]):
        require_importable(job, job.name)
    folder = run.folder.resolve() / "engine"
    folder.mkdir(exist_ok=True)
    path = folder / f"orders-{secrets.token_hex(6)}.jsonl"  # a name that no other process uses
    lines = [json.dumps(dict(job.order)) for job in jobs]
    width = max(map(len, lines), default=0)
    write_text(path, "".join(f"{line:{width}}\n" for line in lines))
    return path


def read_order(path: Path, line: int) -> dict[str, Any]:
    """Read one order.

    Parameters
    ----------
    path
        A file of orders.
    line
        Number of its line, from 0.

    Raises
    ------
    RunError
        If the file cannot be read or has no such line.
    """
    try:
        with path.open("rb") as file:
            width = len(file.readline())
            count = path.stat().st_size // width if width else 0
            file.seek(max(line, 0) * width)
            text = file.read(width)
    except OSError as error:
        raise RunError(f"cannot read {path}: {error}") from error
    if not 0 <= line < count:
        raise RunError(f"{path} has lines 0 to {count - 1}; there is no line {line}")
    try:
        order = json.loads(text)
    except ValueError as error:
        raise RunError(f"line {line} of {path} is not a valid order: {error}") from error
    if not isinstance(order, dict):
        raise RunError(f"line {line} of {path} is not a valid order: expected {{'shard': 3}} or similar, got {order!r}")
    return order


def job_from_order(run: Run, order: Mapping[str, Any]) -> Job:
    """Return the job of an order.

    Raises
    ------
    UserError
        If the run has no such shard, or a component of the job is not available here.
    """
    if "analysis" in order:
        from spatialnets.engines.measure import measure_job

        return measure_job(run, order)
    (job,) = train_jobs(run, [order.get("shard")])
    return job


def train_jobs(run: Run, indices: Sequence[Any]) -> list[Job]:
    """Return the jobs that train the given shards of a run.

    Raises
    ------
    UserError
        If the run has no such shard, or a component of its experiment is not available here.
    """
    from spatialnets.runs.folder import planned_shards

    for index in indices:
        if not isinstance(index, int) or not 0 <= index < len(run.shards):
            raise RunError(f"{run.folder} has shards 0 to {len(run.shards) - 1}; there is no shard {index!r}")
    experiment = run.experiment()
    if run.plan["experiment"] != experiment.digest:
        raise RunError(f"{run.folder} is damaged: plan.json belongs to another experiment than experiment.yaml")
    shards = planned_shards(run, experiment)
    return [TrainJob(run.shards[index], shards[index]) for index in indices]


def work_command(run: Run, orders: Path, python: str = sys.executable) -> list[str]:
    """Return the command that does an order, without its last argument, the number of the order's line.

    Parameters
    ----------
    run
        The run.
    orders
        The file of orders.
    python
        The Python interpreter.
    """
    try:
        trusted = run.trusted or run.experiment().trusted
    except UserError:  # the job may not need the components that the folder names
        trusted = False
    command = [python, "-m", "spatialnets", "work", str(run.folder.resolve()), "--orders", str(orders)]
    return [*command, *(["--trust"] if trusted else []), "--line"]
