"""Read networks from NPZ files (NumPy)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.errors import UserError, nearest
from spatialnets.files.limits import Header, headers_in
from spatialnets.importing.source import (
    Numbers,
    Source,
    SourceGroup,
    Wanted,
    epoch_indices,
    epoch_numbers,
    file_errors,
    real_array,
    select_groups,
    stack_dimensions,
)

__all__ = ["open_npz"]

SCORE_NAMES = {
    "accuracy": "accuracy",
    "validation_accuracy": "validation_accuracy",
    "val_accuracy": "validation_accuracy",
    "loss": "loss",
    "validation_loss": "validation_loss",
    "val_loss": "validation_loss",
    "penalty": "penalty",
}
"""Names of scores in a file, and in a run."""

NETWORK_FIELDS = ("strength", "seed")


@contextmanager
def open_npz(path: Path, wanted: Wanted) -> Iterator[Source]:
    """Open an NPZ file.

    It contains one array ``weights``, or ``<group>__weights`` or ``<group>__weights_epoch<e>`` for each group; also,
    with the same prefix, ``strength``, ``seed`` and scores. ``positions`` and ``distances`` have no prefix.
    """
    with file_errors(path, "an NPZ file"):
        headers = headers_in(path)
        used = {"positions", "distances"} & set(headers)
        groups = []
        for name, (prefix, arrays) in _find_weights(headers, wanted, path).items():
            groups.append(_group(path, name, prefix, arrays, headers, wanted))
            used |= {*arrays.values(), *(prefix + field for field in (*SCORE_NAMES, *NETWORK_FIELDS))}
        unused = sorted(set(headers) - used)
        units = {name: _load(path, name) for name in ("positions", "distances") if name in headers}
    notes = [f"{path.name}: not used: {', '.join(unused)}"] if unused else []
    yield Source(tuple(groups), units.get("positions"), units.get("distances"), tuple(notes))


def _load(path: Path, name: str) -> FloatArray:
    with file_errors(path, "an NPZ file"), np.load(path, allow_pickle=False) as archive:
        return np.asarray(real_array(archive[name], f"{path}: {name}"), dtype=np.float64)


def _find_weights(
    headers: Mapping[str, Header], wanted: Wanted, path: Path
) -> dict[str, tuple[str, dict[int | None, str]]]:
    """Return the prefix of the arrays of each selected group, and the names of its weights by epoch."""
    if wanted.variable is not None:
        if wanted.variable not in headers:
            raise UserError(f"{path} has no array {wanted.variable}: {nearest(wanted.variable, headers)}")
        return {wanted.group_name: ("", {None: wanted.variable})}
    groups: dict[str, tuple[str, dict[int | None, str]]] = {}
    for name in headers:
        match = re.fullmatch(r"(?:(?P<group>.+)__)?weights(?:_epoch(?P<epoch>\d+))?", name)
        if match:
            prefix = f"{match['group']}__" if match["group"] else ""
            epoch = int(match["epoch"]) if match["epoch"] else None
            groups.setdefault(match["group"] or "", (prefix, {}))[1][epoch] = name
    if not groups:
        contents = ", ".join(f"{name} {header.shape}" for name, header in headers.items()) or "nothing"
        raise UserError(
            f"{path} has no array weights, GROUP__weights or GROUP__weights_epochN (choose one with --variable); "
            f"it contains {contents}"
        )
    for group, (_, arrays) in groups.items():
        if None in arrays and len(arrays) > 1:
            raise UserError(f"{path}: group '{group}' has weights both with and without an epoch")
    if list(groups) == [""]:
        return {wanted.group_name: groups[""]}
    if "" in groups:
        raise UserError(f"{path} has both weights and GROUP__weights; expected one or the other")
    return {name: groups[name] for name in select_groups(groups, wanted, path)}


def _group(
    path: Path, name: str, prefix: str, arrays: Mapping[int | None, str], headers: Mapping[str, Header], wanted: Wanted
) -> SourceGroup:
    first = next(iter(arrays.values()))
    what = f"{path}: {first}"
    count, epoch_count, units = stack_dimensions(headers[first].shape, what)
    if None in arrays:
        epochs = epoch_numbers(epoch_count, wanted, what)
        stored = list(epochs)
        names = [first]
    else:
        stored = sorted(epoch for epoch in arrays if epoch is not None)
        epochs = tuple(stored[index] for index in epoch_indices(stored, wanted, f"{path}: group '{name}'"))
        names = [arrays[epoch] for epoch in epochs]
        for other in names:
            if stack_dimensions(headers[other].shape, f"{path}: {other}") != (count, 1, units):
                raise UserError(
                    f"{path}: {other} has shape {headers[other].shape}, but {first} has {headers[first].shape}; "
                    "expected (network, unit, unit), the same for all epochs"
                )

    @lru_cache(maxsize=1)  # a compressed array can only be read as a whole
    def read_all() -> Numbers:
        with file_errors(path, "an NPZ file"), np.load(path, allow_pickle=False) as archive:
            blocks = [real_array(archive[one], f"{path}: {one}").reshape(count, -1, units, units) for one in names]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks, axis=1)

    def read(start: int, stop: int) -> Numbers:
        values = read_all()[start:stop]
        if stop >= count:
            read_all.cache_clear()  # frees memory for the next group
        return values

    loaded: dict[str, FloatArray] = {}
    for field in NETWORK_FIELDS:
        if prefix + field in headers:
            values = _load(path, prefix + field)
            if values.shape != (count,):
                what = f"{path}: {prefix}{field}"
                raise UserError(f"{what} has shape {values.shape}; expected ({count},), one value per network")
            loaded[field] = values
    scores = {
        score: _scores(_load(path, prefix + alias), count, epochs, stored, f"{path}: {prefix}{alias}")
        for alias, score in SCORE_NAMES.items()
        if prefix + alias in headers
    }
    seed = loaded["seed"].astype(np.int64) if "seed" in loaded else None
    return SourceGroup(name, count, units, epochs, read, loaded.get("strength"), seed, scores)


def _scores(values: FloatArray, count: int, epochs: tuple[int, ...], stored: list[int], what: str) -> FloatArray:
    """Return scores ``(network, epoch)`` at the imported epochs.

    The file may have one column per imported epoch, per epoch of its matrices, or per epoch from 1 on.
    """
    if values.ndim == 1 and len(epochs) == 1:
        values = values[:, None]
    if values.ndim == 2 and len(values) == count:
        if values.shape[1] == len(epochs):
            return values
        if values.shape[1] == len(stored):
            return values[:, [stored.index(epoch) for epoch in epochs]]
        if values.shape[1] >= max(epochs):
            epoch_0 = np.full((count, 1), np.nan)
            return np.concatenate([epoch_0, values], axis=1)[:, list(epochs)]
    raise UserError(
        f"{what} has shape {values.shape}; expected ({count}, {len(epochs)}), one column for each of the epochs "
        f"{', '.join(map(str, epochs))}, or one for every epoch from 1 to {max(epochs)} or later"
    )
