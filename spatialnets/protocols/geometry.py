"""Geometry: the positions of units and the distances between them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.paper import PAPER_GRID_DISTANCES

__all__ = ["Geometry", "Rescale", "Surface"]

Rescale: TypeAlias = Literal["none", "mean", "max"]


class Surface(NamedTuple):
    """A triangle mesh; ``vertices, faces = surface`` unpacks it.

    Parameters
    ----------
    vertices
        Positions ``(vertex, 3)`` in the geometry's unit of length.
    faces
        Indices into `vertices`, ``(face, 3)``, counter-clockwise seen from outside.
    """

    vertices: FloatArray
    faces: NDArray[np.int64]


@dataclass(frozen=True)
class Geometry(ABC):
    """The positions of a network's units and the distances between them.

    A subclass is a frozen dataclass that implements `positions` and `distances`. Its `length_unit` is ``"step"`` (the
    distance between neighbours on the paper's grid) or ``"mm"``. All other methods are optional.

    Parameters
    ----------
    rescale
        How `distances_in_steps` converts lengths for the penalty. ``"mean"`` or ``"max"``: all lengths are multiplied
        by one factor, so that the mean or the longest distance between two units equals that of the paper's grid
        (3.058 or 6.403 steps). A regularization strength then has the same meaning on every geometry, and on the
        paper's grid nothing changes. ``"none"``: one unit of length counts as one step. `positions` and `distances`
        are always in `length_unit`.
    """

    length_unit: ClassVar[str] = "step"
    references: ClassVar[tuple[str, ...]] = ()
    learnable: ClassVar[bool] = False

    rescale: Rescale = field(default="mean", kw_only=True, repr=False)

    @abstractmethod
    def positions(self) -> FloatArray:
        """Return the position of each unit, ``(unit, 3)`` (or ``(unit, d)``), in `length_unit`."""

    @abstractmethod
    def distances(self) -> FloatArray:
        """Return the distances between units, ``(pre, post)``, in `length_unit`.

        They must form a metric: be symmetric, be zero on the diagonal and satisfy the triangle inequality.
        """

    @property
    def n_units(self) -> int:
        """The number of units."""
        return len(self.positions())

    def distances_in_steps(self) -> FloatArray:
        """Return the distances that a penalty sees, ``(pre, post)``, in steps of the paper's grid (see `rescale`)."""
        distances = self.distances()
        return distances * self._steps_per_unit(distances)

    def steps_per_unit(self) -> float:
        """Return the number of steps of the paper's grid that one unit of length counts as in a penalty.

        Raises
        ------
        ValueError
            If `rescale` is not a valid word, or if all units share one position.
        """
        return 1.0 if self.rescale == "none" else self._steps_per_unit(self.distances())

    def _steps_per_unit(self, distances: FloatArray) -> float:
        if self.rescale == "none":
            return 1.0
        if self.rescale not in PAPER_GRID_DISTANCES:
            raise ValueError(f"rescale must be none, mean or max, not {self.rescale!r}")
        between = distances[~np.eye(len(distances), dtype=bool)]
        length = float(between.mean() if self.rescale == "mean" else between.max())
        factor = PAPER_GRID_DISTANCES[self.rescale] / length if length > 0 else math.inf
        if not math.isfinite(factor):
            raise ValueError(
                f"the {self.rescale} distance between units is {length:g} {self.length_unit}, which cannot be rescaled"
            )
        return 1.0 if math.isclose(factor, 1.0, rel_tol=1e-12) else factor  # leaves the paper's grid exactly as it is

    def surface(self) -> Surface | None:
        """Return the surface on which the units lie, or None."""
        return None

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each unit, such as that of its parcel, or None."""
        return None

    def parts(self) -> NDArray[np.int64] | None:
        """Return the area of each unit, ``(unit,)``, such as 0 for left and 1 for right; None if there is one area."""
        return None

    def facts(self) -> dict[str, str]:
        """Return, by name, further facts about how positions and distances were obtained."""
        return {}

    def sphere(self) -> FloatArray | None:
        """Return the position of each unit on the sphere to which the surface is registered, ``(unit, 3)``, or None."""
        return None

    def input_positions(self) -> FloatArray | None:
        """Return the position of each input, ``(input, 3)``, in `length_unit`, or None if inputs have no positions."""
        return None

    def output_positions(self) -> FloatArray | None:
        """Return the position of each output, ``(output, 3)``, in `length_unit`, or None if outputs have none."""
        return None

    def keeping_apart(self) -> float:
        """Return the strength of the repulsion between units whose positions are learned."""
        return 0.0
