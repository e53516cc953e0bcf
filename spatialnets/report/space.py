"""Units, connections and surfaces in space: still pictures and pages to turn around."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from mpl_toolkits.mplot3d.art3d import Line3DCollection, Poly3DCollection
from numpy.typing import NDArray

from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import FloatArray

if TYPE_CHECKING:
    import plotly.graph_objects as go

__all__ = ["Connections", "View", "draw", "in_three_dimensions", "scene", "scene_html", "views"]

SURFACE_COLOR = (0.78, 0.77, 0.75)
SCENE_HEIGHT = 520  # pixels
NARROW = 1.35  # how much farther away half the width of a page needs to be seen from


@dataclass(frozen=True)
class View:
    """Where one looks from, in degrees, and what it is called."""

    elevation: float
    azimuth: float
    name: str

    @property
    def direction(self) -> FloatArray:
        """The direction towards the viewer, a unit vector."""
        elevation, azimuth = np.radians([self.elevation, self.azimuth])
        across = np.cos(elevation)
        return np.array([across * np.cos(azimuth), across * np.sin(azimuth), np.sin(elevation)])


@dataclass(frozen=True)
class Connections:
    """Some connections of a network, the stronger ones drawn stronger.

    Parameters
    ----------
    pre, post
        Units, ``(connection,)``.
    weights
        Magnitudes, ``(connection,)``.
    """

    pre: NDArray[np.int64]
    post: NDArray[np.int64]
    weights: FloatArray


def in_three_dimensions(positions: FloatArray) -> FloatArray:
    """Return positions ``(unit, 3)``: missing axes are zero, those beyond the third are left out."""
    points = np.zeros((len(positions), 3))
    columns = min(positions.shape[1], 3)
    points[:, :columns] = positions[:, :columns]
    return points


def views(geometry: StoredGeometry) -> list[View]:
    """Return from where a geometry is best seen: a hemisphere from both sides, two from above as well."""
    points = in_three_dimensions(geometry.positions)
    if not np.ptp(points[:, 2]):
        return [View(90, -90, "from above")]  # a flat one
    if _has_axes(geometry):
        return [View(18, -60, "")]
    if len(np.unique(geometry.parts)) > 1:
        return [View(0, 180, "from the left"), View(0, 0, "from the right"), View(90, -90, "from above")]
    left = points[:, 0].mean() <= 0
    outside, inside = View(0, 180, "from the left"), View(0, 0, "from the right")
    return [outside, inside] if left else [inside, outside]


# Still pictures


def draw(
    axis: Any,
    geometry: StoredGeometry,
    view: View,
    color: Any,
    sizes: FloatArray | float = 14.0,
    connections: Connections | None = None,
) -> None:
    """Draw units, on their surface if there is one, into a 3D axis of matplotlib.

    Units behind the surface are left out, unless there are connections: then one looks through it.

    Parameters
    ----------
    axis
        Where to draw.
    geometry
        Where units live.
    view
        Where one looks from.
    color
        Of units and connections.
    sizes
        Of units, points squared, ``(unit,)`` or one for all.
    connections
        What to draw between units.
    """
    points = in_three_dimensions(geometry.positions)
    corners = points
    shown = np.ones(len(points), dtype=bool)
    if len(geometry.faces):
        corners = geometry.vertices
        axis.add_collection3d(_shaded(geometry, view, 0.5 if connections is None else 0.15), autolim=False)
        if connections is None:  # with them, one looks through the surface
            shown = ~_hidden(points, geometry, view)
    if connections is not None and len(connections.weights):
        share = connections.weights / max(connections.weights.max(), 1e-30)
        lines = np.stack([points[connections.pre], points[connections.post]], axis=1)
        shades = [(*mpl.colors.to_rgb(color), 0.1 + 0.7 * part**2) for part in share]
        axis.add_collection3d(
            Line3DCollection(lines, colors=shades, linewidths=0.4 + 2.4 * share, zorder=3), autolim=False
        )
    sizes = np.broadcast_to(sizes, len(points))
    axis.scatter(
        *points[shown].T, s=sizes[shown], color=color, edgecolors="white", linewidths=0.5, depthshade=False, zorder=4
    )
    axis.computed_zorder = False  # units are in front of their surface
    low, spans = _box(corners)
    for name, start, span in zip("xyz", low, spans, strict=True):
        getattr(axis, f"set_{name}lim")(start, start + span)
    axis.set_box_aspect(spans, zoom=0.95 if _has_axes(geometry) else 1.3)
    axis.view_init(elev=view.elevation, azim=view.azimuth)
    if _has_axes(geometry):
        for name in "xyz":
            getattr(axis, f"set_{name}label")(f"{name} ({geometry.length_unit})")
            getattr(axis, f"{name}axis").set_major_locator(mpl.ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
        if view.elevation == 90:  # a flat one, seen from above
            axis.set(zticks=[], zlabel="")
    else:
        axis.set_axis_off()
        axis.set_proj_type("ortho")


def _box(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the lower corner and the lengths of a box around points, with some room, and never quite flat."""
    spans = np.maximum(np.ptp(points, axis=0), 0.15 * np.ptp(points, axis=0).max())
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    return middle - 0.55 * spans, 1.1 * spans


