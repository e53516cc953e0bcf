"""What every geometry promises."""

from __future__ import annotations

import pickle

import numpy as np

from spatialnets.protocols import Geometry

__all__ = ["check_geometry"]

ROUNDING = 1e-9  # relative to the longest distance; float64 sums of squares are good to 1e-15


def check_geometry(geometry: Geometry) -> None:
    """Check that a geometry keeps its promises.

    Distances are a metric (finite, symmetric, zero from a unit to itself and positive otherwise, never longer than a
    detour), fit the positions, and are the same whenever they are asked for; the geometry is a value (hashable,
    equal to its copy).

    Parameters
    ----------
    geometry
        Any geometry; with some hundred units the check takes a moment.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

    Examples
    --------
    >>> from spatialnets.geometries import Grid
    >>> check_geometry(Grid())
    """
    name = type(geometry).__name__
    positions, distances = geometry.positions(), geometry.distances()
    n_units = geometry.n_units
    assert positions.ndim == 2, f"{name}.positions() must be (unit, d), not {positions.shape}"
    assert len(positions) == n_units, f"{name} has {len(positions)} positions for {n_units} units"
    assert distances.shape == (n_units, n_units), f"{name}.distances() must be {(n_units, n_units)}"
    for what, values in (("positions", positions), ("distances", distances)):
        assert values.dtype == np.float64, f"{name}.{what}() must be float64, not {values.dtype}"
        assert np.isfinite(values).all(), f"{name}.{what}() must be finite"
    rounding = ROUNDING * distances.max()
    assert np.abs(distances - distances.T).max() <= rounding, f"{name}: as far there as back"
    assert (np.diagonal(distances) == 0).all(), f"{name}: a unit is at no distance from itself"
    apart = ~np.eye(n_units, dtype=bool)
    assert (distances[apart] > 0).all(), f"{name}: two units are never at the same place"
    for middle in range(n_units):
        detour = distances[:, middle, None] + distances[None, middle, :]
        assert (distances <= detour + rounding).all(), f"{name}: no detour (here by unit {middle}) is shorter"
    assert np.array_equal(geometry.positions(), positions), f"{name}.positions() must always be the same"
    assert np.array_equal(geometry.distances(), distances), f"{name}.distances() must always be the same"
    assert geometry.length_unit in ("step", "mm"), f"{name}.length_unit must be step or mm"
    copy = pickle.loads(pickle.dumps(geometry))
    assert copy == geometry, f"{name} must equal its copy: make it a frozen dataclass of plain values"
    assert hash(copy) == hash(geometry), f"{name} must have the hash of its copy"
