"""The scores of all shards of a run in one file, ``scores.nc``, so that reading scores does not open every shard."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from spatialnets.errors import RunError
from spatialnets.files.netcdf import read_dataset, write_dataset
from spatialnets.runs.metadata import check_stored
from spatialnets.runs.plan import indices_in
from spatialnets.runs.shards import OUTCOMES, ShardRecord, check_outcomes, concatenate

__all__ = ["Scores", "read_scores", "shard_digests"]

NAME = "scores.nc"


class FileState(NamedTuple):
    """Size of a file in bytes, and the times of the last changes of its content and of its status, in nanoseconds."""

    size: int
    modified: int
    changed: int


TABLE = ("shard", *FileState._fields, "digest", "block", "attributes")  # of the shards, and of the blocks


class Entry(NamedTuple):
    """A row of the table in ``scores.nc``: state and SHA-256 of a shard's file, and the block that has its scores."""

    state: FileState
    digest: bytes
    block: int


@dataclass(frozen=True)
class Scores:
    """Scores of shards that fit into one dataset: of one group, with the same epochs and coordinates.

    Parameters
    ----------
    records
        The shards.
    dataset
        Their scores, as `ShardRecord.load` returns those of one shard.
    """

    records: tuple[ShardRecord, ...]
    dataset: xr.Dataset


def read_scores(folder: Path, records: Iterable[ShardRecord], plan: Sequence[ShardRecord]) -> list[Scores]:
    """Return the scores of computed shards, from ``scores.nc`` or from their own files, and add these to ``scores.nc``.

    A shard is read again if its file has changed since its scores were added: if it has another size or other times,
    and another checksum. A file ``scores.nc`` that is damaged or disagrees with the plan is ignored and replaced.
    Nothing is written in a folder that cannot be written.

    Parameters
    ----------
    folder
        The run folder.
    records
        The computed shards to read.
    plan
        All shards of the run.

    Raises
    ------
    DamagedFile
        If the file of a shard cannot be read.
    """
    table = _read_table(folder, plan)
    wanted, states = list(records), {}
    current: dict[int, Entry] = {}  # entries of unchanged shards
    for record in wanted:
        states[record.index] = state = _state(record.path)
        entry = table.get(record.index)
        if entry is None or state is None:
            continue
        if entry.state == state or entry.digest.hex() == record.digest():
            current[record.index] = entry._replace(state=state)
    blocks = _read_blocks(folder, table, plan, {entry.block for entry in current.values()})
    if blocks is None:
        table, current, blocks = {}, {}, []
    missing = [record for record in wanted if record.index not in current]
    loaded = [Scores((record,), record.load(scores_only=True)) for record in missing]
    if missing or any(table[index] != entry for index, entry in current.items()):
        _update(folder, plan, table, current, loaded, states)
    return _merge([*(_select(block, current) for block in blocks), *loaded])


def shard_digests(folder: Path, records: Iterable[ShardRecord], plan: Sequence[ShardRecord]) -> list[str]:
    """Return the SHA-256 of the files of shards, as stored in ``scores.nc`` for those that have not changed since.

    Raises
    ------
    RunError
        If a file cannot be read.
    """
    table = _read_table(folder, plan)
    digests = []
    for record in records:
        entry = table.get(record.index)
        known = entry is not None and entry.state == _state(record.path)
        digests.append(entry.digest.hex() if entry is not None and known else record.digest())
    return digests


def _state(path: Path) -> FileState | None:
    try:
        status = os.stat(path)
    except OSError:  # loading the shard says what is wrong
        return None
    return FileState(status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _update(
    folder: Path,
    plan: Sequence[ShardRecord],
    table: Mapping[int, Entry],
    current: Mapping[int, Entry],
    loaded: Sequence[Scores],
    states: Mapping[int, FileState | None],
) -> None:
    """Write ``scores.nc`` with the scores of more shards, if the folder can be written."""
    if not os.access(folder, os.W_OK):
        return
    entries = {**table, **current}
    new = {}
    for one in loaded:
        index, path = one.records[0].index, one.records[0].path
        entries.pop(index, None)
        digest, state = one.records[0].digest(), states[index]
        if state is not None and state == _state(path):  # otherwise it was replaced while it was read
            new[index] = Entry(state, bytes.fromhex(digest), -1)
    stored = set(indices_in(folder / "shards", ".nc"))
    entries = {index: entry for index, entry in entries.items() if index in stored}
    blocks = _read_blocks(folder, table, plan, {entry.block for entry in entries.values()})
    if blocks is None:
        return
    parts = [_select(block, entries) for block in blocks] + [one for one in loaded if one.records[0].index in new]
    with contextlib.suppress(RunError):  # the disk may be full; the scores can be read from the shards
        write_dataset(folder / NAME, _dataset(_merge(parts), {**entries, **new}))


def _select(block: Scores, entries: Mapping[int, Entry]) -> Scores:
    """Return the scores of those shards of a block that have entries."""
    kept = tuple(record for record in block.records if record.index in entries)
    if len(kept) == len(block.records):
        return block
    is_kept = np.concatenate([np.full(len(each.networks), each.index in entries) for each in block.records])
    return Scores(kept, block.dataset.isel(network=np.flatnonzero(is_kept)))


def _merge(parts: Sequence[Scores]) -> list[Scores]:
    """Join parts that fit into one dataset, in the order of the plan."""
    fitting: dict[Any, list[Scores]] = {}
    for part in parts:
        if part.records:
            dataset = part.dataset
            kinds = tuple((name, dataset[name].dtype.kind) for name in dataset.variables)
            identity = json.dumps(_plain(dataset.attrs), sort_keys=True)
            key = part.records[0].group, tuple(dataset["epoch"].to_numpy().tolist()), kinds, identity
            fitting.setdefault(key, []).append(part)
    merged = []
    for several in fitting.values():
        records = [record for part in several for record in part.records]
        dataset = several[0].dataset if len(several) == 1 else concatenate([part.dataset for part in several])
        merged.append(Scores(*in_order(records, dataset)))
    return sorted(merged, key=lambda part: part.records[0].index)


def in_order(records: Sequence[ShardRecord], dataset: xr.Dataset) -> tuple[tuple[ShardRecord, ...], xr.Dataset]:
    """Return shards and their joint dataset in the order of the plan."""
    indices = [record.index for record in records]
    if indices == sorted(indices):
        return tuple(records), dataset
    order = np.argsort(np.repeat(indices, [len(record.networks) for record in records]), kind="stable")
    return tuple(sorted(records, key=lambda record: record.index)), dataset.isel(network=order)


# The file: variables of block 3 are named "3.accuracy" and lie along "3.network" and "3.epoch"


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): value.item() if isinstance(value, np.generic) else value for name, value in attributes.items()}


