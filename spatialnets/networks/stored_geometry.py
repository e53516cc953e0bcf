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
from spatialnets.files.atomic import damage, write_checked
from spatialnets.files.limits import check_file, read_arrays
from spatialnets.files.reading import UnfitFile, words_of
from spatialnets.protocols import PAPER_GRID, FloatArray

__all__ = ["SINGLE_PRECISION_UNITS", "StoredGeometry"]

SINGLE_PRECISION_UNITS = 4000  # beyond, distances are kept in float32: of 10,242 units 420 MB instead of 839
CURE = (
    "without it nobody knows where units lived. Put it back from a copy of the run, or give another place with --out "
    "to start anew"
)


@dataclass(frozen=True)
class StoredGeometry:
    """A geometry as it was when the run began.

    Parameters
    ----------
    positions, distances
        Positions ``(unit, d)`` and distances ``(pre, post)``, in `length_unit`; the latter in float64, or, of more than
        4,000 units, float32.
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
    distances: NDArray[Any]
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
    def costs(self) -> NDArray[Any]:
        """Distances as penalties see them, ``(pre, post)``, in steps."""
        return self.distances * self.steps_per_unit

    def costs_of(self, projection: str) -> NDArray[Any] | None:
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
        return float(self.distances[~np.eye(len(self.distances), dtype=bool)].mean(dtype=np.float64))

    @classmethod
    def read(cls, path: Path) -> StoredGeometry:
        """Read one from its file.

        Raises
        ------
        RunError
            If the file cannot be read.
        """
        try:
            check_file(path)
            reason = damage(path)
            if reason:
                raise ValueError(reason)
            content = read_arrays(path)
            known = {part.name: content[part.name] for part in fields(cls) if part.name in content}
            scalars: dict[str, Any] = {"length_unit": str(known["length_unit"])}
            for name, kind in (("steps_per_unit", float), ("learnable", bool), ("keeping_apart", float)):
                if name in known:
                    scalars[name] = kind(known[name])
            found = cls(**{**known, **scalars})
            found.check()
        except UnfitFile as error:  # which names the file
            raise RunError(f"{error}; {CURE}") from error
        except Exception as error:  # readers of broken files raise whatever they stumble over
            raise RunError(f"{path} cannot be read: {words_of(error)}; {CURE}") from error
        return found

    def check(self) -> None:
        """Raise a ValueError unless sizes, units and numbers are those of a geometry."""
        n_units = len(self.positions)
        if self.length_unit not in ("step", "mm"):
            raise ValueError(f"its length_unit is {self.length_unit!r}; expected step or mm")
        if not (np.isfinite(self.steps_per_unit) and self.steps_per_unit > 0):
            raise ValueError(f"its steps_per_unit is {self.steps_per_unit}; expected a positive number")
        expected: dict[str, tuple[int | None, ...]] = {
            "positions": (n_units, None),
            "distances": (n_units, n_units),
            "vertices": (None, 3),
            "faces": (None, 3),
            "names": (n_units if len(self.names) else 0,),
            "parts": (n_units if len(self.parts) else 0,),
            "sphere": (n_units if len(self.sphere) else 0, 3),
            "input_positions": (None, None),
            "output_positions": (None, None),
        }
        kinds = {"names": "U", "faces": "iu", "parts": "iu"}
        for name, shape in expected.items():
            values = getattr(self, name)
            fits = len(shape) == values.ndim and all(
                size is None or size == own for size, own in zip(shape, values.shape, strict=True)
            )
            if not fits or values.dtype.kind not in kinds.get(name, "f"):
                raise ValueError(f"its {name} are {values.dtype} {values.shape}")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ValueError(f"its {name} are not finite")
        if n_units < 1 or (len(self.faces) and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices)):
            raise ValueError("it has no units, or faces of vertices that are not there")

    def write(self, path: Path) -> None:
        """Write it to a file (``.npz``) and its checksum, whole or not at all."""
        buffer = io.BytesIO()
        np.savez(buffer, **{part.name: np.asarray(getattr(self, part.name)) for part in fields(self)})  # type: ignore[arg-type]
        write_checked(path, buffer.getvalue())
