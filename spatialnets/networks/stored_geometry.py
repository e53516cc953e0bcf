"""A geometry evaluated once: its positions, distances and other facts, checked and stored with the run."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.errors import RunError, UserError
from spatialnets.files.atomic import checksum_error, write_checked
from spatialnets.files.limits import check_file, read_arrays
from spatialnets.files.reading import InvalidFile, one_line
from spatialnets.networks.metric import triangle_violation
from spatialnets.paper import PAPER_GRID_DISTANCES
from spatialnets.protocols import Geometry

__all__ = ["SINGLE_PRECISION_UNITS", "StoredGeometry"]

SINGLE_PRECISION_UNITS = 4000  # above this number distances are float32: for 10,242 units 420 MB instead of 839
MAX_UNITS = 30_000  # their distances take 7 GB
ROWS_AT_ONCE = 256  # when checking symmetry: comparing the whole matrix would take several times its memory
UNREADABLE = (
    "the positions of the units cannot be recovered without it. Restore the file from a copy of the run, or choose "
    "another folder with --out to start again"
)


@dataclass(frozen=True)
class StoredGeometry:
    """A geometry as it was when the run began.

    Parameters
    ----------
    positions, distances
        Positions ``(unit, d)`` and distances ``(pre, post)``, in `length_unit`; distances are float64, or float32 for
        more than 4,000 units.
    length_unit
        ``"step"`` or ``"mm"``.
    steps_per_unit
        Steps of the paper's grid that one unit of length counts as in penalties (see `Geometry.rescale`).
    vertices, faces
        The surface on which units lie, ``(vertex, 3)`` in `length_unit` and ``(face, 3)``; empty if there is none.
    names
        The units' names, ``(unit,)``; empty if they have none.
    parts
        The area of each unit, such as its hemisphere, ``(unit,)``; empty if there is one area.
    sphere
        Position of each unit on the sphere to which the surface is registered, ``(unit, 3)``; empty if there is none.
    input_positions, output_positions
        Positions of inputs and outputs, ``(input, d)`` and ``(output, d)``; empty if they have none.
    learnable
        Whether positions are learned, starting from these.
    keeping_apart
        Strength of the repulsion between units whose positions are learned.
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

    @classmethod
    def of(cls, geometry: Geometry) -> StoredGeometry:
        """Evaluate a geometry once and check its positions and distances.

        Raises
        ------
        UserError
            If positions and distances do not match, or the distances are not a metric.
        """
        name = type(geometry).__name__
        try:
            if geometry.n_units > MAX_UNITS:
                raise UserError(f"{name} has {geometry.n_units:,} units; expected at most {MAX_UNITS:,}")
            positions = np.asarray(geometry.positions(), dtype=np.float64)
            distances = np.asarray(geometry.distances(), dtype=np.float64)
            _check_distances(name, positions, distances)
            surface, names, parts = geometry.surface(), geometry.unit_names(), geometry.parts()
            sphere = geometry.sphere()
            optional: dict[str, Any] = {
                **({"vertices": surface.vertices, "faces": surface.faces} if surface is not None else {}),
                **({"names": np.array(names, dtype=np.str_)} if names is not None else {}),
                **({"parts": parts} if parts is not None else {}),
                **({"sphere": sphere} if sphere is not None else {}),
                "learnable": geometry.learnable,
                "keeping_apart": geometry.keeping_apart(),
            }
            for method in ("input_positions", "output_positions"):
                values = getattr(geometry, method)()
                if values is not None:
                    optional[method] = _checked_positions(name, method, values, positions.shape[1])
            steps_per_unit = geometry.steps_per_unit()
            kept = distances.astype(np.float32) if len(distances) > SINGLE_PRECISION_UNITS else distances
            return cls(positions, kept, geometry.length_unit, steps_per_unit, **optional)
        except ValueError as error:
            raise UserError(f"{name}: {error}") from error

    def distances_in_steps(self) -> NDArray[Any]:
        """Return the distances that a penalty sees, ``(pre, post)``, in steps of the paper's grid."""
        return self.distances * self.steps_per_unit

    def projection_distances(self, projection: str) -> NDArray[Any] | None:
        """Return the distances of a projection, ``(pre, post)``, in steps of the paper's grid.

        From inputs and to outputs they are straight lines. None if inputs or outputs have no positions, and for
        projections with other names.
        """
        match projection:
            case "recurrent":
                return self.distances_in_steps()
            case "input" if len(self.input_positions):
                return _straight_lines(self.input_positions, self.positions) * self.steps_per_unit
            case "readout" if len(self.output_positions):
                return _straight_lines(self.positions, self.output_positions) * self.steps_per_unit
        return None

    @property
    def paper_steps_per_unit(self) -> float:
        """Steps of the paper's grid per unit of length, if the mean distance is to equal that of the grid."""
        return PAPER_GRID_DISTANCES["mean"] / self.mean_distance

    @property
    def mean_distance(self) -> float:
        """Mean distance between two different units, in `length_unit`."""
        return float(self.distances[~np.eye(len(self.distances), dtype=bool)].mean(dtype=np.float64))

    def facts(self) -> dict[str, Any]:
        """Return the number of units and the scale of their distances, for the run's provenance."""
        between = self.distances[~np.eye(len(self.distances), dtype=bool)]
        return {
            "units": len(self.positions),
            "length_unit": self.length_unit,
            "mean_distance": float(between.mean(dtype=np.float64)),
            "longest_distance": float(between.max()),
            "steps_per_unit": self.steps_per_unit,
        }

    @classmethod
    def read(cls, path: Path) -> StoredGeometry:
        """Read a geometry from the file that `write` wrote.

        Raises
        ------
        RunError
            If the file cannot be read.
        """
        try:
            check_file(path)
            reason = checksum_error(path)
            if reason:
                raise ValueError(reason)
            content = read_arrays(path)
            values: dict[str, Any] = {part.name: content[part.name] for part in fields(cls) if part.name in content}
            values["length_unit"] = str(values["length_unit"])
            for name, kind in (("steps_per_unit", float), ("learnable", bool), ("keeping_apart", float)):
                values[name] = kind(values[name])
            geometry = cls(**values)
            geometry.check()
        except InvalidFile as error:  # its message names the file
            raise RunError(f"{error}; {UNREADABLE}") from error
        except Exception as error:  # readers of damaged files raise many kinds of exception
            raise RunError(f"{path} cannot be read: {one_line(error)}; {UNREADABLE}") from error
        return geometry

    def check(self) -> None:
        """Raise a ValueError unless shapes, units and values are valid."""
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
                size in (None, actual) for size, actual in zip(shape, values.shape, strict=True)
            )
            if not fits or values.dtype.kind not in kinds.get(name, "f"):
                raise ValueError(f"its {name} are {values.dtype} {values.shape}")
            if values.dtype.kind == "f" and not np.isfinite(values).all():
                raise ValueError(f"its {name} are not finite")
        if n_units < 1 or (len(self.faces) and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices)):
            raise ValueError("it has no units, or its faces refer to vertices that do not exist")

    def write(self, path: Path) -> None:
        """Write the geometry to a file (``.npz``) with its checksum, atomically."""
        buffer = io.BytesIO()
        np.savez(buffer, **{part.name: np.asarray(getattr(self, part.name)) for part in fields(self)})  # type: ignore[arg-type]
        write_checked(path, buffer.getvalue())