def _has_axes(geometry: StoredGeometry) -> bool:
    """Tell whether axes help to see where units are; on anatomy they are in the way."""
    return not len(geometry.faces) or geometry.length_unit != "mm"


def _shaded(geometry: StoredGeometry, view: View, contrast: float) -> Poly3DCollection:
    triangles = geometry.vertices[geometry.faces]
    normal = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-30)
    light = view.direction + np.array([0, 0, 0.4])  # from behind the viewer, a little above
    facing = np.clip(normal @ light / np.linalg.norm(light), 0, None)
    bright = (1.15 - contrast) + contrast * (facing - 0.5)
    colors = np.column_stack([np.clip(np.outer(bright, SURFACE_COLOR), 0, 1), np.ones(len(bright))])
    return Poly3DCollection(triangles, facecolors=colors, edgecolors=colors, linewidths=0.1, zorder=1, rasterized=True)


def _hidden(points: FloatArray, geometry: StoredGeometry, view: View) -> NDArray[np.bool_]:
    """Return which units have some of the surface clearly in front of them."""
    from scipy.spatial import cKDTree

    towards = view.direction
    side = np.linalg.svd(towards[None])[2][1:]  # two directions across the line of sight
    edge = np.linalg.norm(
        geometry.vertices[geometry.faces[:, 0]] - geometry.vertices[geometry.faces[:, 1]], axis=1
    ).mean()
    depth, flat = geometry.vertices @ towards, geometry.vertices @ side.T
    near = cKDTree(flat).query_ball_point(points @ side.T, 1.2 * edge)
    return np.array(
        [bool((depth[around] > at + 2.5 * edge).any()) for around, at in zip(near, points @ towards, strict=True)]
    )


# Pages to turn around


