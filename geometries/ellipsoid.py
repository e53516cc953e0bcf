"""Units on an ellipsoid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets.geometries.anatomy.surfaces import clean
from spatialnets.geometries.on_surface import Metric, OnSurface, Placement, check_words, place

__all__ = ["Ellipsoid"]

SUBDIVISIONS = 5  # of an icosahedron: 10,242 vertices


@dataclass(frozen=True)
class Ellipsoid(OnSurface):
    """Units on an ellipsoid, as far apart as along it.

    Measured on a mesh: an icosahedron subdivided five times, its 10,242 vertices on the ellipsoid. With equal axes
    lengths are within 0.5 % of those on the smooth surface, and 0.1 % in the mean; the longer an axis, the coarser the
    mesh along it.

    Parameters
    ----------
    semi_axes
        Half the lengths along x, y and z, in steps.
    n
        How many units.
    metric
        ``"geodesic"``, along the surface; or ``"euclidean"``, straight through space.
    placement
        ``"farthest"`` or ``"poisson_disk"``, as in `Mesh`.
    seed
        Of the random placement.

    Raises
    ------
    ValueError
        If there are fewer than two units, or a semi-axis is not positive.

    References
    ----------
    Mitchell, Mount & Papadimitriou (1987), doi:10.1137/0216045; Gonzalez (1985), doi:10.1016/0304-3975(85)90224-5.

    Examples
    --------
    >>> egg = Ellipsoid(semi_axes=(1.0, 1.0, 1.5), n=20)
    >>> egg.positions().shape
    (20, 3)
    """

    length_unit: ClassVar[str] = "step"
    references: ClassVar[tuple[str, ...]] = ("mitchell1987", "gonzalez1985")

    semi_axes: tuple[float, float, float] = (3.0, 2.0, 2.0)
    n: int = 100
    metric: Metric = "geodesic"
    placement: Placement = "farthest"
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "semi_axes", tuple(float(length) for length in self.semi_axes))
        if len(self.semi_axes) != 3 or not all(math.isfinite(length) and length > 0 for length in self.semi_axes):
            raise ValueError(f"semi_axes must be three finite, positive lengths, not {list(self.semi_axes)}")
        check_words(self.n, self.metric, self.placement)

    @property
    def n_units(self) -> int:
        """How many units live here."""
        return self.n

    def _key(self) -> dict[str, Any]:
        return {"semi_axes": self.semi_axes, "units": [self.n, self.placement, self.seed], "metric": self.metric}

    def _compute(self) -> dict[str, NDArray[Any]]:
        import trimesh

        ball = trimesh.creation.icosphere(subdivisions=SUBDIVISIONS)
        cleaned = clean(np.asarray(ball.vertices) * np.array(self.semi_axes), np.asarray(ball.faces), "the ellipsoid")
        placed = place(cleaned, self.n, self.metric, self.placement, self.seed, "the ellipsoid")
        return {
            "vertices": placed.surface.vertices,
            "faces": placed.surface.faces,
            "positions": placed.positions,
            "distances": placed.distances,
        }
