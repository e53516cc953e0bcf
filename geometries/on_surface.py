"""Units on a surface: what meshes, cortex and ellipsoids have in common."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import numbers
from abc import abstractmethod
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from spatialnets.files.cache import cached
from spatialnets.files.table import distinct
from spatialnets.geometries.anatomy.placement import farthest_points, parcel_medoids, poisson_disk
from spatialnets.geometries.anatomy.surface_lengths import lengths_between, straight_lines
from spatialnets.geometries.anatomy.surfaces import Cleaned, components
from spatialnets.geometries.anatomy.vertex_data import Parcels
from spatialnets.protocols import FloatArray, Geometry, Surface

__all__ = ["Metric", "OnSurface", "Placed", "Placement", "check_words", "code", "place"]

OTHER_PART = 0.25  # of the largest part of a mask: a second part that large is no island

FACTS = {
    "left_out": ("kept in one piece", "of the mask left out, so that no handle closes"),
    "other_parts": ("other parts", "of the mask lie apart from the largest part, and were left out"),
    "islands": ("islands", "of the vertices in the mask lie apart from its largest part, and were left out"),
    "shortened": ("across hemispheres", "of the pairs within one are nearer to each other by way of the other"),
}

Metric = Literal["geodesic", "euclidean"]
Placement = Literal["farthest", "poisson_disk"]


@dataclass(frozen=True)
class Placed:
    """Units on a surface, and how far apart.

    Parameters
    ----------
    surface
        On which they lie.
    units
        Their vertices, ``(unit,)``.
    distances
        ``(pre, post)``, in the surface's unit of length.
    names
        Their names, ``(unit,)``; empty if they have none.
    facts
        Shares of something, under the names of `FACTS`.
    """

    surface: Surface
    units: NDArray[np.int64]
    distances: FloatArray
    names: tuple[str, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def positions(self) -> FloatArray:
        """Where units are, ``(unit, 3)``."""
        return self.surface.vertices[self.units]


def check_words(n: int, metric: str, placement: str) -> None:
    """Refuse fields that mean nothing.

    Raises
    ------
    ValueError
        For fewer than two units, or unknown words.
    """
    if not isinstance(n, numbers.Integral):
        raise ValueError(f"n must be a whole number, not {n!r}")
    if n < 2:
        raise ValueError(f"n must be 2 or more, not {n}")
    if metric not in ("geodesic", "euclidean"):
        raise ValueError(f"metric must be geodesic or euclidean, not {metric!r}")
    if placement not in ("farthest", "poisson_disk"):
        raise ValueError(f"placement must be farthest or poisson_disk, not {placement!r}")


def place(
    cleaned: Cleaned,
    n: int,
    metric: Metric,
    placement: Placement,
    seed: int,
    name: str,
    parcels: Parcels | None = None,
    mask: NDArray[np.bool_] | None = None,
) -> Placed:
    """Put units on a surface and measure the ways between them.

    Parameters
    ----------
    cleaned
        The surface.
    n
        How many units, where there are no parcels.
    metric
        Along the surface, or straight through space.
    placement
        Each unit where it is farthest from those before, or at random but for a least distance.
    seed
        Of the random placement.
    name
        What to call the surface in messages.
    parcels
        Of the vertices of the file; units are then at their medoids.
    mask
        Which vertices of the file are cortex; there are no units elsewhere, and no ways. For lengths along the surface
        small islands are left out.

    Raises
    ------
    ValueError
        If there are not enough vertices, or units that no way connects.
    """
    surface, places = cleaned.surface, cleaned.places
    count = len(surface.vertices)
    allowed = np.ones(count, dtype=bool)
    if mask is not None:
        allowed[:] = False
        allowed[places[mask & (places >= 0)]] = True
    walked = surface.faces[allowed[surface.faces].all(axis=1)]
    if not len(walked):
        raise ValueError(f"{name}: its mask leaves no triangle whole")
    facts = {}
    if mask is not None and metric == "geodesic":
        walked, facts["islands"] = _without_islands(surface, walked, name)
    lines = straight_lines(surface.vertices, walked)
    candidates = np.unique(walked)
    names: tuple[str, ...] = ()
    if parcels is not None:
        labels = np.zeros(count, dtype=np.int64)
        labels[places[places >= 0]] = parcels.labels[places >= 0]
        labels[np.setdiff1d(np.arange(count), candidates)] = 0
        present = Parcels(labels, parcels.names).present
        if len(present) < 2:
            raise ValueError(f"{name}: its labels name {len(present)} parcel(s) of the surface; expected two or more")
        units = parcel_medoids(surface.vertices, labels, present)
        names = distinct(parcels.names.get(label, str(label)) for label in present.tolist())
    elif n > len(candidates):
        raise ValueError(f"{name} has {len(candidates):,} vertices for units, fewer than n={n}")
    elif n == len(candidates):
        units = candidates
    else:
        within = lines[candidates][:, candidates]
        units = candidates[_spread(within, surface.vertices[candidates], n, placement, seed)]
    if metric == "euclidean":
        distances = cdist(surface.vertices[units], surface.vertices[units])
    else:
        _refuse_separate_parts(surface, walked, units, name)
        distances = lengths_between(lines, units)
    return Placed(surface, units, distances, names, facts)


def _spread(lines: Any, vertices: FloatArray, n: int, placement: Placement, seed: int) -> NDArray[np.int64]:
    if placement == "poisson_disk":
        return poisson_disk(lines, n, np.random.default_rng(seed))
    # begin at a tip, whatever the numbering
    return farthest_points(lines, n, int(np.argmax(np.linalg.norm(vertices - vertices.mean(axis=0), axis=1))))


def _without_islands(surface: Surface, walked: NDArray[np.int64], name: str) -> tuple[NDArray[np.int64], float]:
    """Return the triangles of the largest part, and the share of vertices in others."""
    part = components(Surface(surface.vertices, walked))
    sizes = np.bincount(part[np.unique(walked)])
    if len(sizes) > 1 and sizes[1] > OTHER_PART * sizes[0]:
        raise ValueError(
            f"{name}: its mask falls into separate parts of {sizes[0]:,} and {sizes[1]:,} vertices, and no way leads "
            "from one to the other; keep one of them, or write metric: euclidean"
        )
    return walked[part[walked[:, 0]] == 0], float(sizes[1:].sum() / sizes.sum())


def _refuse_separate_parts(surface: Surface, walked: NDArray[np.int64], units: NDArray[np.int64], name: str) -> None:
    part = components(Surface(surface.vertices, walked))[units]
    if len(np.unique(part)) > 1:
        most = int(np.bincount(part).argmax())
        away = int((part != most).sum())
        raise ValueError(
            f"{name} is in separate parts: no way along it leads to {away} of {len(units)} units. Keep one part "
            "(trimesh.Trimesh.split), close what is cut, or write metric: euclidean"
        )


@lru_cache(maxsize=1)
def code() -> str:
    """Return a hash of the code that surfaces and lengths come from: what other code has computed is not used."""
    files = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@dataclass(frozen=True)
class OnSurface(Geometry):
    """Units on a surface, computed once and kept on disk.

    A final class writes `_key`, all that the outcome depends on as plain data, and `_compute`, the outcome.
    """

    length_unit: ClassVar[str] = "mm"

    @abstractmethod
    def _key(self) -> dict[str, Any]:
        """Return everything that `_compute` depends on, with the contents of files."""

    @abstractmethod
    def _compute(self) -> dict[str, NDArray[Any]]:
        """Return ``vertices, faces, positions, distances``; and ``names, parts, sphere, facts`` where there are any.

        ``facts`` are shares of something, as JSON, under the names of `FACTS`.
        """

    @cached_property
    def _made(self) -> dict[str, NDArray[Any]]:
        kind = type(self).__name__.lower()
        made = cached(kind, {"kind": kind, "code": code(), **self._key()}, self._compute)
        for array in made.values():
            array.setflags(write=False)  # everyone who asks gets the same
        return made

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def positions(self) -> FloatArray:
        """Return where each unit lives, ``(unit, 3)``, in mm."""
        return self._made["positions"]

    def distances(self) -> FloatArray:
        """Return the distance between units ``(pre, post)``, in mm."""
        return self._made["distances"]

    def surface(self) -> Surface:
        """Return the surface: ``vertices`` ``(vertex, 3)`` in mm and ``faces`` ``(face, 3)``."""
        return Surface(self._made["vertices"], self._made["faces"])

    def unit_names(self) -> tuple[str, ...] | None:
        names = self._made.get("names")
        return None if names is None else tuple(names.tolist())

    def parts(self) -> NDArray[np.int64] | None:
        return self._made.get("parts")

    def sphere(self) -> FloatArray | None:
        return self._made.get("sphere")

    def facts(self) -> dict[str, str]:
        """Return how a surface was made from a volume, and what joining two hemispheres changed, in words."""
        shares: dict[str, float] = json.loads(str(self._made["facts"])) if "facts" in self._made else {}
        return {FACTS[name][0]: f"{100 * share:.1f} % {FACTS[name][1]}" for name, share in shares.items()}
