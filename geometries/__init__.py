"""Where units live: the paper's grid, a sphere, any points."""

from spatialnets.geometries.grid import Grid
from spatialnets.geometries.points import Points
from spatialnets.geometries.sphere import Sphere

__all__ = ["Grid", "Points", "Sphere"]
