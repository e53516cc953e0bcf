"""Draw units, connections and surfaces in space: static figures and interactive 3-D views."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.networks.stored_geometry import StoredGeometry

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = [
    "Connections",
    "View",
    "draw",
    "face_normals",
    "length",
    "plural",
    "positions_3d",
    "scene",
    "scene_html",
    "views",
]

SURFACE_COLOR = (0.78, 0.77, 0.75)
SCENE_HEIGHT = 520  # pixels
NARROW_DISTANCE = 1.35  # factor on the camera distance in a scene of half the page's width


@dataclass(frozen=True)
class View:
    """A named viewpoint: elevation and azimuth in degrees."""

    elevation: float
    azimuth: float
    name: str

    @property
    def direction(self) -> FloatArray:
        """Unit vector from the scene towards the viewer, ``(3,)``."""
        elevation, azimuth = np.radians([self.elevation, self.azimuth])
        across = np.cos(elevation)
        return np.array([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)])


@dataclass(frozen=True)
class Connections:
    """Connections of a network to draw; stronger connections are thicker and darker.

    Parameters
    ----------
    pre, post
        Indices of source and target units, ``(connection,)``.
    weights
        Weight magnitudes, ``(connection,)``.
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weights: FloatArray


def positions_3d(positions: FloatArray) -> FloatArray:
    """Return positions as ``(unit, 3)``: missing axes are zero, axes beyond the third are dropped."""
    points = np.zeros((len(positions), 3))
    columns = min(positions.shape[1], 3)
    points[:, :columns] = positions[:, :columns]
    return points


def length(value: float, unit: str, digits: int = 3) -> str:
    """Format a length with its unit.

    Examples
    --------
    >>> length(1.0, "step"), length(3.058, "step"), length(1234.5, "mm")
    ('1 step', '3.06 steps', '1,230 mm')
    """
    number = f"{float(f'{value:.{digits}g}'):,g}"
    return f"{number} {unit if number == '1' else plural(unit)}"


def plural(unit: str) -> str:
    """Return the plural of a unit of length: ``"steps"``, but ``"mm"``."""
    return "steps" if unit == "step" else unit


def views(geometry: StoredGeometry) -> list[View]:
    """Return the viewpoints for a geometry: a hemisphere from both sides, two hemispheres also from above."""
    points = positions_3d(geometry.positions)
    if not np.ptp(points[:, 2]):
        return [View(90, -90, "from above")]  # flat geometries
    if _has_axes(geometry):
        return [View(18, -60, "")]
    if len(np.unique(geometry.parts)) > 1:
        return [View(0, 180, "from the left"), View(0, 0, "from the right"), View(90, -90, "from above")]
    left = points[:, 0].mean() <= 0
    outside, inside = View(0, 180, "from the left"), View(0, 0, "from the right")
    return [outside, inside] if left else [inside, outside]


# Static figures


