"""The time, disk space and files of a large experiment, by a model of a few measured or assumed constants."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CONSTANTS", "Cluster", "Cost", "Work", "constants_of", "cost_of", "tables"]

CONSTANTS = Path(__file__).with_name("scaling.json")
NODES = (1, 10, 1000)
SIZES = (1, 2, 4, 8, 16, 32, 64)  # networks per shard to choose from, besides the toolkit's own choice
MAX_SHARDS = 5_000  # as `spatialnets.engines.compute.SHARDS`
MAX_SIZE = 64


@dataclass(frozen=True)
class Work:
    """Networks to train or to measure.

    Parameters
    ----------
    name
        Description.
    networks
        Number of networks.
    seconds
        Core seconds for each network.
    gibibytes
        Memory of a process with one network, and of each further network.
    megabytes
        Disk space of each network.
    max_size
        Largest number of networks per shard.
    """

    name: str
    networks: int
    seconds: float
    gibibytes: tuple[float, float]
    megabytes: float
    max_size: int = MAX_SIZE


@dataclass(frozen=True)
class Cluster:
    """Where networks are computed.

    Parameters
    ----------
    nodes, cores, gibibytes
        Number of nodes, and cores and memory of each.
    start
        Seconds before a process computes.
    stays
        Whether a process computes one shard after the other, so that it starts once.
    starts
        Jobs that the scheduler starts per second; infinite without a scheduler.
    driver
        CPU seconds of the driver for each shard.
    changes
        Changes of folders for each shard: files that are created, renamed and removed.
    changes_per_second
        Changes of folders that the file system makes per second.
    files
        Files of each shard that remain.
    report
        Seconds of the report, which one process writes: in any case, for each shard, and for each network.
    """

    nodes: int
    cores: int
    gibibytes: float
    start: float
    stays: bool
    starts: float
    driver: float
    changes: float
    changes_per_second: float
    files: int
    report: tuple[float, float, float]


@dataclass(frozen=True)
class Cost:
    """Time, disk space and files of some work on a cluster.

    Parameters
    ----------
    size, shards, processes
        Networks per shard, number of shards, and shards that are computed at the same time.
    seconds, report
        Time until the last network is stored, and of the report after it.
    limit
        What takes the most time: "cores", "scheduler", "driver", "file system", or "one shard" if more nodes do not
        help.
    core_hours
        Time of all processes, with their starts.
    gigabytes, files
        Disk space, and number of files.
    """

    size: int
    shards: int
    processes: int
    seconds: float
    report: float
    limit: str
    core_hours: float
    gigabytes: float
    files: int


def cost_of(work: Work, cluster: Cluster, size: int) -> Cost:
    """Return the cost with a number of networks per shard.

    The last job starts when those before it have been started, one at a time, by the slowest of the scheduler, the
    driver and the file system, and when a core is free; then it takes its time.
    """
    shards = math.ceil(work.networks / size)
    memory = work.gibibytes[0] + (size - 1) * work.gibibytes[1]
    per_node = min(cluster.cores, max(1, int(cluster.gibibytes / memory)))
    processes = min(shards, cluster.nodes * per_node)
    job = size * work.seconds + (0 if cluster.stays else cluster.start)
    until_last_start = {
        "cores": (shards - 1) // processes * job,
        "scheduler": (shards - 1) / cluster.starts,
        "driver": (shards - 1) * cluster.driver,
        "file system": (shards - 1) * cluster.changes / cluster.changes_per_second,
    }
    times = {**until_last_start, "one shard": job}
    limit = max(times, key=lambda name: times[name])
    return Cost(
        size=size,
        shards=shards,
        processes=processes,
        seconds=max(until_last_start.values()) + job + (cluster.start if cluster.stays else 0),
        report=cluster.report[0] + shards * cluster.report[1] + work.networks * cluster.report[2],
        limit=limit,
        core_hours=(work.networks * work.seconds + (processes if cluster.stays else shards) * cluster.start) / 3600,
        gigabytes=work.networks * work.megabytes / 1000,
        files=shards * cluster.files,
    )


def planned_size(work: Work, usual: int) -> int:
    """Return the number of networks per shard that the toolkit chooses where it usually chooses `usual`."""
    return min(max(usual, math.ceil(work.networks / MAX_SHARDS)), work.max_size)


def best_size(work: Work, cluster: Cluster) -> int:
    """Return the number of networks per shard with which the last network is stored first."""
    sizes = [size for size in SIZES if size <= work.max_size and work.networks / size <= MAX_SHARDS]
    return min(sizes or [work.max_size], key=lambda size: (cost_of(work, cluster, size).seconds, size))


def constants_of(path: Path = CONSTANTS) -> dict[str, Any]:
    """Read the constants of the model and the results of the simulations."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def work_of(constants: Mapping[str, float]) -> list[Work]:
    """Return the three experiments of the page."""
    epochs = constants["epochs"]
    per_network = epochs * constants["seconds per network and epoch"] + constants["seconds of analyses per network"]
    return [
        Work(
            "100,000 networks of the paper",
            100_000,
            per_network,
            (constants["GiB of a process"], constants["GiB of a network"]),
            constants["MB of a network"],
        ),
        Work(
            "100 networks of 10,000 units",
            100,
            epochs * 40 * constants["seconds per update: 10,000 units"],
            (constants["GiB of a process: 10,000 units"], constants["GiB of a process: 10,000 units"]),
            constants["MB of a network: 10,000 units"],
            max_size=1,
        ),
        Work(
            "1,000,000 generative fits (13 for each of 76,924 networks)",
            76_924,
            13 * constants["seconds per generative fit"],
            (constants["GiB of a process"], constants["GiB of a network"]),
            constants["MB of a network: generative"],
        ),
    ]


