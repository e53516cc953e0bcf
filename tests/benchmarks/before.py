"""How noise, trials and checkpoints were made before December 2026: programs to compare the toolkit's own with.

This file is frozen, and tests/test_benchmarks.py holds its SHA-256. It imports nothing of the toolkit.
"""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Noise:
    """Gaussian noise of each network in one epoch: one generator for each network, drawn one after the other."""

    def __init__(self, size: Tensor, purpose: str, seeds: Sequence[int], epoch: int) -> None:
        self.size = size
        self.generators = []
        for seed in seeds:
            sequence = np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), epoch])
            high, low = sequence.generate_state(2, np.uint32)
            self.generators.append(torch.Generator().manual_seed((int(high) << 31) ^ int(low)))

    def add_to(self, values: Tensor) -> Tensor:
        """Return values ``(network, …)`` plus noise."""
        shape = values.shape[1:]
        noise = torch.stack([torch.randn(tuple(shape), generator=generator) for generator in self.generators])
        return values + noise.to(self.size) * self.size.view(-1, *[1] * len(shape))


class TrialSet:
    """Trials of each network, drawn in full, of which equal ones are found by comparing their bytes."""

    def __init__(self, task: Any, count: int, generators: Sequence[np.random.Generator], dtype: torch.dtype) -> None:
        drawn = [_distinct(task.trials(count, generator)) for generator in generators]
        rows = np.concatenate([rows for rows, _, _ in drawn])
        _, first, place = np.unique(rows, return_index=True, return_inverse=True)
        offsets = np.cumsum([0] + [len(rows) for rows, _, _ in drawn])
        index = np.stack([place[offset + which] for offset, (_, which, _) in zip(offsets[:-1], drawn, strict=True)])
        inputs, targets, mask = (np.concatenate([parts[part] for _, _, parts in drawn])[first] for part in range(3))
        steps = np.flatnonzero(mask.any(axis=0))
        self.inputs = torch.tensor(inputs, dtype=dtype)
        self.targets = torch.tensor(targets[:, steps], dtype=dtype)
        self.mask = torch.tensor(mask[:, steps], dtype=dtype)
        self.index = torch.tensor(index, dtype=torch.int64)

    def counted(self) -> tuple[Tensor, Tensor]:
        """Return the distinct trials of each network and their counts, ``(network, row)`` each, padded with count 0."""
        unique = [torch.unique(index, return_counts=True) for index in self.index]
        longest = max(len(which) for which, _ in unique)
        rows = self.index.new_zeros((len(unique), longest))
        counts = self.mask.new_zeros((len(unique), longest))
        for network, (which, count) in enumerate(unique):
            rows[network, : len(which)] = which
            counts[network, : len(which)] = count.to(counts)
        return rows, counts


def _distinct(trials: Any) -> tuple[Any, Any, list[Any]]:
    parts = (trials.inputs, trials.targets, trials.mask)
    count = len(trials.inputs)
    joined = np.concatenate([np.ascontiguousarray(part, dtype=np.float32).reshape(count, -1) for part in parts], axis=1)
    rows = np.ascontiguousarray(joined).view(np.dtype((np.void, joined.shape[1] * joined.itemsize))).ravel()
    distinct, first, which = np.unique(rows, return_index=True, return_inverse=True)
    return distinct, which, [part[first] for part in parts]


class Checkpoint:
    """A checkpoint that contains all weights kept so far, written again after every epoch."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept: dict[str, list[np.ndarray[Any, Any]]] = {}

    def keep(self, kept: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Keep copies of arrays by name."""
        for name, values in kept.items():
            self.kept.setdefault(name, []).append(values.copy())

    def save(self, state: Mapping[str, Any], kept: Mapping[str, np.ndarray[Any, Any]]) -> None:
        """Keep arrays, and write them with all that were kept before and with the state, atomically."""
        self.keep(kept)
        arrays = {f"weights/{name}": np.stack(values) for name, values in self.kept.items()}
        temporary = self.path.with_name(f"{self.path.name}.tmp")
        with open(temporary, "wb") as file:
            np.savez(file, progress=np.array(json.dumps({"arrays": len(self.kept)})), **state, **arrays)  # type: ignore[arg-type]
        with open(temporary, "rb+") as file:
            file.write(hashlib.file_digest(file, "sha256").digest())
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, self.path)
        folder = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