def _check_distances(name: str, positions: FloatArray, distances: FloatArray) -> None:
    if positions.ndim != 2:
        raise UserError(f"{name}.positions() has shape {positions.shape}; expected (unit, 3)")
    if distances.shape != (len(positions),) * 2:
        raise UserError(
            f"{name}.distances() has shape {distances.shape}; expected {(len(positions),) * 2} for "
            f"{len(positions)} positions"
        )
    for method, values in (("positions", positions), ("distances", distances)):
        finite = np.isfinite(values)
        if not finite.all():
            raise UserError(f"{name}.{method}() must be finite; row {int(np.argwhere(~finite)[0][0])} is not")
    if (distances < 0).any() or np.abs(np.diagonal(distances)).max() > 0:
        raise UserError(f"{name}.distances() must not be negative, and must be zero on the diagonal")
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(distances), ROWS_AT_ONCE)]
    if not all(np.allclose(distances[rows], distances[:, rows].T, rtol=1e-6, atol=0) for rows in blocks):
        raise UserError(f"{name}.distances() must be symmetric")
    violation = triangle_violation(distances)
    if violation is not None:
        start, middle, stop = violation
        straight, detour = distances[start, stop], distances[start, middle] + distances[middle, stop]
        raise UserError(
            f"{name}.distances() is not a metric: units {start}, {middle} and {stop} violate the triangle inequality "
            f"(d({start}, {stop}) = {straight:.6g} > {detour:.6g} = d({start}, {middle}) + d({middle}, {stop}))"
        )


def _checked_positions(name: str, method: str, values: FloatArray, dimensions: int) -> FloatArray:
    values = np.asarray(values, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != dimensions or not np.isfinite(values).all():
        raise UserError(
            f"{name}.{method}() has shape {values.shape}; expected finite positions in {dimensions} dimensions"
        )
    return values


def _straight_lines(start: FloatArray, end: FloatArray) -> FloatArray:
    """Return the lengths of straight lines between two sets of positions, ``(start, end)``."""
    from scipy.spatial.distance import cdist  # here, because most workers never need it and start sooner without

    return np.asarray(cdist(start, end))
