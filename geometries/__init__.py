"""Built-in geometries: the positions of units and the distances between them."""

from spatialnets.geometries.connectome import Connectome
from spatialnets.geometries.cortex import Cortex
from spatialnets.geometries.ellipsoid import Ellipsoid
from spatialnets.geometries.grid import Grid
from spatialnets.geometries.learnable import Learnable
from spatialnets.geometries.mesh import Mesh
from spatialnets.geometries.parcellation import Parcellation
from spatialnets.geometries.points import Points
from spatialnets.geometries.random_box import RandomBox
from spatialnets.geometries.ring import Ring
from spatialnets.geometries.sheet import Sheet
from spatialnets.geometries.sphere import Sphere
from spatialnets.geometries.torus import Torus
from spatialnets.geometries.union import Union
from spatialnets.geometries.with_ends import WithEnds

__all__ = [
    "Connectome",
    "Cortex",
    "Ellipsoid",
    "Grid",
    "Learnable",
    "Mesh",
    "Parcellation",
    "Points",
    "RandomBox",
    "Ring",
    "Sheet",
    "Sphere",
    "Torus",
    "Union",
    "WithEnds",
]
