"""Base class of the geometries with Euclidean distances."""

from __future__ import annotations

from scipy.spatial.distance import cdist

from spatialnets.aliases import FloatArray
from spatialnets.protocols import Geometry

__all__ = ["Euclidean"]


class Euclidean(Geometry):
    """Units between which distances are those of straight lines; subclasses define `positions`."""

    def distances(self) -> FloatArray:
        """Return the Euclidean distances between units, ``(pre, post)``, in `length_unit`."""
        positions = self.positions()
        return cdist(positions, positions)