def draw(
    axis: Any,
    geometry: StoredGeometry,
    view: View,
    color: Any,
    sizes: FloatArray | float = 14.0,
    connections: Connections | None = None,
) -> None:
    """Draw units, and their surface if there is one, into a Matplotlib 3-D axis.

    Units behind the surface are hidden. If connections are drawn, all units are visible.

    Parameters
    ----------
    axis
        Matplotlib 3-D axis.
    geometry
        Geometry of the units.
    view
        Viewpoint.
    color
        Colour of units and connections.
    sizes
        Marker areas in points squared, ``(unit,)`` or one value for all units.
    connections
        Connections between units.
    """
    points = positions_3d(geometry.positions)
    shown = np.ones(len(points), dtype=bool)
    if len(geometry.faces):
        axis.add_collection3d(_surface_mesh(geometry, view, 0.5 if connections is None else 0.15), autolim=False)
        if connections is None:
            shown = ~_behind_surface(points, geometry, view)
    if connections is not None and len(connections.weights):
        relative = connections.weights / max(connections.weights.max(), 1e-30)
        lines = np.stack([points[connections.pre], points[connections.post]], axis=1)
        colors = [(*mpl.colors.to_rgb(color), 0.1 + 0.7 * value**2) for value in relative]
        axis.add_collection3d(
            Line3DCollection(lines, colors=colors, linewidths=0.4 + 2.4 * relative, zorder=3), autolim=False
        )
    sizes = np.broadcast_to(sizes, len(points))
    axis.scatter(
        *points[shown].T, s=sizes[shown], color=color, edgecolors="white", linewidths=0.5, depthshade=False, zorder=4
    )
    axis.computed_zorder = False  # draw units in front of their surface
    low, spans = _box(geometry)
    for name, start, span in zip("xyz", low, spans, strict=True):
        getattr(axis, f"set_{name}lim")(start, start + span)
    axis.set_box_aspect(spans, zoom=0.95 if _has_axes(geometry) else 1.3)
    axis.view_init(elev=view.elevation, azim=view.azimuth)
    if _has_axes(geometry):
        for name in "xyz":
            getattr(axis, f"set_{name}label")(f"{name} ({plural(geometry.length_unit)})")
            getattr(axis, f"{name}axis").set_major_locator(mpl.ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
        if view.elevation == 90:  # a flat geometry, seen from above
            axis.set(zticks=[], zlabel="")
    else:
        axis.set_axis_off()
        axis.set_proj_type("ortho")


def _box(geometry: StoredGeometry) -> tuple[FloatArray, FloatArray]:
    """Return the lower corner and edge lengths of a padded box around all points, in which no edge is very short."""
    points = geometry.vertices if len(geometry.faces) else positions_3d(geometry.positions)
    spans = np.maximum(np.ptp(points, axis=0), 0.15 * np.ptp(points, axis=0).max())
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return middle - 0.55 * spans, 1.1 * spans


def _has_axes(geometry: StoredGeometry) -> bool:
    """Return whether to draw axes: yes, except on anatomical surfaces, where they only distract."""
    return not len(geometry.faces) or geometry.length_unit != "mm"


def face_normals(geometry: StoredGeometry) -> FloatArray:
    """Return a vector perpendicular to each face of a surface, twice as long as the face's area, ``(face, 3)``."""
    corners = geometry.vertices[geometry.faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def _mean_edge(geometry: StoredGeometry) -> float:
    """Return the mean length of the first edge of each face."""
    start, stop = geometry.vertices[geometry.faces[:, :2].T]
    return float(np.linalg.norm(stop - start, axis=1).mean())


def _surface_mesh(geometry: StoredGeometry, view: View, contrast: float) -> Poly3DCollection:
    normal = face_normals(geometry)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    light = view.direction + np.array([0, 0, 0.4])  # from slightly above the viewer
    facing = np.clip(normal @ light / np.linalg.norm(light), 0, None)
    brightness = (1.15 - contrast) + contrast * (facing - 0.5)
    colors = np.column_stack([np.clip(np.outer(brightness, SURFACE_COLOR), 0, 1), np.ones(len(brightness))])
    triangles = geometry.vertices[geometry.faces]
    return Poly3DCollection(triangles, facecolors=colors, edgecolors=colors, linewidths=0.1, zorder=1, rasterized=True)


def _behind_surface(points: FloatArray, geometry: StoredGeometry, view: View) -> NDArray[np.bool_]:
    """Return a mask of the units that are clearly behind a piece of the surface, ``(unit,)``."""
    from scipy.spatial import cKDTree

    towards = view.direction
    across = np.linalg.svd(towards[None])[2][1:]  # two directions perpendicular to the line of sight
    edge, depth, projected = _mean_edge(geometry), geometry.vertices @ towards, geometry.vertices @ across.T
    nearby = cKDTree(projected).query_ball_point(points @ across.T, 1.2 * edge)
    return np.array(
        [bool((depth[near] > unit + 2.5 * edge).any()) for near, unit in zip(nearby, points @ towards, strict=True)]
    )


# Interactive 3-D views


def scene(
    geometry: StoredGeometry,
    measures: Mapping[str, FloatArray] | None = None,
    connections: Connections | None = None,
    narrow: bool = False,
) -> go.Figure:
    """Return an interactive 3-D view of surface, units and connections, with a menu that selects the units' colours.

    Parameters
    ----------
    geometry
        Geometry of the units.
    measures
        Values to colour units by, ``(unit,)`` each, by name; by default each unit's mean distance to all other units.
    connections
        Connections between units.
    narrow
        If True, move the camera away so that the view fits half the width of a page.
    """
    import plotly.graph_objects as go

    points = _lifted_positions(geometry).astype(np.float32)
    if measures is None:
        mean_distance = geometry.distances.sum(1) / (len(points) - 1)
        measures = {f"Mean distance to all other units ({plural(geometry.length_unit)})": mean_distance}
    traces: list[Any] = []
    if len(geometry.faces):
        (x, y, z), (i, j, k) = geometry.vertices.astype(np.float32).T, geometry.faces.astype(np.int32).T
        traces.append(
            go.Mesh3d(
                x=x, y=y, z=z, i=i, j=j, k=k, color="rgb(205,203,198)", hoverinfo="skip",
                opacity=1.0 if connections is None else 0.25,
                lighting={"ambient": 0.6, "diffuse": 0.55, "specular": 0.03, "roughness": 0.95},
                lightposition={name: 1e4 * value for name, value in _eye(geometry, 1.0).items()},
            )
        )  # fmt: skip
    if connections is not None and len(connections.weights):
        traces += _connection_traces(points, connections)
    first = next(iter(measures))
    names = geometry.names if len(geometry.names) else np.array([f"unit {unit}" for unit in range(len(points))])
    traces.append(
        go.Scatter3d(
            x=points[:, 0], y=points[:, 1], z=points[:, 2], mode="markers",
            text=[html.escape(str(name)) for name in names],
            hovertemplate="%{text}<br>%{marker.color:.3g}<extra></extra>",
            marker={
                "size": 5, "color": measures[first].astype(np.float32), "colorscale": "Viridis",
                "line": {"width": 0.5, "color": "white"}, "showscale": True,
                "colorbar": {"title": {"text": first, "side": "right"}, "thickness": 14, "len": 0.75},
            },
        )
    )  # fmt: skip
    buttons = [
        {
            "label": name,
            "method": "restyle",
            "args": [{"marker.color": [values.tolist()], "marker.colorbar.title.text": name}, [len(traces) - 1]],
        }
        for name, values in measures.items()
    ]
    menu = {"buttons": buttons, "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "pad": {"l": 8}}
    return go.Figure(traces).update_layout(
        updatemenus=[menu] if len(buttons) > 1 else [],
        showlegend=False,
        height=SCENE_HEIGHT,
        margin={"l": 0, "r": 0, "t": 40 if len(buttons) > 1 else 8, "b": 0},
        scene={"camera": _camera(geometry, NARROW_DISTANCE if narrow else 1.0), **_plotly_axes(geometry)},
    )


def _lifted_positions(geometry: StoredGeometry) -> FloatArray:
    """Return unit positions, raised slightly above their surface so that markers stay visible."""
    points = positions_3d(geometry.positions)
    if not len(geometry.faces):
        return points
    from scipy.spatial import cKDTree

    outward, normal = np.zeros_like(geometry.vertices), face_normals(geometry)
    for corner in geometry.faces.T:
        np.add.at(outward, corner, normal)
    outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-30)
    return points + 0.8 * _mean_edge(geometry) * outward[cKDTree(geometry.vertices).query(points)[1]]


def _connection_traces(points: NDArray[np.float32], connections: Connections) -> list[Any]:
    """Return connections as Plotly line traces in four classes of strength, because a trace has a single width."""
    import plotly.graph_objects as go

    relative = connections.weights / max(float(connections.weights.max()), 1e-30)
    traces = []
    for low, width, opacity in ((0.0, 1.0, 0.35), (0.25, 2.0, 0.5), (0.5, 3.5, 0.7), (0.75, 6.0, 0.9)):
        members = (relative > low) & (relative <= low + 0.25)
        if not members.any():
            continue
        pre, post = points[connections.pre[members]], points[connections.post[members]]
        ends = np.stack([pre, post, np.full_like(pre, np.nan)], axis=1).reshape(-1, 3)
        traces.append(
            go.Scatter3d(
                x=ends[:, 0], y=ends[:, 1], z=ends[:, 2], mode="lines", hoverinfo="skip",
                line={"width": width, "color": "#444444"}, opacity=opacity,
            )
        )  # fmt: skip
    return traces


def _plotly_axes(geometry: StoredGeometry) -> dict[str, Any]:
    """Return Plotly's axes and aspect ratio: true proportions, except that flat geometries get some height."""
    (low, spans), unit = _box(geometry), plural(geometry.length_unit)
    axes = {
        f"{name}axis": {"range": [float(start), float(start + span)]}
        | ({"title": {"text": f"{name} ({unit})"}} if _has_axes(geometry) else {"visible": False})
        for name, start, span in zip("xyz", low, spans, strict=True)
    }
    ratio = dict(zip("xyz", (1.25 * spans / spans.max()).tolist(), strict=True))
    return {"aspectmode": "manual", "aspectratio": ratio, **axes}


def _camera(geometry: StoredGeometry, distance: float) -> dict[str, Any]:
    lower = 0.15 if _has_axes(geometry) and views(geometry)[0].elevation < 90 else 0.0  # room for the axis titles
    return {"eye": _eye(geometry, distance), "center": {"x": 0, "y": 0, "z": -lower}, "up": {"x": 0, "y": 0, "z": 1}}


def _eye(geometry: StoredGeometry, distance: float) -> dict[str, float]:
    view = views(geometry)[0]
    radius = distance * (2.1 if _has_axes(geometry) else 1.3)
    x, y, z = radius * view.direction + (np.array([0, 0, 0.25]) if view.elevation == 0 else 0)
    return {"x": float(x), "y": float(y) - 0.01, "z": float(z)}


def scene_html(figure: go.Figure) -> str:
    """Return a scene as an HTML fragment for a page that already includes Plotly's script."""
    import plotly.io

    config = {"displaylogo": False, "responsive": True}
    return str(plotly.io.to_html(figure, include_plotlyjs=False, full_html=False, config=config))
