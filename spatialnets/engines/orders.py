"""Jobs as lines of a file, from which any process can do them: data, never code."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatialnets.engines.job import Job
from spatialnets.errors import RunError
from spatialnets.run import Run
from spatialnets.storage import write_text

__all__ = ["claim", "job_from", "read_order", "refusal", "work_command", "write_orders"]


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
    RunError
        If the file cannot be read or has no such line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror or error}") from error
    if not 0 <= line < len(lines):
        raise RunError(f"{path} has lines 0 to {len(lines) - 1}; there is no line {line}")
    order: dict[str, Any] = json.loads(lines[line])
    return order


def job_from(run: Run, order: Mapping[str, Any]) -> Job:
    """Return the job of an order.

    Raises
    ------
    RunError
        If the run has no such shard.
    """
    from spatialnets.engines.here import ShardJob
    from spatialnets.experiment import Experiment

    index = order.get("shard")
    if not isinstance(index, int) or not 0 <= index < len(run.shards):
        raise RunError(f"{run.folder} has shards 0 to {len(run.shards) - 1}; the order was {dict(order)}")
    experiment = Experiment.from_yaml(run.folder / "experiment.yaml")
    return ShardJob(run.shards[index], experiment.shards(run.plan["networks_per_shard"])[index])


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
    return [python, "-m", "spatialnets", "work", str(run.folder.resolve()), "--orders", str(orders), "--line"]


@contextmanager
def claim(run: Run, key: str) -> Iterator[bool]:
    """Hold a job for this process; gives whether nobody else holds it. The kernel frees it at death."""
    folder = run.folder / "engine" / "claims"
    folder.mkdir(parents=True, exist_ok=True)
    held = os.open(folder / key, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(held)