def scene(
    geometry: StoredGeometry,
    measures: Mapping[str, FloatArray] | None = None,
    connections: Connections | None = None,
    narrow: bool = False,
) -> go.Figure:
    """Return a picture to turn around: surface, units, connections, and a choice of what colours the units.

    Parameters
    ----------
    geometry
        Where units live.
    measures
        By name, one value per unit, ``(unit,)``: what may colour them. By default, how far each is from all others.
    connections
        What to draw between units.
    narrow
        Whether it gets half the width of a page: then one looks from farther away.
    """
    import plotly.graph_objects as go

    points = _raised(geometry).astype(np.float32)
    if measures is None:
        n_units = len(points)
        measures = {f"Mean distance to the others ({geometry.length_unit})": geometry.distances.sum(1) / (n_units - 1)}
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
        traces += _lines(points, connections)
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
    figure = go.Figure(traces)
    buttons = [
        {
            "label": name,
            "method": "restyle",
            "args": [{"marker.color": [values.tolist()], "marker.colorbar.title.text": name}, [len(traces) - 1]],
        }
        for name, values in measures.items()
    ]
    if len(buttons) > 1:
        menu = {"buttons": buttons, "x": 0.0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", "pad": {"l": 8}}
        figure.update_layout(updatemenus=[menu])
    figure.update_layout(
        showlegend=False,
        height=SCENE_HEIGHT,
        margin={"l": 0, "r": 0, "t": 40 if len(buttons) > 1 else 8, "b": 0},
        scene={
            "camera": _camera(geometry, NARROW if narrow else 1.0),
            **_space(geometry),
        },
    )
    return figure


def _raised(geometry: StoredGeometry) -> FloatArray:
    """Return where units are, a little above their surface, so that they do not sink into it."""
    points = in_three_dimensions(geometry.positions)
    if not len(geometry.faces):
        return points
    from scipy.spatial import cKDTree

    corners = geometry.vertices[geometry.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    upward = np.zeros_like(geometry.vertices)
    for corner in range(3):
        np.add.at(upward, geometry.faces[:, corner], normal)
    upward /= np.maximum(np.linalg.norm(upward, axis=1, keepdims=True), 1e-30)
    edge = np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1).mean()
    return points + 0.8 * edge * upward[cKDTree(geometry.vertices).query(points)[1]]


def _lines(points: NDArray[np.float32], connections: Connections) -> list[Any]:
    """Return connections as lines in four classes of strength: a line of plotly has one width."""
    import plotly.graph_objects as go

    share = connections.weights / max(float(connections.weights.max()), 1e-30)
    traces = []
    for low, width, opacity in ((0.0, 1.0, 0.35), (0.25, 2.0, 0.5), (0.5, 3.5, 0.7), (0.75, 6.0, 0.9)):
        some = (share > low) & (share <= low + 0.25)
        if not some.any():
            continue
        gap = np.full((int(some.sum()), 3), np.nan, dtype=np.float32)
        ends = np.stack([points[connections.pre[some]], points[connections.post[some]], gap], axis=1).reshape(-1, 3)
        traces.append(
            go.Scatter3d(
                x=ends[:, 0], y=ends[:, 1], z=ends[:, 2], mode="lines", hoverinfo="skip",
                line={"width": width, "color": "#444444"}, opacity=opacity,
            )
        )  # fmt: skip
    return traces


def _space(geometry: StoredGeometry) -> dict[str, Any]:
    """Return plotly's box and axes: true proportions, as far as a flat geometry has them."""
    corners = geometry.vertices if len(geometry.faces) else in_three_dimensions(geometry.positions)
    low, spans = _box(corners)
    axes = {
        f"{name}axis": {"range": [float(start), float(start + span)]}
        | ({"title": {"text": f"{name} ({geometry.length_unit})"}} if _has_axes(geometry) else {"visible": False})
        for name, start, span in zip("xyz", low, spans, strict=True)
    }
    ratio = dict(zip("xyz", (1.25 * spans / spans.max()).tolist(), strict=True))
    return {"aspectmode": "manual", "aspectratio": ratio, **axes}


def _camera(geometry: StoredGeometry, farther: float) -> dict[str, Any]:
    lower = 0.15 if _has_axes(geometry) and views(geometry)[0].elevation < 90 else 0.0  # room for the axes' names
    eye = _eye(geometry, farther)
    return {"eye": eye, "center": {"x": 0, "y": 0, "z": -lower}, "up": {"x": 0, "y": 0, "z": 1}}


def _eye(geometry: StoredGeometry, farther: float) -> dict[str, float]:
    view = views(geometry)[0]
    away = farther * (2.1 if _has_axes(geometry) else 1.3)
    x, y, z = away * view.direction + (np.array([0, 0, 0.25]) if view.elevation == 0 else 0)
    return {"x": float(x), "y": float(y) - 0.01, "z": float(z)}


def scene_html(figure: go.Figure) -> str:
    """Return a scene as a piece of a page that holds plotly's script already."""
    import plotly.io

    return str(
        plotly.io.to_html(
            figure, include_plotlyjs=False, full_html=False, config={"displaylogo": False, "responsive": True}
        )
    )
