"""One geometry: what it measures, a picture, and a page to turn it around."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spatialnets.files.atomic import write_text
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import FloatArray, Geometry
from spatialnets.report.figures import PALETTE, Picture, style
from spatialnets.report.html import plotly_script, template
from spatialnets.report.space import draw, in_three_dimensions, scene, scene_html, views

__all__ = ["metric_checks", "portrait", "table_of_facts", "write_geometry_page"]

TRIPLES = 10**5
ROUNDING = 1e-9  # relative to the longest distance


def table_of_facts(geometry: Geometry, stored: StoredGeometry) -> list[tuple[str, str]]:
    """Return what is worth knowing of a geometry: rows of a name and a value.

    Parameters
    ----------
    geometry
        The part.
    stored
        What it said of its units, as `spatialnets.runs.folder.stored` gives it.
    """
    unit, distances = stored.length_unit, stored.distances
    apart = ~np.eye(len(distances), dtype=bool)
    nearest = _nearest(distances)
    rows = [
        ("geometry", repr(geometry)),
        ("units", f"{len(distances):,}" + (f" in {len(np.unique(stored.parts))} parts" if len(stored.parts) else "")),
    ]
    if len(stored.names):
        some = ", ".join(stored.names[:4])
        rows.append(("names", some + (", …" if len(stored.names) > 4 else "")))
    rows += [
        (
            "nearest neighbour",
            f"{nearest.mean():.3g} {unit} in the mean ({nearest.min():.3g} to {nearest.max():.3g}), "
            f"coefficient of variation {nearest.std() / nearest.mean():.2f}",
        ),
        ("mean distance", f"{distances[apart].mean():.4g} {unit}"),
        ("longest distance", f"{distances.max():.4g} {unit}"),
        (
            "in a penalty",
            f"{1 / stored.steps_per_unit:.4g} {unit} count as one step of the paper's grid "
            f"(rescale: {geometry.rescale})",
        ),
    ]
    if len(stored.faces):
        rows.append(("surface", _surface_words(stored)))
    return [*rows, *geometry.facts().items(), *metric_checks(stored).items()]


def metric_checks(stored: StoredGeometry) -> dict[str, str]:
    """Check that distances are a metric; return an answer to each question, ``"yes"`` or what is wrong."""
    distances = stored.distances
    slack = ROUNDING * distances.max()
    one, middle, other = np.random.default_rng(0).integers(0, len(distances), size=(3, TRIPLES))
    longer = float((distances[one, other] - distances[one, middle] - distances[middle, other]).max())
    off = float(np.abs(distances - distances.T).max())
    answers = {
        "as far there as back": "yes" if off <= slack else f"no, {off:.3g} {stored.length_unit} apart",
        "no detour is shorter": f"yes, in {TRIPLES:,} random triples"
        if longer <= slack
        else f"no, one by {longer:.3g} {stored.length_unit}",
    }
    if len(stored.faces):
        points = in_three_dimensions(stored.positions)
        below = float((np.linalg.norm(points[one] - points[other], axis=1) - distances[one, other]).max())
        answers["never below a straight line"] = "yes" if below <= slack else f"no, by {below:.3g} {stored.length_unit}"
    return answers


def _nearest(distances: FloatArray) -> FloatArray:
    between = distances + np.where(np.eye(len(distances), dtype=bool), np.inf, 0)
    return np.asarray(between.min(axis=1))


def _surface_words(stored: StoredGeometry) -> str:
    corners = stored.vertices[stored.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = 0.5 * np.linalg.norm(normal, axis=1).sum()
    ends = np.sort(stored.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(ends, axis=0, return_counts=True)
    euler = len(stored.vertices) - len(edges) + len(stored.faces)
    closed = (
        "closed" if (count == 2).all() else f"with {int((count != 2).sum()):,} edges that are not between two faces"
    )
    size = f"{area / 100:,.0f} cm²" if stored.length_unit == "mm" else f"{area:,.3g} {stored.length_unit}²"
    return f"{len(stored.vertices):,} vertices, {len(stored.faces):,} faces, {size}, {closed}, Euler number {euler}"


def portrait(stored: StoredGeometry, name: str) -> Picture:
    """Draw where units live, and how far apart they are."""
    looks, unit, distances = views(stored), stored.length_unit, stored.distances
    apart = distances[np.triu_indices(len(distances), 1)]
    nearest = _nearest(distances)
    with style():
        figure = Figure(figsize=(3.6 * (len(looks) + 1) + 0.6, 3.6))
        places = figure.add_gridspec(1, len(looks) + 1, width_ratios=[1] * len(looks) + [0.85])
        for place, view in enumerate(looks):
            axis = figure.add_subplot(places[place], projection="3d")
            draw(axis, stored, view, PALETTE[1], 22.0)
            axis.set_title(view.name)
        axis = figure.add_subplot(places[len(looks)])
        bins = np.linspace(0, distances.max(), 31).tolist()
        axis.hist(apart, bins=bins, color=PALETTE[0], label="all pairs", weights=np.full(len(apart), 1 / len(apart)))
        axis.hist(
            nearest, bins=bins, histtype="step", color=PALETTE[1], linewidth=1.5, label="nearest neighbours",
            weights=np.full(len(nearest), 1 / len(nearest)),
        )  # fmt: skip
        axis.yaxis.set_major_formatter(mpl.ticker.PercentFormatter(1.0, decimals=0))
        axis.set(xlabel=f"Distance ({unit})", ylabel="Share", title="How far apart")
        axis.legend(fontsize=8)
    points = in_three_dimensions(stored.positions)
    values = pd.DataFrame(
        {
            "unit": np.arange(len(points)),
            **({"name": stored.names} if len(stored.names) else {}),
            **({"part": stored.parts} if len(stored.parts) else {}),
            **{f"{axis}_{unit}": points[:, place] for place, axis in enumerate("xyz")},
            f"nearest_{unit}": nearest,
            f"mean_distance_{unit}": distances.sum(axis=1) / (len(points) - 1),
        }
    )
    caption = f"{len(points):,} units; those behind the surface are not drawn." if len(stored.faces) else ""
    return Picture("geometry", name, caption, figure, values)


def write_geometry_page(geometry: Geometry, stored: StoredGeometry, name: str, folder: Path) -> Mapping[str, Path]:
    """Write ``geometry.png`` (also as SVG, and the units as CSV) and ``geometry.html``, a page to turn it around.

    Parameters
    ----------
    geometry, stored
        As in `table_of_facts`.
    name
        A heading.
    folder
        Where files go; it is made if need be.
    """
    picture = portrait(stored, name)
    picture.save(folder)
    page: dict[str, Any] = {
        "name": name,
        "facts": table_of_facts(geometry, stored),
        "scene": scene_html(scene(stored)),
        "plotly": plotly_script(),
        "picture": picture.embedded(),
    }
    write_text(folder / "geometry.html", template("geometry.html").render(page))
    return {"picture": folder / "geometry.png", "page": folder / "geometry.html"}
