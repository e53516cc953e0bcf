"""Base class of the geometries on a surface (`Mesh`, `Cortex`, `Ellipsoid`), and placement of units on a surface."""

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

from spatialnets.aliases import FloatArray
from spatialnets.files.cache import cached
from spatialnets.files.table import make_distinct
from spatialnets.geometries.anatomy.placement import farthest_points, parcel_medoids, poisson_disk
from spatialnets.geometries.anatomy.surface_lengths import lengths_between, straight_lines
from spatialnets.geometries.anatomy.surfaces import clean, components
from spatialnets.geometries.anatomy.vertex_data import Parcels, read_mask, read_parcels
from spatialnets.protocols import Geometry, Surface
from spatialnets.validation import require_at_least

__all__ = ["Metric", "OnSurface", "PlacedUnits", "Placement", "code_digest"]

MAX_ISLAND = 0.25  # size relative to the largest component of a mask; a larger second component is an error

FACTS = {  # by key: label, and text after the percentage
    "left_out": ("topology", "of the mask removed to avoid handles"),
    "other_parts": ("disconnected voxels", "of the mask removed: not connected to its largest component"),
    "islands": ("islands", "of the vertices in the mask removed: not connected to its largest component"),
    "shortened": ("across hemispheres", "of the pairs within a hemisphere are closer by a path through the other"),
}

Metric = Literal["geodesic", "euclidean"]
Placement = Literal["farthest", "poisson_disk"]


