"""The contract of geometries."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.aliases import FloatArray
from spatialnets.paper import PAPER_GRID_DISTANCES
from spatialnets.protocols import Geometry

__all__ = ["check_geometry"]

ROUNDING = 1e-9  # relative to the longest distance; float64 sums of squares are accurate to 1e-15


def check_geometry(geometry: Geometry) -> None:
    """Check that a geometry satisfies its contract.

    - Distances are a metric: finite, symmetric, zero from a unit to itself and positive otherwise, and satisfying the
      triangle inequality.
    - Repeated calls return equal positions and distances.
    - Distances along a surface are not shorter than the straight line.
    - `rescale` changes the scale of penalties, but not the distances.
    - Names, areas and positions on a sphere have one entry for each unit.
    - The geometry is hashable and equal to its copy.

    Parameters
    ----------
    geometry
        Any geometry; with several hundred units the check takes a few seconds.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

    Examples
    --------
    >>> from spatialnets.geometries import Grid
    >>> check_geometry(Grid())
    """
    name = type(geometry).__name__
    positions, distances = geometry.positions(), geometry.distances()
    n_units = geometry.n_units
    assert positions.ndim == 2, f"{name}.positions() must have shape (unit, d), not {positions.shape}"
    assert len(positions) == n_units, f"{name} has {len(positions)} positions for {n_units} units"
    expected = (n_units, n_units)
    assert distances.shape == expected, f"{name}.distances() must have shape {expected}, not {distances.shape}"
    for what, values in (("positions", positions), ("distances", distances)):
        assert values.dtype == np.float64, f"{name}.{what}() must be float64, not {values.dtype}"
        assert np.isfinite(values).all(), f"{name}.{what}() must be finite"
    rounding = ROUNDING * distances.max()
    assert np.abs(distances - distances.T).max() <= rounding, f"{name}.distances() must be symmetric"
    assert (np.diagonal(distances) == 0).all(), f"{name}.distances() must be 0 on the diagonal"
    apart = ~np.eye(n_units, dtype=bool)
    assert (distances[apart] > 0).all(), f"{name}.distances() must be positive between different units"
    for middle in range(n_units):
        detour = distances[:, middle, None] + distances[None, middle, :]
        assert (distances <= detour + rounding).all(), (
            f"{name}.distances() violates the triangle inequality: a detour via unit {middle} is shorter"
        )
    assert np.array_equal(geometry.positions(), positions), f"{name}.positions() must return the same values every time"
    assert np.array_equal(geometry.distances(), distances), f"{name}.distances() must return the same values every time"
    assert geometry.length_unit in ("step", "mm"), f"{name}.length_unit must be step or mm"
    _check_rescale(geometry, distances)
    _check_surface(geometry, positions, distances)
    _check_units(geometry)
    copy = pickle.loads(pickle.dumps(geometry))
    assert copy == geometry, f"{name} must equal its copy: make it a frozen dataclass of plain values"
    assert hash(copy) == hash(geometry), f"{name} must have the same hash as its copy"


def _check_rescale(geometry: Geometry, distances: FloatArray) -> None:
    name = type(geometry).__name__
    unscaled = dataclasses.replace(geometry, rescale="none")
    assert unscaled.steps_per_unit() == 1, f"{name}: with rescale=none one unit of length must be one step"
    between = distances[~np.eye(len(distances), dtype=bool)]
    for word, summary in (("mean", between.mean()), ("max", between.max())):
        rescaled = dataclasses.replace(geometry, rescale=word)  # type: ignore[arg-type]
        steps = rescaled.steps_per_unit() * summary
        assert abs(steps - PAPER_GRID_DISTANCES[word]) <= ROUNDING * steps, (
            f"{name}: with rescale={word} the {word} distance must equal that of the paper's grid"
        )
        assert np.array_equal(rescaled.distances(), distances), f"{name}: rescale must not change distances()"


def _check_surface(geometry: Geometry, positions: FloatArray, distances: FloatArray) -> None:
    name, surface = type(geometry).__name__, geometry.surface()
    if surface is None:
        return
    vertices, faces = surface
    assert vertices.dtype == np.float64, f"{name}.surface().vertices must be float64, not {vertices.dtype}"
    assert vertices.shape[1:] == (3,), f"{name}.surface().vertices must have shape (vertex, 3), not {vertices.shape}"
    assert np.isfinite(vertices).all(), f"{name}.surface().vertices must be finite"
    assert faces.dtype == np.int64, f"{name}.surface().faces must be int64, not {faces.dtype}"
    assert faces.shape[1:] == (3,), f"{name}.surface().faces must have shape (face, 3), not {faces.shape}"
    assert 0 <= faces.min() <= faces.max() < len(vertices), f"{name}.surface().faces must be indices of vertices"
    straight = cdist(positions, positions)
    slack = ROUNDING * distances.max()
    assert (distances >= straight - slack).all(), f"{name}: paths along a surface must not be shorter than lines"


def _check_units(geometry: Geometry) -> None:
    name, n_units = type(geometry).__name__, geometry.n_units
    names, parts, sphere = geometry.unit_names(), geometry.parts(), geometry.sphere()
    if names is not None:
        assert len(names) == n_units, f"{name} has {len(names)} names for {n_units} units"
        assert len(set(names)) == n_units, f"{name}.unit_names() must be unique"
    if parts is not None:
        assert parts.shape == (n_units,), f"{name}.parts() must have shape (unit,), not {parts.shape}"
        assert parts.dtype == np.int64, f"{name}.parts() must be int64, not {parts.dtype}"
    if sphere is not None:
        assert sphere.shape == (n_units, 3), f"{name}.sphere() must have shape (unit, 3), not {sphere.shape}"
        assert (np.linalg.norm(sphere, axis=1) > 0).all(), f"{name}.sphere() must not contain the origin"
