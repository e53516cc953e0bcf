"""Several geometries as one: hemispheres, areas."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets.protocols import FloatArray, Geometry, Surface

__all__ = ["Across", "Union", "check_across", "joined", "shortened"]

Across = Literal["refused", "euclidean"] | float
"""How far apart units of different parts are."""


def check_across(across: Across) -> None:
    """Refuse what is no rule.

    Raises
    ------
    ValueError
        If it is no known word and no positive length.
    """
    is_length = isinstance(across, numbers.Real) and math.isfinite(across) and across > 0
    if across not in ("refused", "euclidean") and not is_length:
        raise ValueError(f"across must be refused, euclidean or a finite, positive length, not {across!r}")


def joined(positions: list[FloatArray], distances: list[FloatArray], across: Across) -> FloatArray:
    """Return the distances between the units of several parts, ``(pre, post)``.

    Within a part, distances are its own. Across, a wire runs straight (``"euclidean"``), or is of a given length (and
    never shorter than straight). Because distances are a metric, the shortest way counts: units of one part are not
    farther apart than by way of a unit of another.

    Parameters
    ----------
    positions
        Of the units of each part, ``(unit, d)``, in one space.
    distances
        Within each part, ``(pre, post)``.
    across
        The rule.

    Raises
    ------
    ValueError
        If the rule is ``"refused"``, or units of two parts share a place.

    Examples
    --------
    >>> two, other = np.array([[0.0, 0], [10, 0]]), np.array([[5.0, 1]])
    >>> joined([two, other], [np.array([[0.0, 30], [30, 0]]), np.zeros((1, 1))], 12.0).tolist()
    [[0.0, 24.0, 12.0], [24.0, 0.0, 12.0], [12.0, 12.0, 0.0]]
    """
    from scipy.sparse.csgraph import floyd_warshall

    if across == "refused":
        raise ValueError(
            "nothing says how far apart units of different parts are: write across: euclidean (wires run straight), or "
            "across: a length (of every wire across)"
        )
    everywhere = np.vstack(positions)
    whole = cdist(everywhere, everywhere)
    part = np.repeat(np.arange(len(positions)), [len(of) for of in positions])
    apart = part[:, None] != part
    if (whole[apart] == 0).any():
        one, other = np.argwhere(apart & (whole == 0))[0]
        raise ValueError(f"units {one} and {other}, of different parts, share a place; shift a part")
    if not isinstance(across, str):
        whole[apart] = np.maximum(whole[apart], across)
    for number, own in enumerate(distances):
        within = part == number
        whole[np.ix_(within, within)] = own
    return np.asarray(floyd_warshall(whole, directed=False))


def shortened(whole: FloatArray, own: list[FloatArray]) -> float:
    """Return the share of pairs within a part that are nearer to each other by way of another.

    Parameters
    ----------
    whole
        The distances between the units of all parts, as `joined` gives them, ``(pre, post)``.
    own
        Those within each part.
    """
    starts = np.cumsum([0, *map(len, own)])
    nearer = pairs = 0
    for start, stop, distances in zip(starts, starts[1:], own, strict=False):
        nearer += int((whole[start:stop, start:stop] < distances * (1 - 1e-9)).sum())
        pairs += len(distances) * (len(distances) - 1)
    return nearer / max(pairs, 1)


@dataclass(frozen=True)
class Union(Geometry):
    """Several geometries side by side, with a rule for the distances across.

    Within a part, units are as far apart as its own geometry says. Across, a wire is as long as `across` says; a way
    within a part is never longer than a detour by another part (see `joined`), so that distances are a metric.

    Parameters
    ----------
    areas
        Two or more geometries with the same unit of length. Units are numbered part after part. What they say of
        `rescale` counts for nothing: the union's own does.
    across
        ``"euclidean"``: wires across run straight. A number: that length, in the unit of length, for every wire across
        (or straight, where that is longer). ``"refused"``: there is no rule, and asking for distances is an error.
    offsets
        How far each part is shifted in space, ``(part, 3)``; by default not at all.

    Raises
    ------
    ValueError
        If there are fewer than two parts, their units of length differ, the rule or the offsets mean nothing, or units
        of two parts share a place.

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
            raise ValueError(f"areas must have one unit of length, not {' and '.join(units)}")
        check_across(self.across)
        if self.offsets is not None:
            offsets = tuple(tuple(float(step) for step in offset) for offset in self.offsets)
            object.__setattr__(self, "offsets", offsets)
            if len(offsets) != len(self.areas) or any(
                len(offset) != 3 or not all(map(math.isfinite, offset)) for offset in offsets
            ):
                raise ValueError(f"offsets must be three finite lengths for each of {len(self.areas)} areas")

    @property
    def length_unit(self) -> str:  # type: ignore[override]  # that of its parts, known with them
        """The parts' unit of length."""
        return self.areas[0].length_unit

    @property
    def n_units(self) -> int:
        """The units of all parts together."""
        return sum(area.n_units for area in self.areas)

    @cached_property
    def _places(self) -> list[FloatArray]:
        places = []
        for number, area in enumerate(self.areas):
            own = area.positions()
            place = np.zeros((len(own), 3))
            if own.shape[1] > 3:
                raise ValueError(f"areas must lie in space, not in {own.shape[1]} dimensions")
            place[:, : own.shape[1]] = own
            places.append(place + np.array(self.offsets[number] if self.offsets else (0, 0, 0)))
        return places

    def positions(self) -> FloatArray:
        """Return where each unit lives, ``(unit, 3)``, part after part."""
        return np.vstack(self._places)

    @cached_property
    def _distances(self) -> FloatArray:
        return joined(self._places, [area.distances() for area in self.areas], self.across)

    def distances(self) -> FloatArray:
        """Return the distance between units ``(pre, post)``."""
        return self._distances.copy()

    def surface(self) -> Surface | None:
        """Return the surfaces of all parts that have one, as one mesh."""
        vertices, faces, count = [], [], 0
        for number, area in enumerate(self.areas):
            own = area.surface()
            if own is not None:
                vertices.append(own.vertices + np.array(self.offsets[number] if self.offsets else (0, 0, 0)))
                faces.append(own.faces + count)
                count += len(own.vertices)
        return Surface(np.vstack(vertices), np.vstack(faces)) if vertices else None

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the names of all units with the number of their part, if any part's units have names."""
        if all(area.unit_names() is None for area in self.areas):
            return None
        return tuple(
            f"{number}: {name}"
            for number, area in enumerate(self.areas)
            for name in area.unit_names() or tuple(str(unit) for unit in range(area.n_units))
        )

    def parts(self) -> NDArray[np.int64]:
        """Return the number of each unit's part, ``(unit,)``."""
        return np.repeat(np.arange(len(self.areas), dtype=np.int64), [area.n_units for area in self.areas])

    def facts(self) -> dict[str, str]:
        """Return how many ways within a part became shorter by way of another, and what each part knows, in words."""
        share = shortened(self._distances, [area.distances() for area in self.areas])
        across = f"{100 * share:.1f} % of the pairs within a part are nearer to each other by way of another"
        return {"across parts": across} | {
            f"{number}: {name}": fact for number, area in enumerate(self.areas) for name, fact in area.facts().items()
        }

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return {name: getattr(self, name) for name in ("areas", "across", "offsets", "rescale")}