def cluster_of(constants: Mapping[str, float], nodes: int) -> Cluster:
    """Return one machine with worker processes, or several nodes with Slurm."""
    slurm = nodes > 1
    return Cluster(
        nodes=nodes,
        cores=int(constants["cores of a node"]),
        gibibytes=constants["share of memory"] * constants["GiB of a node"],
        start=constants["seconds before a process computes"],
        stays=not slurm,
        starts=constants["jobs that Slurm starts per second"] if slurm else math.inf,
        driver=constants["driver seconds per shard: slurm" if slurm else "driver seconds per shard: processes"],
        changes=constants["folder changes per shard"],
        changes_per_second=constants["folder changes per second"],
        files=3 if slurm else 2,
        report=(
            constants["report seconds"],
            constants["report seconds per shard"],
            constants["report seconds per network"],
        ),
    )


def tables(content: Mapping[str, Any]) -> str:
    """Return the tables of the page in Markdown: costs, constants and simulations."""
    constants = {name: float(entry["value"]) for name, entry in content["constants"].items()}
    return "\n\n".join([_costs(constants), _constants(content["constants"]), _simulations(content["simulations"])])


def _costs(constants: Mapping[str, float]) -> str:
    rows = []
    for work in work_of(constants):
        for nodes in NODES:
            cluster = cluster_of(constants, nodes)
            size = planned_size(work, 4) if nodes == 1 else best_size(work, cluster)
            cost = cost_of(work, cluster, size)
            rows.append(
                [
                    work.name,
                    f"{nodes:,}",
                    f"{cost.size}",
                    f"{cost.shards:,}",
                    f"{cost.processes:,}",
                    duration(cost.seconds),
                    cost.limit,
                    duration(cost.report),
                    f"{cost.core_hours:,.0f}",
                    f"{cost.gigabytes:,.0f}",
                    f"{cost.files:,}",
                ]
            )
    head = (
        "experiment", "nodes", "networks per shard", "shards", "at the same time", "time", "limited by",
        "report", "core hours", "GB", "files",
    )  # fmt: skip
    return _table(head, rows)


def _constants(entries: Mapping[str, Mapping[str, Any]]) -> str:
    rows = [[name, f"{entry['value']:g}", entry["basis"], entry["source"]] for name, entry in entries.items()]
    return _table(("constant", "value", "basis", "source"), rows)


def _simulations(results: Sequence[Mapping[str, Any]]) -> str:
    labels = list(dict.fromkeys(label for result in results for label in result["figures"]))
    rows = [[label, *(_number(result["figures"].get(label)) for result in results)] for label in labels]
    return _table(("figure", *(f"{each['engine']}, {each['shards']:,}" for each in results)), rows)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def duration(seconds: float) -> str:
    """Return a duration in a suitable unit.

    Examples
    --------
    >>> duration(12), duration(300), duration(9000), duration(400_000)
    ('12 s', '5.0 min', '2.5 h', '4.6 days')
    """
    for limit, unit, divisor in ((100, "s", 1), (6000, "min", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{seconds:.0f} s" if unit == "s" else f"{seconds / divisor:.1f} {unit}"
    return f"{seconds / 86400:.1f} days"
