"""The plan of a run (``plan.json``): ranges of networks and the size of a shard, from which every shard follows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import scandir
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import RunError, UserError
from spatialnets.experiments.axes import MAX_NETWORKS
from spatialnets.experiments.declaration import GROUP, NAME
from spatialnets.experiments.experiment import Experiment
from spatialnets.runs.metadata import json_of
from spatialnets.runs.shards import ShardRecord
from spatialnets.training.shard import Division

__all__ = ["PlannedEnsemble", "division_of", "indices_in", "plan_of", "planned_records"]

LISTED = 4  # the last format that lists every shard
MAX_SHARDS = 10**6
MAX_PLANNED_NETWORKS = 10**7  # of all groups, so that no small file describes more networks than memory holds


@dataclass(frozen=True)
class PlannedEnsemble:
    """Networks of one group and geometry, in the order in which they are divided into shards.

    Parameters
    ----------
    group, geometry
        Names of the group, and of the geometry in the run.
    networks
        Numbers of the networks within the group.
    """

    group: str
    geometry: str
    networks: Sequence[int] | NDArray[np.int64]


def division_of(experiment: Experiment, size: int) -> dict[str, Any]:
    """Return the part of a plan that divides the networks of an experiment into shards of at most `size` networks.

    Raises
    ------
    UserError
        If there are too many shards or networks.
    """
    shards = len(experiment.shards(size))
    if shards > MAX_SHARDS:
        raise UserError(
            f"{experiment.networks:,} networks, {size:,} in a shard, are {shards:,} shards; expected at most "
            f"{MAX_SHARDS:,}: ask for more networks per shard, or divide the experiment into several runs"
        )
    if experiment.networks > MAX_PLANNED_NETWORKS:
        raise UserError(
            f"{experiment.networks:,} networks; a run has at most {MAX_PLANNED_NETWORKS:,}: divide the experiment "
            "into several runs"
        )
    return {
        "networks_per_shard": size,
        "ensembles": [
            {"group": ensemble.group, "geometry": ensemble.geometry_name, "networks": _ranges_of(ensemble.numbers)}
            for ensemble in experiment.ensembles
        ],
    }


def _ranges_of(numbers: Sequence[int]) -> list[list[int]]:
    """Return rising numbers as ranges: ``[start, stop]``, or ``[start, stop, step]`` if the step is not 1.

    Examples
    --------
    >>> _ranges_of(range(0, 6, 2)), _ranges_of((0, 1, 2, 6, 7))
    ([[0, 6, 2]], [[0, 3], [6, 8]])
    """
    if isinstance(numbers, range):
        return [[numbers.start, numbers.stop, *([numbers.step] if numbers.step != 1 else [])]]
    array = np.asarray(numbers, dtype=np.int64)
    runs = np.split(array, np.flatnonzero(np.diff(array) != 1) + 1)
    return [[int(run[0]), int(run[-1]) + 1] for run in runs]


def plan_of(folder: Path) -> dict[str, Any]:
    """Return the plan of a run, which divides the networks into shards.

    Raises
    ------
    RunError
        If the file is missing or invalid.
    """
    plan = json_of(folder, "plan.json")
    try:
        _require_valid(plan)
    except ValueError as error:
        raise RunError(f"{folder} is damaged: plan.json: {error}") from error
    return {"block_products": [], **plan}  # those of earlier versions are not trained


def _require_valid(plan: Any) -> None:
    if not isinstance(plan, dict) or not _is_count(plan.get("format")):
        raise ValueError("it has no valid format")
    if not isinstance(plan.get("experiment"), str):
        raise ValueError("it has no valid experiment")
    for key in ("threads", "networks_per_shard"):
        if not (_is_count(plan.get(key), MAX_NETWORKS + 1) and plan[key] > 0):
            raise ValueError(f"it has no valid {key}")
    if not isinstance(plan.get("device", ""), str):
        raise ValueError("it has no valid device")
    units = plan.setdefault("block_products", [])  # a plan without it was written by an earlier version
    if not isinstance(units, list) or not all(_is_count(number) and number > 0 for number in units):
        raise ValueError("it has no valid block_products")
    geometries = plan.get("geometries")
    if not isinstance(geometries, dict) or not all(
        isinstance(block, dict) and isinstance(block.get("kind"), str) for block in geometries.values()
    ):
        raise ValueError("its geometries are not components")
    listed = plan["format"] <= LISTED
    entries = plan.get("shards" if listed else "ensembles")
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"it has no {'shards' if listed else 'ensembles'}")
    for place, entry in enumerate(entries):
        _require_names(entry, f"{'shard' if listed else 'ensemble'} {place}")
        if entry["geometry"] not in geometries:
            raise ValueError("a shard has a geometry that is not declared")
    if listed:
        _require_valid_shards(entries)
    else:
        _require_valid_ensembles(entries, plan["networks_per_shard"])


def _require_valid_ensembles(entries: Sequence[Mapping[str, Any]], size: int) -> None:
    """Raise a ValueError unless each network of each group is planned once; takes a step per range, not per shard."""
    by_group: dict[str, list[tuple[str, range]]] = {}
    shards = networks = 0
    for place, entry in enumerate(entries):
        about, given = f"ensemble {place}", entry.get("networks")
        ranges = [_range_of(item) for item in given] if isinstance(given, list) else []
        if not ranges or not all(ranges):
            raise ValueError(f"{about} has no valid numbers of networks")
        by_group.setdefault(entry["group"], []).extend((about, each) for each in ranges)
        count = sum(map(len, ranges))
        shards, networks = shards - (-count // size), networks + count
    if shards > MAX_SHARDS or networks > MAX_PLANNED_NETWORKS:
        raise ValueError(
            f"it has {networks:,} networks in {shards:,} shards; expected at most {MAX_PLANNED_NETWORKS:,} in "
            f"{MAX_SHARDS:,}"
        )
    for group, members in by_group.items():
        taken = np.zeros(max(each.stop for _, each in members), dtype=bool)
        for about, each in members:
            numbers = taken[each.start : each.stop : each.step]
            if numbers.any():
                raise ValueError(f"{about} has a network that another shard has")
            numbers[:] = True
        if not taken.all():
            raise ValueError(f"no shard has network {int(np.argmin(taken))} of group '{group}'")


def _require_valid_shards(entries: Sequence[Mapping[str, Any]]) -> None:
    """Raise a ValueError if one of the shards that a plan lists is invalid, or two of them have the same network."""
    seen: set[tuple[str, int]] = set()
    for place, entry in enumerate(entries):
        about, networks = f"shard {place}", entry.get("networks")
        if not (_is_count(entry.get("index"), MAX_SHARDS) and entry["index"] == place):
            raise ValueError(f"{about} has no index")
        if not isinstance(networks, list) or not networks or not all(map(_is_count, networks)):
            raise ValueError(f"{about} has no numbers of networks")
        numbered = {(entry["group"], number) for number in networks}
        if len(numbered) < len(networks) or numbered & seen:
            raise ValueError(f"{about} has a network that another shard has")
        seen |= numbered


def _require_names(entry: Any, about: str) -> None:
    if not isinstance(entry, dict):
        raise ValueError(f"{about} is not a mapping")
    for key, pattern in (("group", GROUP), ("geometry", NAME)):
        if not (isinstance(entry.get(key), str) and re.fullmatch(pattern, entry[key])):
            raise ValueError(f"{about} names no {key}")


def _range_of(item: Any) -> range:
    """Return the range of an item such as ``[0, 100]`` or ``[0, 100, 2]``; an empty one if it is invalid."""
    whole = isinstance(item, list) and len(item) in (2, 3) and all(_is_count(each, MAX_NETWORKS + 1) for each in item)
    if not whole or item[0] >= item[1] or item[2:] == [0]:
        return range(0)
    numbers = range(*item)
    return range(numbers.start, numbers[-1] + 1, numbers.step)


def _is_count(value: Any, end: int = MAX_NETWORKS) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < end


def planned_records(folder: Path, plan: Mapping[str, Any]) -> Division[PlannedEnsemble, ShardRecord]:
    """Return the shards of a valid plan, each built when it is requested."""
    shards = folder / "shards"
    if plan["format"] > LISTED:
        size = plan["networks_per_shard"]
        ensembles = [
            PlannedEnsemble(entry["group"], entry["geometry"], _numbers_in(entry["networks"]))
            for entry in plan["ensembles"]
        ]
    else:  # each listed shard is an ensemble of its own
        size = max((len(entry["networks"]) for entry in plan["shards"]), default=1)
        ensembles = [PlannedEnsemble(entry["group"], entry["geometry"], entry["networks"]) for entry in plan["shards"]]

    def record(index: int, ensemble: PlannedEnsemble, networks: slice) -> ShardRecord:
        numbers = ensemble.networks[networks]
        return ShardRecord(
            index=index,
            group=ensemble.group,
            networks=tuple(numbers.tolist() if isinstance(numbers, np.ndarray) else numbers),
            path=shards / f"{index:05d}.nc",
            geometry=ensemble.geometry,
        )

    return Division(ensembles, [len(each.networks) for each in ensembles], size, record)


def _numbers_in(items: Iterable[Sequence[int]]) -> range | NDArray[np.int64]:
    ranges = [range(*item) for item in items]
    return ranges[0] if len(ranges) == 1 else np.concatenate([np.array(each) for each in ranges])


def indices_in(folder: Path, ending: str) -> list[int]:
    """Return the indices of the shards of which a folder holds a file, such as ``00003.nc``, in rising order.

    One listing of the folder takes less time than a question for each of a hundred thousand shards.
    """
    name = re.compile(rf"([0-9]{{5}}|[1-9][0-9]{{5,6}}){re.escape(ending)}")
    try:
        with scandir(folder) as entries:
            return sorted(
                int(match[1])
                for entry in entries
                if (match := name.fullmatch(entry.name)) and not (entry.is_symlink() and not Path(entry).exists())
            )
    except (FileNotFoundError, NotADirectoryError):
        return []
