"""Networks from NumPy's files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np

from spatialnets.errors import UserError, nearest
from spatialnets.files.limits import Header, headers_in
from spatialnets.importing.source import (
    Numbers,
    Source,
    SourceGroup,
    Wanted,
    epochs_of,
    places_of,
    reading,
    real,
    stack_of,
)
from spatialnets.protocols import FloatArray

__all__ = ["open_npz"]

SCORES = {
    "accuracy": "accuracy",
    "validation_accuracy": "validation_accuracy",
    "val_accuracy": "validation_accuracy",
    "loss": "loss",
    "validation_loss": "validation_loss",
    "val_loss": "validation_loss",
    "penalty": "penalty",
}
"""What scores may be called, and what they are called here."""

OF_NETWORKS = ("strength", "seed")


@contextmanager
def open_npz(path: Path, wanted: Wanted) -> Iterator[Source]:
    """Open an NPZ file.

    Either one array ``weights``, or for each group ``<group>__weights`` or ``<group>__weights_epoch<e>``; and, with
    the same prefix, ``strength``, ``seed`` and scores. ``positions`` and ``distances`` have no prefix.
    """
    with reading(path, "an NPZ file"):
        known = headers_in(path)
        matrices = _matrices(known, wanted, path)
        used = {"positions", "distances"} & set(known)
        groups = []
        for name, (prefix, of_group) in matrices.items():
            groups.append(_group(path, name, prefix, of_group, known, wanted))
            used |= {*of_group.values(), *(f"{prefix}{own}" for own in (*SCORES, *OF_NETWORKS))}
        unused = sorted(set(known) - used)
        given = {name: _load(path, name) for name in ("positions", "distances") if name in known}
    notes = [f"{path.name}: not used: {', '.join(unused)}"] if unused else []
    yield Source(tuple(groups), given.get("positions"), given.get("distances"), tuple(notes))


def _load(path: Path, name: str) -> FloatArray:
    with reading(path, "an NPZ file"), np.load(path, allow_pickle=False) as content:
        return np.asarray(real(content[name], f"{path}: {name}"), dtype=np.float64)


def _matrices(known: Mapping[str, Header], wanted: Wanted, path: Path) -> dict[str, tuple[str, dict[int | None, str]]]:
    """Return for each group that is wanted the prefix of its arrays, and its weights by epoch."""
    if wanted.variable is not None:
        if wanted.variable not in known:
            raise UserError(f"{path} has no array {wanted.variable}: {nearest(wanted.variable, known)}")
        return {wanted.one_group: ("", {None: wanted.variable})}
    found: dict[str, tuple[str, dict[int | None, str]]] = {}
    for name in known:
        matched = re.fullmatch(r"(?:(?P<group>.+)__)?weights(?:_epoch(?P<epoch>\d+))?", name)
        if matched:
            prefix = f"{matched['group']}__" if matched["group"] else ""
            epoch = int(matched["epoch"]) if matched["epoch"] else None
            found.setdefault(matched["group"] or "", (prefix, {}))[1][epoch] = name
    if not found:
        there = ", ".join(f"{name} {header.shape}" for name, header in known.items()) or "nothing"
        raise UserError(
            f"{path} has no array weights, GROUP__weights or GROUP__weights_epochN (choose one with --variable); "
            f"it holds {there}"
        )
    for group, (_, own) in found.items():
        if None in own and len(own) > 1:
            raise UserError(f"{path}: group '{group}' has weights both with and without an epoch")
    if list(found) == [""]:
        return {wanted.one_group: found[""]}
    if "" in found:
        raise UserError(f"{path} has weights of groups and weights of none; expected one or the other")
    absent = [name for name in wanted.groups if name not in found]
    if absent:
        raise UserError(f"{path} has no group '{absent[0]}': {nearest(absent[0], found)}")
    return {name: own for name, own in found.items() if not wanted.groups or name in wanted.groups}


def _group(
    path: Path,
    name: str,
    prefix: str,
    arrays: Mapping[int | None, str],
    known: Mapping[str, Header],
    wanted: Wanted,
) -> SourceGroup:
    first = next(iter(arrays.values()))
    what = f"{path}: {first}"
    count, epoch_count, units = stack_of(known[first].shape, what)
    if None in arrays:
        epochs = epochs_of(epoch_count, wanted, what)
        stored = list(epochs)
        names = [first]
    else:
        stored = numbered = sorted(epoch for epoch in arrays if epoch is not None)
        places = places_of(numbered, wanted, f"{path}: group '{name}'")
        epochs = tuple(numbered[place] for place in places)
        names = [arrays[epoch] for epoch in epochs]
        for other in names:
            if stack_of(known[other].shape, f"{path}: {other}") != (count, 1, units):
                raise UserError(
                    f"{path}: {other} has shape {known[other].shape}, and {first} {known[first].shape}; "
                    "expected (network, unit, unit), the same for all epochs"
                )

    @lru_cache(maxsize=1)  # of a compressed file no part can be had without the rest
    def whole() -> Numbers:
        with reading(path, "an NPZ file"), np.load(path, allow_pickle=False) as content:
            parts = [real(content[own], f"{path}: {own}").reshape(count, -1, units, units) for own in names]
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def read(start: int, stop: int) -> Numbers:
        values = whole()[start:stop]
        if stop >= count:
            whole.cache_clear()  # the next group needs the room
        return values

    loaded: dict[str, FloatArray] = {}
    for own in OF_NETWORKS:
        if prefix + own in known:
            values = _load(path, prefix + own)
            if values.shape != (count,):
                raise UserError(f"{path}: {prefix}{own} has shape {values.shape}; expected ({count},), one a network")
            loaded[own] = values
    scores = {
        ours: _scores(_load(path, prefix + theirs), count, epochs, stored, f"{path}: {prefix}{theirs}")
        for theirs, ours in SCORES.items()
        if prefix + theirs in known
    }
    seed = loaded["seed"].astype(np.int64) if "seed" in loaded else None
    return SourceGroup(name, count, units, epochs, read, loaded.get("strength"), seed, scores)


def _scores(values: FloatArray, count: int, epochs: tuple[int, ...], stored: list[int], what: str) -> FloatArray:
    """Return scores ``(network, epoch)`` at the imported epochs.

    They may have one column for each of these, or for each epoch of which the file has matrices, or for each epoch from
    1 on.
    """
    if values.ndim == 1 and len(epochs) == 1:
        values = values[:, None]
    if values.ndim == 2 and len(values) == count:
        if values.shape[1] == len(epochs):
            return values
        if values.shape[1] == len(stored):
            return values[:, [stored.index(epoch) for epoch in epochs]]
        if values.shape[1] >= max(epochs):
            before = np.full((count, 1), np.nan)
            return np.concatenate([before, values], axis=1)[:, list(epochs)]
    raise UserError(
        f"{what} has shape {values.shape}; expected ({count}, {len(epochs)}), one column for each of the epochs "
        f"{', '.join(map(str, epochs))}, or one for each epoch from 1 to {max(epochs)} or later"
    )
