"""Write the data files in tests/data: ``python tests/tiny_data.py``. All pixels, spikes and numbers are random."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

__all__ = ["write_arrays", "write_idx", "write_mnist", "write_spikes"]

DATA = Path(__file__).parent / "data"


def write_idx(path: Path, values: NDArray[np.uint8]) -> None:
    """Write bytes as an IDX file, compressed if its name ends in .gz."""
    content = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(path: Path, rows: int = 4, columns: int = 3) -> None:
    """Write an NPZ file of 30 images for training and 20 for validation."""
    generator = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    for name, count in (("train", 30), ("test", 20)):
        arrays[f"x_{name}"] = generator.integers(256, size=(count, rows, columns), dtype=np.uint8)
        arrays[f"y_{name}"] = (np.arange(count) % 10).astype(np.uint8)
    np.savez_compressed(path, **arrays)


def write_spikes(path: Path, count: int = 12, seed: int = 0, **other: Any) -> None:
    """Write an HDF5 file of spikes in the layout of the Spiking Heidelberg Digits."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(5, 40, size=count)
    lengths[1] = 0  # silence
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", count, dtype=h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", count, dtype=h5py.vlen_dtype(np.uint16))
        for number, length in enumerate(lengths):
            times[number] = np.sort(generator.uniform(0, 1.5, size=length)).astype(np.float16)
            units[number] = generator.integers(700, size=length)
        file["labels"] = np.arange(count) % 20
        for name, values in other.items():
            del file[name.replace("__", "/")]
            if values is not None:
                file[name.replace("__", "/")] = values


def write_arrays(path: Path) -> None:
    """Write an NPZ file of 20 samples of 6 steps and 2 inputs, with classes and a mask."""
    generator = np.random.default_rng(0)
    labels = np.arange(20) % 3
    mask = np.zeros(6)
    mask[4:] = [0.5, 1]
    np.savez(path, X=generator.normal(size=(20, 6, 2)), y=labels, mask=mask)
    np.save(path.with_name("tiny_numbers.npy"), generator.normal(size=(20, 6, 2)))


if __name__ == "__main__":
    write_mnist(DATA / "tiny_mnist.npz")
    write_spikes(DATA / "tiny_spikes.h5")
    write_arrays(DATA / "tiny_arrays.npz")