@dataclass(frozen=True)
class PlacedUnits:
    """Units placed on a surface, and the distances between them.

    Parameters
    ----------
    surface
        The surface.
    units
        Vertex of each unit, ``(unit,)``.
    distances
        Distances ``(pre, post)`` in the surface's unit of length.
    names
        Name of each unit, ``(unit,)``; empty if units have no names.
    facts
        Fractions that describe the placement, by the keys of `FACTS`.
    sphere
        Positions of the units on the sphere to which the surface is registered, ``(unit, 3)``.
    parts
        Hemisphere of each unit, ``(unit,)``, if there are both.
    """

    surface: Surface
    units: NDArray[np.int64]
    distances: FloatArray
    names: tuple[str, ...] = ()
    facts: dict[str, float] = field(default_factory=dict)
    sphere: FloatArray | None = None
    parts: NDArray[np.int64] | None = None

    @property
    def positions(self) -> FloatArray:
        """Positions of the units, ``(unit, 3)``."""
        return self.surface.vertices[self.units]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return all results by name, in the form that `OnSurface` caches."""
        results = {
            "vertices": self.surface.vertices,
            "faces": self.surface.faces,
            "positions": self.positions,
            "distances": self.distances,
            "names": np.array(self.names) if self.names else None,
            "facts": np.array(json.dumps(self.facts)) if self.facts else None,
            "sphere": self.sphere,
            "parts": self.parts,
        }
        return {name: array for name, array in results.items() if array is not None}


def _without_islands(surface: Surface, faces: NDArray[np.int64], name: str) -> tuple[NDArray[np.int64], float]:
    """Return the triangles of the largest component, and the fraction of vertices in all others."""
    component = components(Surface(surface.vertices, faces))
    sizes = np.bincount(component[np.unique(faces)])
    if len(sizes) > 1 and sizes[1] > MAX_ISLAND * sizes[0]:
        raise ValueError(
            f"{name}: the mask has separate components of {sizes[0]:,} and {sizes[1]:,} vertices, and no path along "
            "the surface connects them; keep one of them, or write metric: euclidean"
        )
    return faces[component[faces[:, 0]] == 0], float(sizes[1:].sum() / sizes.sum())


def _check_connected(surface: Surface, faces: NDArray[np.int64], units: NDArray[np.int64], name: str) -> None:
    component = components(Surface(surface.vertices, faces))[units]
    if len(np.unique(component)) > 1:
        unreached = int((component != np.bincount(component).argmax()).sum())
        raise ValueError(
            f"{name} has separate components: no path along the surface reaches {unreached} of {len(units)} units. "
            "Keep one component (trimesh.Trimesh.split), close the gap, or write metric: euclidean"
        )


@lru_cache(maxsize=1)
def code_digest(folder: Path = Path(__file__).parent) -> str:
    """Return a hash of the code that computes surfaces and distances, so that results of other code are not reused."""
    files = sorted(folder.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


class OnSurface(Geometry):
    """Units on a surface; positions and distances are computed once and cached on disk.

    Subclasses define `_compute`, which returns the results, and `_key`, everything that the results depend on. Their
    fields include `n`, `metric`, `placement`, `seed` and, for one unit in each parcel, `labels` and `names`.
    """

    length_unit: ClassVar[str] = "mm"

    n: int  # fields of the subclasses, each with its own order
    metric: Metric
    placement: Placement
    seed: int
    labels: str | tuple[str, str] | None = None
    names: str | None = None

    def __post_init__(self) -> None:
        if self.names is not None and self.labels is None:
            raise ValueError("names is only used together with labels: write labels, or leave names out")
        if not isinstance(self.n, numbers.Integral):
            raise ValueError(f"n must be a whole number, not {self.n!r}")
        require_at_least("n", self.n, 2)
        if self.metric not in ("geodesic", "euclidean"):
            raise ValueError(f"metric must be geodesic or euclidean, not {self.metric!r}")
        if self.placement not in ("farthest", "poisson_disk"):
            raise ValueError(f"placement must be farthest or poisson_disk, not {self.placement!r}")

    @property
    def n_units(self) -> int:
        """Number of units: `n`, or the number of parcels."""
        return self.n if self.labels is None else len(self.positions())

    @abstractmethod
    def _key(self) -> dict[str, Any]:
        """Return everything that `_compute` depends on as plain data, including the hashes of files."""

    @abstractmethod
    def _compute(self) -> PlacedUnits:
        """Place the units and compute their distances."""

    def _place(
        self, surface: Surface, name: str, n: int, labels: Path | None = None, mask: Path | None = None
    ) -> PlacedUnits:
        """Place `n` units on a surface, or one in each parcel of a file of labels, and compute their distances.

        Units and paths avoid the vertices outside the mask and, with geodesic distances, small islands of the mask.
        Messages contain the name.
        """
        mesh, lookup = clean(*surface, name), Path(self.names) if self.names else None
        parcels = read_parcels(labels, surface.vertices, lookup) if labels else None
        wanted = read_mask(mask, surface.vertices) if mask else None
        surface, new_index = mesh.surface, mesh.new_index
        count = len(surface.vertices)
        allowed = np.ones(count, dtype=bool)
        if wanted is not None:
            allowed[:] = False
            allowed[new_index[wanted & (new_index >= 0)]] = True
        faces = surface.faces[allowed[surface.faces].all(axis=1)]
        if not len(faces):
            raise ValueError(f"{name}: no triangle has all three vertices in the mask")
        facts = {}
        if wanted is not None and self.metric == "geodesic":
            faces, facts["islands"] = _without_islands(surface, faces, name)
        lines = straight_lines(surface.vertices, faces)
        candidates = np.unique(faces)
        names: tuple[str, ...] = ()
        if parcels is not None:
            parcel = np.zeros(count, dtype=np.int64)
            parcel[new_index[new_index >= 0]] = parcels.labels[new_index >= 0]
            parcel[np.setdiff1d(np.arange(count), candidates)] = 0
            present = Parcels(parcel, parcels.names).present
            if len(present) < 2:
                raise ValueError(
                    f"{name}: the labels define {len(present)} parcel(s) on the surface; expected two or more"
                )
            units = parcel_medoids(surface.vertices, parcel, present)
            names = make_distinct(parcels.names.get(label, str(label)) for label in present.tolist())
        elif n > len(candidates):
            raise ValueError(f"{name} has only {len(candidates):,} vertices for n={n} units; write a smaller n")
        elif n == len(candidates):
            units = candidates
        else:
            units = candidates[self._choose(lines[candidates][:, candidates], surface.vertices[candidates], n)]
        if self.metric == "euclidean":
            distances = cdist(surface.vertices[units], surface.vertices[units])
        else:
            _check_connected(surface, faces, units, name)
            distances = lengths_between(lines, units)
        return PlacedUnits(surface, units, distances, names, facts)

    def _choose(self, lines: Any, vertices: FloatArray, n: int) -> NDArray[np.int64]:
        if self.placement == "poisson_disk":
            return poisson_disk(lines, n, np.random.default_rng(self.seed))
        # start at the vertex farthest from the centre, which does not depend on the numbering
        return farthest_points(lines, n, int(np.argmax(np.linalg.norm(vertices - vertices.mean(axis=0), axis=1))))

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        kind = type(self).__name__.lower()
        arrays = cached(kind, {"kind": kind, "code": code_digest(), **self._key()}, lambda: self._compute().arrays())
        for array in arrays.values():
            array.setflags(write=False)  # all callers share these arrays
        return arrays

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields only; cached values are recomputed."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def positions(self) -> FloatArray:
        """Return the positions of the units, ``(unit, 3)``, in `length_unit`."""
        return self._arrays["positions"]

    def distances(self) -> FloatArray:
        """Return the distances between units ``(pre, post)`` in `length_unit`."""
        return self._arrays["distances"]

    def surface(self) -> Surface:
        """Return the surface: ``vertices`` ``(vertex, 3)`` in `length_unit` and ``faces`` ``(face, 3)``."""
        return Surface(self._arrays["vertices"], self._arrays["faces"])

    def unit_names(self) -> tuple[str, ...] | None:
        names = self._arrays.get("names")
        return None if names is None else tuple(names.tolist())

    def parts(self) -> NDArray[np.int64] | None:
        """Return the hemisphere of each unit, ``(unit,)``: 0 is left and 1 right; None unless there are both."""
        return self._arrays.get("parts")

    def sphere(self) -> FloatArray | None:
        return self._arrays.get("sphere")

    def facts(self) -> dict[str, str]:
        """Return by label which percentages of the mask were removed and of the distances shortened."""
        fractions: dict[str, float] = json.loads(str(self._arrays["facts"])) if "facts" in self._arrays else {}
        return {FACTS[key][0]: f"{100 * fraction:.1f} % {FACTS[key][1]}" for key, fraction in fractions.items()}
