"""A geometry as a run keeps it: what it knew of its units, in one file."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets.errors import RunError
from spatialnets.protocols import PAPER_GRID, FloatArray
from spatialnets.storage import damage, write_checked

__all__ = ["StoredGeometry"]


@dataclass(frozen=True)
class StoredGeometry:
    """A geometry as it was when the run began.

    Parameters
    ----------
    positions, distances
        Positions ``(unit, d)`` and distances ``(pre, post)``, in `length_unit`.
    length_unit
        ``"step"`` or ``"mm"``.
    steps_per_unit
        How many steps of the paper's grid one unit of length was taken for in penalties (see `Geometry.rescale`).
    vertices, faces
        The surface on which units lie, ``(vertex, 3)`` in `length_unit` and ``(face, 3)``; empty if there is none.
    names
        The units' names, ``(unit,)``; empty if they have none.
    parts
        Which part, such as a hemisphere, each unit lives in, ``(unit,)``.
    sphere
        Where each unit lies on a sphere, ``(unit, 3)``; empty if there is none.
    input_positions, output_positions
        Where inputs come in and outputs go out, ``(input, d)`` and ``(output, d)``; empty if they have no place.
    learnable
        Whether positions are learned from here on.
    keeping_apart
        How strongly units repel each other then.
    """

    positions: FloatArray
    distances: FloatArray
    length_unit: str
    steps_per_unit: float = 1.0
    vertices: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    faces: NDArray[np.int64] = field(default_factory=lambda: np.empty((0, 3), dtype=np.int64))
    names: NDArray[Any] = field(default_factory=lambda: np.empty(0, dtype="U1"))
    parts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sphere: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    input_positions: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    output_positions: FloatArray = field(default_factory=lambda: np.empty((0, 3)))
    learnable: bool = False
    keeping_apart: float = 0.0

    @property
    def costs(self) -> FloatArray:
        """Distances as penalties see them, ``(pre, post)``, in steps."""
        return self.distances * self.steps_per_unit

    def costs_of(self, projection: str) -> FloatArray | None:
        """Return lengths ``(pre, post)`` of a projection in steps; those from inputs and to outputs are straight.

        None where inputs or outputs have no place, and for projections with other names.
        """
        match projection:
            case "recurrent":
                return self.costs
            case "input" if len(self.input_positions):
                return cdist(self.input_positions, self.positions) * self.steps_per_unit
            case "readout" if len(self.output_positions):
                return cdist(self.positions, self.output_positions) * self.steps_per_unit
        return None

    @property
    def paper_steps_per_unit(self) -> float:
        """How many steps of the paper's grid one unit of length is if the mean distance has as many as there."""
        return PAPER_GRID["mean"] / self.mean_distance

    @property
    def mean_distance(self) -> float:
        """Between two different units, in `length_unit`."""
        return float(self.distances[~np.eye(len(self.distances), dtype=bool)].mean())

    @classmethod
    def read(cls, path: Path) -> StoredGeometry:
        """Read one from its file.

        Raises
        ------
        RunError
            If the file cannot be read.
        """
        try:
            reason = damage(path)
            if reason:
                raise ValueError(reason)
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
                known = {part.name: content[part.name] for part in fields(cls) if part.name in content}
                scalars: dict[str, Any] = {"length_unit": str(known["length_unit"])}
                for name, kind in (("steps_per_unit", float), ("learnable", bool), ("keeping_apart", float)):
                    if name in known:
                        scalars[name] = kind(known[name])
                return cls(**{**known, **scalars})
        except Exception as error:  # a damaged file without a checksum makes zipfile and NumPy raise anything
            raise RunError(
                f"{path} cannot be read: {error}; without it nobody knows where units lived. Put it back from a copy "
                "of the run, or give another place with --out to start anew"
            ) from error

    def write(self, path: Path) -> None:
        """Write it to a file (``.npz``) and its checksum, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, **{part.name: np.asarray(getattr(self, part.name)) for part in fields(self)})  # type: ignore[arg-type]
        write_checked(path, buffer.getvalue())
