"""Units on any triangle mesh."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.cache import content_of
from spatialnets.geometries.anatomy.surfaces import Cleaned, clean, read_surface
from spatialnets.geometries.anatomy.vertex_data import read_mask, read_parcels
from spatialnets.geometries.on_surface import Metric, OnSurface, Placement, check_words, place
from spatialnets.protocols import Surface

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Mesh"]

Arrays = tuple[tuple[tuple[float, ...], ...], tuple[tuple[int, ...], ...]]


@dataclass(frozen=True)
class Mesh(OnSurface):
    """Units on a triangle mesh, as far apart as along it.

    Lengths are those of the shortest ways that go straight across triangles and bend at vertices: on cortex 0.03 %
    longer than exact geodesics in the mean, and a metric (see
    `spatialnets.geometries.anatomy.surface_lengths.surface_lengths`). They are kept on disk by the file's
    content, and reading them again takes a moment.

    Parameters
    ----------
    source
        A file: GIFTI (``.gii``, ``.gii.gz``), a FreeSurfer surface such as ``lh.pial``, or ``.ply``, ``.obj``,
        ``.stl``, ``.off``. Or a `Surface`, or a pair of arrays, vertices
        ``(vertex, 3)`` and faces ``(face, 3)``; a run keeps arrays in its ``experiment.yaml`` number by number, so
        large meshes are better saved to a file. Taken to be in mm.
    n
        How many units, where there are no `labels`.
    metric
        ``"geodesic"``, along the surface; or ``"euclidean"``, straight through space.
    placement
        ``"farthest"``: each unit at the vertex that is farthest from those before. ``"poisson_disk"``: at random, but
        none closer to another than a radius that leaves room for just `n`.
    seed
        Of the random placement.
    labels
        A file with the parcel of each vertex: GIFTI labels, FreeSurfer ``.annot``, a labelled NIfTI volume in the same
        space, or text. There is then one unit in each parcel, at the vertex nearest to its mean, and it has its name.
    names
        A table with the name of each label (columns index and name, or as ``FreeSurferColorLUT.txt``), for labels that
        have none.
    mask
        A file that says which vertices may be used: FreeSurfer ``.label``, GIFTI, text, ``.npy``, or a NIfTI volume in
        the same space. Units and ways keep off the others, such as the medial wall, and off small islands.

    Raises
    ------
    ValueError
        If a file is not there or cannot be read, faces name vertices that are not there, coordinates are not finite, or
        there are fewer vertices than units; and, once lengths are asked for, if units lie on separate parts.

    References
    ----------
    Mitchell, Mount & Papadimitriou (1987), doi:10.1137/0216045; Gonzalez (1985), doi:10.1016/0304-3975(85)90224-5.

    Examples
    --------
    >>> tetrahedron = Surface(np.array([[0.0, 0, 0], [2, 0, 0], [0, 2, 0], [0, 0, 2]]),
    ...                       np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]]))
    >>> mesh = Mesh(tetrahedron, n=4)
    >>> mesh.distances().max().round(3)
    np.float64(2.828)
    """

    references: ClassVar[tuple[str, ...]] = ("mitchell1987", "gonzalez1985")

    source: str | Arrays = field(repr=False)
    n: int = 100
    metric: Metric = "geodesic"
    placement: Placement = "farthest"
    seed: int = 0
    labels: str | None = None
    mask: str | None = None
    names: str | None = None

    def __post_init__(self) -> None:
        given: object = self.source
        if isinstance(given, (str, Path)):
            object.__setattr__(self, "source", str(given))
            if not Path(given).is_file():
                raise ValueError(f"there is no file {given}")
        else:
            object.__setattr__(self, "source", _plain(given))  # type: ignore[arg-type]
        for name in ("labels", "mask", "names"):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, str(value))
                if not Path(value).is_file():
                    raise ValueError(f"{name}: there is no file {value}")
        if self.names is not None and self.labels is None:
            raise ValueError("names are those of labels, and there are no labels")
        check_words(self.n, self.metric, self.placement)

    def __repr__(self) -> str:
        source = repr(self.source) if isinstance(self.source, str) else f"<{len(self.source[0])} vertices>"
        units = f"n={self.n}" if self.labels is None else f"labels={self.labels!r}"
        return f"Mesh({source}, {units}, metric={self.metric!r})"

    @property
    def n_units(self) -> int:
        """How many units live here."""
        return self.n if self.labels is None else len(self.positions())

    def _name(self) -> str:
        return self.source if isinstance(self.source, str) else "the mesh"

    def _key(self) -> dict[str, Any]:
        return {
            "source": content_of(self.source) if isinstance(self.source, str) else self.source,
            "units": [self.n, self.placement, self.seed] if self.labels is None else content_of(self.labels),
            "names": content_of(self.names) if self.names else None,
            "mask": content_of(self.mask) if self.mask else None,
            "metric": self.metric,
        }

    def _compute(self) -> dict[str, NDArray[Any]]:
        if isinstance(self.source, str):
            vertices, faces = read_surface(Path(self.source))
        else:
            vertices, faces = np.array(self.source[0], dtype=np.float64), np.array(self.source[1], dtype=np.int64)
        cleaned: Cleaned = clean(vertices, faces, self._name())
        placed = place(
            cleaned,
            self.n,
            self.metric,
            self.placement,
            self.seed,
            self._name(),
            read_parcels(Path(self.labels), vertices, Path(self.names) if self.names else None)
            if self.labels
            else None,
            read_mask(Path(self.mask), vertices) if self.mask else None,
        )
        return {
            "vertices": placed.surface.vertices,
            "faces": placed.surface.faces,
            "positions": placed.positions,
            "distances": placed.distances,
            **({"names": np.array(placed.names)} if placed.names else {}),
            **({"facts": np.array(json.dumps(placed.facts))} if placed.facts else {}),
        }


def _plain(source: Surface | Sequence[Any]) -> Arrays:
    """Return vertices and faces as plain numbers, so that the geometry is a value."""
    import trimesh

    if isinstance(source, trimesh.Trimesh):
        source = (source.vertices, source.faces)
    try:
        vertices, faces = (np.asarray(part) for part in source)
    except (TypeError, ValueError) as error:
        raise ValueError(f"source must be a file, a Surface, or vertices and faces: {error}") from error
    clean(vertices, faces)  # refuses what is no mesh; numbering stays as it is, for labels and masks
    return tuple(map(tuple, vertices.astype(np.float64).tolist())), tuple(map(tuple, faces.tolist()))
