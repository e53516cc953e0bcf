"""What every geometry promises."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.protocols import PAPER_GRID, FloatArray, Geometry

__all__ = ["check_geometry"]

ROUNDING = 1e-9  # relative to the longest distance; float64 sums of squares are good to 1e-15


def check_geometry(geometry: Geometry) -> None:
    """Check that a geometry keeps its promises.

    Distances are a metric (finite, symmetric, zero from a unit to itself and positive otherwise, never longer than a
    detour), fit the positions, and are the same whenever they are asked for; along a surface they are never shorter
    than a straight line; `rescale` does what it says; names, parts and places on a sphere fit the units; the geometry
    is a value (hashable, equal to its copy).

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
    _check_rescale(geometry, distances)
    _check_surface(geometry, positions, distances)
    _check_units(geometry)
    copy = pickle.loads(pickle.dumps(geometry))
    assert copy == geometry, f"{name} must equal its copy: make it a frozen dataclass of plain values"
    assert hash(copy) == hash(geometry), f"{name} must have the hash of its copy"


def _check_rescale(geometry: Geometry, distances: FloatArray) -> None:
    name = type(geometry).__name__
    assert dataclasses.replace(geometry, rescale="none").steps_per_unit() == 1, f"{name}: rescale none changes nothing"
    between = distances[~np.eye(len(distances), dtype=bool)]
    for word, summary in (("mean", between.mean()), ("max", between.max())):
        rescaled = dataclasses.replace(geometry, rescale=word)  # type: ignore[arg-type]
        steps = rescaled.steps_per_unit() * summary
        assert abs(steps - PAPER_GRID[word]) <= ROUNDING * steps, f"{name}: rescale {word} is that of the paper's grid"
        assert np.array_equal(rescaled.distances(), distances), f"{name}: rescale leaves distances() alone"


def _check_surface(geometry: Geometry, positions: FloatArray, distances: FloatArray) -> None:
    name, surface = type(geometry).__name__, geometry.surface()
    if surface is None:
        return
    vertices, faces = surface
    assert vertices.dtype == np.float64, f"{name}.surface().vertices must be float64, not {vertices.dtype}"
    assert vertices.ndim == 2, f"{name}.surface().vertices must be (vertex, 3)"
    assert vertices.shape[1] == 3, f"{name}.surface().vertices must be (vertex, 3)"
    assert np.isfinite(vertices).all(), f"{name}.surface().vertices must be finite"
    assert faces.dtype == np.int64, f"{name}.surface().faces must be int64, not {faces.dtype}"
    assert faces.ndim == 2, f"{name}.surface().faces must be (face, 3)"
    assert faces.shape[1] == 3, f"{name}.surface().faces must be (face, 3)"
    assert faces.min() >= 0, f"{name}.surface().faces must be places of vertices"
    assert faces.max() < len(vertices), f"{name}.surface().faces must be places of vertices"
    straight = cdist(positions, positions)
    slack = ROUNDING * distances.max()
    assert (distances >= straight - slack).all(), f"{name}: no way along a surface is shorter than the straight line"


def _check_units(geometry: Geometry) -> None:
    name, n_units = type(geometry).__name__, geometry.n_units
    names, parts, sphere = geometry.unit_names(), geometry.parts(), geometry.sphere()
    if names is not None:
        assert len(names) == n_units, f"{name} has {len(names)} names for {n_units} units"
        assert len(set(names)) == n_units, f"{name}.unit_names() must differ from each other"
    if parts is not None:
        assert parts.shape == (n_units,), f"{name}.parts() must be (unit,), not {parts.shape}"
        assert parts.dtype == np.int64, f"{name}.parts() must be int64, not {parts.dtype}"
    if sphere is not None:
        assert sphere.shape == (n_units, 3), f"{name}.sphere() must be (unit, 3), not {sphere.shape}"
        assert (np.linalg.norm(sphere, axis=1) > 0).all(), f"{name}.sphere() has no unit at its centre"
