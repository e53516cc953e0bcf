"""Geometry of several areas, and the distances between areas or hemispheres."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets.aliases import FloatArray
from spatialnets.protocols import Geometry, Surface

__all__ = ["Across", "Union", "check_across", "fraction_shortened", "join_distances", "join_surfaces", "pad_to_3d"]

Across = Literal["refused", "euclidean"] | float
"""Distances between units of different areas: an error, straight lines, or one length."""

ROUNDING = 1e-9  # relative; smaller differences come from the order of summation


def check_across(across: Across) -> None:
    """Raise a ValueError unless `across` is ``"refused"``, ``"euclidean"`` or a positive length."""
    is_length = isinstance(across, numbers.Real) and math.isfinite(across) and across > 0
    if across not in ("refused", "euclidean") and not is_length:
        raise ValueError(f"across must be refused, euclidean or a finite, positive length, not {across!r}")


def pad_to_3d(positions: FloatArray) -> FloatArray:
    """Return positions ``(unit, d)`` padded with zeros to ``(unit, 3)``; raise a ValueError if d is greater than 3."""
    if positions.shape[1] > 3:
        raise ValueError(f"positions have {positions.shape[1]} dimensions; expected three at most")
    return np.pad(positions, ((0, 0), (0, 3 - positions.shape[1])))


def join_distances(positions: list[FloatArray], distances: list[FloatArray], across: Across) -> FloatArray:
    """Return the distances between the units of all areas, ``(pre, post)``.

    A connection between areas is straight (``"euclidean"``) or has a given length (or that of the straight line, where
    it is longer). Distances are shortest paths along these connections and those within areas, so that they are a
    metric: two units of one area may be closer by a path through another.

    Parameters
    ----------
    positions
        Positions of the units of each area, ``(unit, d)``, in common coordinates.
    distances
        Distances within each area, ``(pre, post)``.
    across
        Rule for the connections between areas.

    Raises
    ------
    ValueError
        If the rule is ``"refused"``, or two units of different areas have the same position.

    Examples
    --------
    >>> two, other = np.array([[0.0, 0], [10, 0]]), np.array([[5.0, 1]])
    >>> join_distances([two, other], [np.array([[0.0, 30], [30, 0]]), np.zeros((1, 1))], 12.0).tolist()
    [[0.0, 24.0, 12.0], [24.0, 0.0, 12.0], [12.0, 12.0, 0.0]]
    """
    from scipy.sparse.csgraph import floyd_warshall

    if across == "refused":
        raise ValueError(
            "the distances between areas are not defined: write across: euclidean (straight lines), or across: a "
            "length (of every connection between areas)"
        )
    all_positions = np.vstack(positions)
    lengths = cdist(all_positions, all_positions)
    area = np.repeat(np.arange(len(positions)), list(map(len, positions)))
    between = area[:, None] != area
    if (lengths[between] == 0).any():
        one, other = np.argwhere(between & (lengths == 0))[0]
        raise ValueError(f"units {one} and {other} of different areas have the same position: shift one of the areas")
    if not isinstance(across, str):
        lengths[between] = np.maximum(lengths[between], across)
    lengths[~between] = np.concatenate([within.ravel() for within in distances])
    return np.asarray(floyd_warshall(lengths, directed=False))


def fraction_shortened(joint: FloatArray, separate: list[FloatArray]) -> float:
    """Return the fraction of the pairs within areas that a path through another area brings closer.

    Parameters
    ----------
    joint
        Distances between the units of all areas, as returned by `join_distances`, ``(pre, post)``.
    separate
        Distances within each area, ``(pre, post)``.
    """
    starts = np.cumsum([0, *map(len, separate)])
    closer = pairs = 0
    for start, stop, distances in zip(starts, starts[1:], separate, strict=False):
        closer += int((joint[start:stop, start:stop] < distances * (1 - ROUNDING)).sum())
        pairs += len(distances) * (len(distances) - 1)
    return closer / max(pairs, 1)


def join_surfaces(surfaces: list[Surface]) -> Surface:
    """Return several surfaces as a single mesh."""
    starts = np.cumsum([0, *(len(surface.vertices) for surface in surfaces[:-1])])
    faces = [surface.faces + start for surface, start in zip(surfaces, starts, strict=True)]
    return Surface(np.vstack([surface.vertices for surface in surfaces]), np.vstack(faces))


@dataclass(frozen=True)
class Union(Geometry):
    """Several geometries side by side, such as cortical areas, with a rule for the distances between them.

    Within an area, distances are those of its own geometry, unless a path through another area is shorter (see
    `join_distances`): distances are a metric. The length of a connection between areas is set by `across`.

    Parameters
    ----------
    areas
        Two or more geometries with the same unit of length. Units are numbered area by area. The `rescale` of an area
        is ignored; that of the union applies.
    across
        ``"euclidean"``: connections between areas are straight lines. A number: every such connection has this length
        (or that of the straight line, where it is longer). ``"refused"``: no rule, so distances cannot be computed.
    offsets
        Shift of each area in space, ``(area, 3)``, in the unit of length; by default none.

    Raises
    ------
    ValueError
        If there are fewer than two areas, their units of length differ, `across` or `offsets` is invalid, or (when
        distances are computed) units of different areas have the same position.

    Examples
    --------
    >>> from spatialnets.geometries import Sheet
    >>> areas = Union((Sheet((2, 2)), Sheet((2, 2))), across=5.0, offsets=((0, 0, 0), (0, 0, 3)))
    >>> areas.distances()[0].round(2).tolist()
    [0.0, 1.0, 1.0, 1.41, 5.0, 5.0, 5.0, 5.0]
    """

    areas: tuple[Geometry, ...]
    across: Across = "refused"
    offsets: tuple[tuple[float, float, float], ...] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "areas", tuple(self.areas))
        for area in self.areas:
            if not isinstance(area, Geometry):
                raise ValueError(f"areas must be geometries, not {area!r}")
        if len(self.areas) < 2:
            raise ValueError(f"areas must be two or more geometries, not {len(self.areas)}")
        units = sorted({area.length_unit for area in self.areas})
        if len(units) > 1:
            raise ValueError(f"areas must have the same unit of length, not {' and '.join(units)}")
        check_across(self.across)
        if self.offsets is not None:
            offsets = tuple(tuple(float(step) for step in offset) for offset in self.offsets)
            object.__setattr__(self, "offsets", offsets)
            if len(offsets) != len(self.areas) or any(
                len(offset) != 3 or not all(map(math.isfinite, offset)) for offset in offsets
            ):
                raise ValueError(f"offsets must be three finite lengths for each of {len(self.areas)} areas")

    @property
    def length_unit(self) -> str:  # type: ignore[override]  # depends on the field areas
        """Unit of length of the areas."""
        return self.areas[0].length_unit

    @property
    def n_units(self) -> int:
        """Number of units in all areas."""
        return sum(area.n_units for area in self.areas)

    @cached_property
    def _offsets(self) -> FloatArray:
        return np.array(self.offsets, dtype=np.float64) if self.offsets else np.zeros((len(self.areas), 3))

    @cached_property
    def _positions(self) -> list[FloatArray]:
        """Positions of the units of each area, ``(unit, 3)``."""
        return [pad_to_3d(area.positions()) + offset for area, offset in zip(self.areas, self._offsets, strict=True)]

    def positions(self) -> FloatArray:
        """Return the positions of the units, ``(unit, 3)``, area by area."""
        return np.vstack(self._positions)

    @cached_property
    def _distances(self) -> FloatArray:
        return join_distances(self._positions, [area.distances() for area in self.areas], self.across)

    def distances(self) -> FloatArray:
        """Return the distances between units ``(pre, post)`` in `length_unit`."""
        return self._distances.copy()

    def surface(self) -> Surface | None:
        """Return the surfaces of all areas that have one, as a single mesh."""
        surfaces = [(area.surface(), offset) for area, offset in zip(self.areas, self._offsets, strict=True)]
        shifted = [Surface(mesh.vertices + offset, mesh.faces) for mesh, offset in surfaces if mesh is not None]
        return join_surfaces(shifted) if shifted else None

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each unit with the number of its area, such as ``0: V1``, if any area has names."""
        if all(area.unit_names() is None for area in self.areas):
            return None
        return tuple(
            f"{number}: {name}"
            for number, area in enumerate(self.areas)
            for name in area.unit_names() or tuple(str(unit) for unit in range(area.n_units))
        )

    def parts(self) -> NDArray[np.int64]:
        """Return the number of each unit's area, ``(unit,)``, from 0."""
        return np.repeat(np.arange(len(self.areas), dtype=np.int64), [area.n_units for area in self.areas])

    def facts(self) -> dict[str, str]:
        """Return how many pairs within an area are closer by a path through another, and the facts of each area."""
        fraction = fraction_shortened(self._distances, [area.distances() for area in self.areas])
        across = f"{100 * fraction:.1f} % of the pairs within an area are closer by a path through another"
        return {"across areas": across} | {
            f"{number}: {name}": fact for number, area in enumerate(self.areas) for name, fact in area.facts().items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields only; cached values are recomputed."""
        return {name: getattr(self, name) for name in ("areas", "across", "offsets", "rescale")}