def _dataset(blocks: Sequence[Scores], entries: Mapping[int, Entry]) -> xr.Dataset:
    rows = [(record.index, block, *entries[record.index].state)
            for block, scores in enumerate(blocks) for record in scores.records]  # fmt: skip
    columns = np.array(rows, dtype=np.int64).reshape(-1, 2 + len(FileState._fields)).T
    digests = b"".join(entries[index].digest for index, *_ in rows)
    variables: dict[str, Any] = {
        **{
            name: ("shard", column)
            for name, column in zip(("shard", "block", *FileState._fields), columns, strict=True)
        },
        "digest": (("shard", "byte"), np.frombuffer(digests, np.uint8).reshape(-1, 32)),
        "attributes": ("blocks", np.array([json.dumps(_plain(one.dataset.attrs)) for one in blocks], dtype=object)),
    }
    coordinates: dict[str, Any] = {}
    for number, block in enumerate(blocks):
        dataset = block.dataset
        for name, variable in dataset.variables.items():
            target = coordinates if name in dataset.coords else variables
            dims = tuple(f"{number}.{dimension}" for dimension in variable.dims)
            target[f"{number}.{name}"] = (dims, variable.to_numpy(), variable.attrs)
    return xr.Dataset(variables, coordinates)


def _read_table(folder: Path, plan: Sequence[ShardRecord]) -> dict[int, Entry]:
    """Return the entries of shards, by index; none if the file is missing, damaged or not about this plan."""
    path = folder / NAME
    try:
        check_stored(folder, path)
        table = read_dataset(path, TABLE)
        indices, blocks = table["shard"].to_numpy(), table["block"].to_numpy()
        digests, counts = table["digest"].to_numpy(), (len(plan), table.sizes["blocks"])
        columns = (indices, blocks, *(table[name].to_numpy() for name in FileState._fields))
        if any(column.ndim != 1 or column.dtype.kind != "i" for column in columns) or digests.shape[1:] != (32,):
            return {}
        inside = all(not len(column) or (column.min() >= 0 and column.max() < count)
                     for column, count in zip((indices, blocks), counts, strict=True))  # fmt: skip
        if not inside or len(np.unique(indices)) < len(indices) or digests.dtype != np.uint8:
            return {}
        rows = zip(*(column.tolist() for column in columns), map(bytes, digests), strict=True)
        return {index: Entry(FileState(*state), digest, block) for index, block, *state, digest in rows}
    except Exception:  # it can be made again from the shards
        return {}


def _read_blocks(
    folder: Path, table: Mapping[int, Entry], plan: Sequence[ShardRecord], wanted: set[int]
) -> list[Scores] | None:
    """Return blocks of scores as stored; None if they are damaged or disagree with the plan."""
    if not wanted:
        return []
    names = [f"{number}.{name}" for number in sorted(wanted) for name in OUTCOMES]
    members: dict[int, list[ShardRecord]] = {number: [] for number in sorted(wanted)}
    for index, entry in table.items():  # in the order of the file
        if entry.block in members:
            members[entry.block].append(plan[index])
    try:
        content = read_dataset(folder / NAME, [*names, "attributes"])
        texts = content["attributes"].to_numpy().tolist()
        return [Scores(tuple(records), _block(content, number, records, json.loads(texts[number])))
                for number, records in members.items()]  # fmt: skip
    except Exception:  # it can be made again from the shards
        return None


def _block(content: xr.Dataset, number: int, records: Sequence[ShardRecord], attributes: Any) -> xr.Dataset:
    """Return one block, without its number; raises an error if it is not what the plan says."""
    prefix = f"{number}."
    block = content[[name for name in content.variables if str(name).startswith(prefix)]]
    variables = {
        str(name).removeprefix(prefix): xr.Variable(
            tuple(str(dimension).removeprefix(prefix) for dimension in variable.dims),
            variable.to_numpy(),
            variable.attrs,
        )
        for name, variable in block.variables.items()
    }
    dataset = xr.Dataset(variables).set_coords([str(name).removeprefix(prefix) for name in block.coords])
    plain = isinstance(attributes, dict) and all(isinstance(value, (str, int, float)) for value in attributes.values())
    groups = {record.group for record in records}
    if not plain or groups != {attributes.get("group", *groups)}:
        raise ValueError("its scores are of another group")
    check_outcomes(dataset, [network for record in records for network in record.networks])
    return dataset.assign_attrs(attributes)
