"""Describe a geometry: a table of properties, a figure, and a page with an interactive 3-D view."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spatialnets.aliases import FloatArray
from spatialnets.files.atomic import write_text
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Geometry
from spatialnets.report.figures import PALETTE, Picture, style
from spatialnets.report.html import plotly_script, template
from spatialnets.report.space import draw, face_normals, length, plural, positions_3d, scene, scene_html, views

__all__ = ["metric_checks", "portrait", "table_of_facts", "write_geometry_page"]

N_TRIPLES = 10**5
TOLERANCE = 1e-9  # for rounding errors, relative to the longest distance


def table_of_facts(geometry: Geometry, stored: StoredGeometry) -> list[tuple[str, str]]:
    """Return the properties of a geometry as rows of a name and a value.

    Parameters
    ----------
    geometry
        The geometry.
    stored
        Its positions and distances, from `StoredGeometry.of`.
    """
    unit, distances = stored.length_unit, stored.distances
    step = length(1 / stored.steps_per_unit, unit)
    apart = ~np.eye(len(distances), dtype=bool)
    nearest = _nearest_distances(distances)
    rows = [
        ("geometry", repr(geometry)),
        ("units", f"{len(distances):,}" + (f" in {len(np.unique(stored.parts))} areas" if len(stored.parts) else "")),
    ]
    if len(stored.names):
        rows.append(("names", ", ".join(stored.names[:4]) + (", …" if len(stored.names) > 4 else "")))
    rows += [
        (
            "nearest neighbour",
            f"{length(nearest.mean(), unit)} on average ({nearest.min():.3g} to {length(nearest.max(), unit)}, "
            f"coefficient of variation {nearest.std() / nearest.mean():.2f})",
        ),
        ("mean distance", length(distances[apart].mean(), unit, 4)),
        ("longest distance", length(distances.max(), unit, 4)),
        ("scale", f"{step} = 1 step of the paper's grid (rescale: {geometry.rescale})"),
    ]
    if len(stored.faces):
        rows.append(("surface", _surface_summary(stored)))
    return [*rows, *geometry.facts().items(), *metric_checks(stored).items()]


def metric_checks(stored: StoredGeometry) -> dict[str, str]:
    """Return the results of checks that distances are a metric, by the name of the property."""
    distances = stored.distances
    tolerance, unit = TOLERANCE * distances.max(), stored.length_unit
    one, middle, other = np.random.default_rng(0).integers(0, len(distances), size=(3, N_TRIPLES))
    excess = float((distances[one, other] - distances[one, middle] - distances[middle, other]).max())
    asymmetry = float(np.abs(distances - distances.T).max())
    outcome = "holds in" if excess <= tolerance else f"violated by up to {length(excess, unit)} among"
    results = {
        "symmetric": "yes" if asymmetry <= tolerance else f"no: directions differ by up to {length(asymmetry, unit)}",
        "triangle inequality": f"{outcome} {N_TRIPLES:,} random triples",
    }
    if len(stored.faces):
        points = positions_3d(stored.positions)
        deficit = float((np.linalg.norm(points[one] - points[other], axis=1) - distances[one, other]).max())
        shorter = f"no: shorter by up to {length(deficit, unit)}"
        results["never shorter than a straight line"] = "yes" if deficit <= tolerance else shorter
    return results


def _nearest_distances(distances: FloatArray) -> FloatArray:
    return np.asarray((distances + np.where(np.eye(len(distances), dtype=bool), np.inf, 0)).min(axis=1))


def _surface_summary(stored: StoredGeometry) -> str:
    area = 0.5 * np.linalg.norm(face_normals(stored), axis=1).sum()
    ends = np.sort(stored.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(ends, axis=0, return_counts=True)
    euler = len(stored.vertices) - len(edges) + len(stored.faces)
    n_open = int((count != 2).sum())
    closed = f"not closed ({n_open:,} edges that do not join exactly two faces)" if n_open else "closed"
    size = f"{area / 100:,.0f} cm²" if stored.length_unit == "mm" else f"{area:,.3g} {stored.length_unit}²"
    return f"{len(stored.vertices):,} vertices, {len(stored.faces):,} faces, {size}, {closed}, Euler number {euler}"


def portrait(stored: StoredGeometry, name: str) -> Picture:
    """Draw the units of a geometry in space and the distribution of their distances."""
    viewpoints, unit, distances = views(stored), stored.length_unit, stored.distances
    apart = distances[np.triu_indices(len(distances), 1)]
    nearest = _nearest_distances(distances)
    with style():
        figure = Figure(figsize=(3.6 * (len(viewpoints) + 1) + 0.6, 3.6))
        grid = figure.add_gridspec(1, len(viewpoints) + 1, width_ratios=[1] * len(viewpoints) + [0.85])
        for column, view in enumerate(viewpoints):
            axis = figure.add_subplot(grid[column], projection="3d")
            draw(axis, stored, view, PALETTE[1], 22.0)
            axis.set_title(view.name)
        axis = figure.add_subplot(grid[len(viewpoints)])
        bins = np.linspace(0, distances.max(), 31).tolist()
        axis.hist(apart, bins=bins, color=PALETTE[0], label="all pairs", weights=np.full(len(apart), 1 / len(apart)))
        axis.hist(
            nearest, bins=bins, histtype="step", color=PALETTE[1], linewidth=1.5, label="nearest neighbours",
            weights=np.full(len(nearest), 1 / len(nearest)),
        )  # fmt: skip
        axis.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
        axis.set(xlabel=f"Distance ({plural(unit)})", ylabel="Proportion", title="Distances between units")
        axis.legend(fontsize=8)
    points = positions_3d(stored.positions)
    values = pd.DataFrame(
        {
            "unit": np.arange(len(points)),
            **({"name": stored.names} if len(stored.names) else {}),
            **({"part": stored.parts} if len(stored.parts) else {}),
            **{f"{axis}_{unit}": points[:, column] for column, axis in enumerate("xyz")},
            f"nearest_{unit}": nearest,
            f"mean_distance_{unit}": distances.sum(axis=1) / (len(points) - 1),
        }
    )
    hidden = " (units behind the surface are hidden)" if len(stored.faces) else ""
    caption = f"The {len(points):,} units in space{hidden}, and the distribution of distances between them."
    return Picture("geometry", name, caption, figure, values)


def write_geometry_page(geometry: Geometry, stored: StoredGeometry, name: str, folder: Path) -> Mapping[str, Path]:
    """Write ``geometry.png`` (also as SVG, and the units as CSV) and ``geometry.html`` with an interactive 3-D view.

    Parameters
    ----------
    geometry, stored
        As in `table_of_facts`.
    name
        Heading of the page.
    folder
        Output folder; created if it does not exist.
    """
    picture = portrait(stored, name)
    picture.save(folder)
    page: dict[str, Any] = {
        "name": name,
        "facts": table_of_facts(geometry, stored),
        "scene": scene_html(scene(stored)),
        "plotly": plotly_script(),
        "picture": picture.embed(),
    }
    write_text(folder / "geometry.html", template("geometry.html").render(page))
    return {"picture": folder / "geometry.png", "page": folder / "geometry.html"}
