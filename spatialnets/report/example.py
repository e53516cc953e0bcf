"""Example networks of each group, in space and by distance (Figs 2e and 6b)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from spatialnets.aliases import FloatArray
from spatialnets.graph.modularity import modularity
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.report.figures import Picture, colors_of, groups_of, join_items, panels, style
from spatialnets.report.measured import at_scored_epoch, passing_networks, scored_epoch
from spatialnets.report.space import Connections, draw, plural, scene, scene_html, views
from spatialnets.report.sweet_spot import SweetSpot
from spatialnets.runs.run import Run

__all__ = [
    "MAX_SCENES",
    "Example",
    "example_networks",
    "examples_by_strength",
    "networks_by_strength",
    "networks_in_space",
    "scenes",
    "weight_against_distance",
]

SHOWN_CONNECTIONS = 100
MIN_TREND = 0.1  # magnitude of a correlation that a caption calls a trend
MAX_SCENES = 6  # browsers limit a page to 8 to 16 WebGL contexts


@dataclass(frozen=True)
class Example:
    """One network at one epoch, with its geometry.

    Parameters
    ----------
    group, network, strength, epoch
        Identity of the network.
    weights
        Magnitudes of the weights, ``(pre, post)``.
    geometry
        Positions and distances of its units.
    passes
        Whether it has learned the task.
    """

    group: str
    network: int
    strength: float
    epoch: int
    weights: FloatArray
    geometry: StoredGeometry
    passes: bool

    @property
    def title(self) -> str:
        """Group and regularization strength, as a title."""
        return f"{self.group}, strength {self.strength:.3g}"

    @cached_property
    def strongest(self) -> Connections:
        """The strongest connections between different units."""
        weights = self.weights.copy()
        np.fill_diagonal(weights, 0)
        order = np.argsort(weights, axis=None)[::-1][: min(SHOWN_CONNECTIONS, np.count_nonzero(weights > 0))]
        pre, post = np.unravel_index(order, weights.shape)
        return Connections(pre, post, weights[pre, post])

    @property
    def node_strength(self) -> FloatArray:
        """Total weight of each unit's connections, in and out, ``(unit,)``."""
        return np.asarray(self.weights.sum(axis=0) + self.weights.sum(axis=1))

    @property
    def marker_sizes(self) -> FloatArray:
        """Size of each unit's marker, by its strength relative to the largest, ``(unit,)``."""
        return 8 + 90 * self.node_strength / max(self.node_strength.max(), 1e-30)

    def unit_measures(self) -> dict[str, FloatArray]:
        """Return the measures by which units can be coloured, by name, ``(unit,)`` each."""
        lengths = ((self.weights + self.weights.T) * self.geometry.distances).sum(axis=1)
        strength = self.node_strength
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_length = np.where(strength > 0, lengths / strength, 0)
        return {
            "Node strength (in + out)": strength,
            "In-strength": self.weights.sum(axis=0),
            "Out-strength": self.weights.sum(axis=1),
            f"Mean connection length ({plural(self.geometry.length_unit)})": mean_length,
            "Module": modularity(self.weights)[1].astype(np.float64),
        }

    def connections(self, pre: Any, post: Any) -> pd.DataFrame:
        """Return the connections between the given units as a table."""
        return pd.DataFrame(
            {
                "group": self.group,
                "network": self.network,
                "pre": pre,
                "post": post,
                "distance": self.geometry.distances[pre, post],
                "weight": self.weights[pre, post],
            }
        )


def example_networks(run: Run, table: xr.Dataset, epoch: int | None = None) -> list[Example]:
    """Return the network of median strength of each group, among those that pass at an epoch (all, if none passes).

    By default, the epoch is the scored one.
    """
    epoch, examples = scored_epoch(table) if epoch is None else epoch, []
    passes, finite = passing_networks(table, epoch), _finite_networks(table)
    for group in groups_of(table):
        member = table["group"].to_numpy() == group
        places = np.flatnonzero(member & (passes if (member & passes).any() else finite))
        if len(places):
            order = np.argsort(table["strength"].to_numpy()[places], kind="stable")
            examples.append(_example(run, table, int(places[order[len(order) // 2]]), epoch))
    return examples


def examples_by_strength(run: Run, table: xr.Dataset, spot: SweetSpot, group: str = "sernn") -> list[Example]:
    """Return networks of a group with a weaker penalty than the sweet spot, inside it, and with a stronger one."""
    epoch, member = scored_epoch(table), table["group"].to_numpy() == group
    strength, passes = table["strength"].to_numpy().astype(float), passing_networks(table)
    finite = member & _finite_networks(table)
    if spot.reach is None:
        return []
    low, high = np.array(spot.reach) / 100 * strength[member].max()
    with np.errstate(invalid="ignore"):
        inside = (strength >= low) & (strength <= high)
        inside &= at_scored_epoch(table, "modularity") >= spot.thresholds.modularity
        inside &= at_scored_epoch(table, "small_worldness") >= spot.thresholds.small_worldness
    candidates = (
        (finite & passes & (strength < low), low / 2),
        (finite & passes & inside, (low + high) / 2),
        (finite & ~passes & (strength > high), (high + strength[member].max()) / 2),
    )
    places = [
        int(np.flatnonzero(mask)[np.abs(strength[mask] - target).argmin()]) for mask, target in candidates if mask.any()
    ]
    return [_example(run, table, place, epoch) for place in places]


def _finite_networks(table: xr.Dataset) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which networks have not diverged by the scored epoch, ``(network,)``."""
    values = [at_scored_epoch(table, name) for name in ("loss", "total_weight") if name in table]
    return np.asarray(np.isfinite(values).any(axis=0))


def _example(run: Run, table: xr.Dataset, place: int, epoch: int) -> Example:
    """Load the network in a row of a table."""
    group, number = str(table["group"].to_numpy()[place]), int(table["network"][place])
    shard = next(shard for shard in run.shards if shard.group == group and number in shard.networks)
    data = shard.load().sel(network=number, epoch=epoch)
    weights = np.abs(data["weights"].to_numpy().astype(np.float64))
    geometry = run.geometry_of(group, number)
    if "positions" in data:  # learned positions
        geometry = replace(
            geometry,
            positions=data["positions"].to_numpy().astype(np.float64),
            distances=data["distances"].to_numpy().astype(np.float64),
        )
    return Example(
        group=group,
        network=number,
        strength=float(data["strength"]),
        epoch=epoch,
        weights=weights.sum(axis=0) if weights.ndim == 3 else weights,
        geometry=geometry,
        passes=bool(passing_networks(table, epoch)[place]),
    )


def networks_by_strength(examples: Sequence[Example]) -> Picture:
    """Plot networks of several regularization strengths side by side (Fig. 6b)."""
    titles = [f"strength {example.strength:.2g}\n{'passes' if example.passes else 'fails'}" for example in examples]
    figure = _draw_in_space(examples, titles, len(examples), 4, 4.0)
    measures = [
        f"{example.weights.sum():.0f} and {float(modularity(example.weights)[0]):z.2f} at strength "
        f"{example.strength:.2g}"
        for example in examples
    ]
    caption = f"Total weight and modularity Q are {'; '.join(measures)}."
    note = (
        f"Networks {join_items([str(example.network) for example in examples])} of group {examples[0].group} at epoch "
        f"{examples[0].epoch}, with strengths below, inside or above the sweet spot. Lines: the {SHOWN_CONNECTIONS} "
        "strongest connections of each network, however dense it is. A unit's size is its total weight, in and out, "
        "relative to the largest of its network."
    )
    title = "Figure 6b: networks around the sweet spot"
    return Picture("networks_by_strength", title, caption, figure, _strongest_table(examples), note)


def _draw_in_space(
    examples: Sequence[Example], titles: Sequence[str], columns: int, width: float, height: float
) -> Figure:
    """Draw the units and strongest connections of each example, in panels of a width and height in inches."""
    colors = colors_of(list(dict.fromkeys(example.group for example in examples)))
    with style():
        figure, axes = panels(len(examples), width * columns, height, columns=columns, subplot_kw={"projection": "3d"})
        for axis, example, title in zip(axes, examples, titles, strict=True):
            view = views(example.geometry)[0]
            draw(axis, example.geometry, view, colors[example.group], example.marker_sizes, example.strongest)
            axis.set_title(title, y=0.96)
    return figure


def _strongest_table(examples: Sequence[Example]) -> pd.DataFrame:
    """Return the strongest connections of all examples as a table."""
    tables = [example.connections(example.strongest.pre, example.strongest.post) for example in examples]
    return pd.concat(tables, ignore_index=True)


def networks_in_space(examples: Sequence[Example]) -> Picture:
    """Plot the strongest connections of each example between the positions of its units (Fig. 2e)."""
    figure = _draw_in_space(examples, [example.title for example in examples], min(len(examples), 2), 5, 4.4)
    values, units = _strongest_table(examples), {one.group: plural(one.geometry.length_unit) for one in examples}
    means = values.groupby("group", sort=False)["distance"].mean()
    lengths = [(length, units[group], group) for group, length in means.items()]
    caption = join_items([f"{length:.2f} {unit} in {group}" for length, unit, group in lengths])
    caption = f"The strongest connections have a mean length of {caption}." if lengths else ""
    if len(lengths) == 2 and len({unit for _, unit, _ in lengths}) == 1:
        (short, unit, one), (long, _, other) = sorted(lengths)
        caption = (
            f"The strongest connections of {one} are {100 - 100 * short / long:.0f} % shorter than those of {other} "
            f"({short:.2f} against {long:.2f} {unit} on average)."
        )
    shown = [f"{one.group} network {one.network}{'' if one.passes else ', which fails'}" for one in examples]
    note = (
        f"The networks of median strength ({join_items(shown)}) at epoch {examples[0].epoch}. Lines: the "
        f"{SHOWN_CONNECTIONS} strongest connections, stronger ones darker and wider. A unit's size is its total "
        "weight, in and out."
    )
    return Picture("networks_in_space", "Figure 2e: example networks in space", caption, figure, values, note)


def scenes(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Return the title and an interactive 3-D scene of the first examples, for a page that includes plotly's script."""
    return [
        (example.title, scene_html(scene(example.geometry, example.unit_measures(), example.strongest, narrow=True)))
        for example in examples[:MAX_SCENES]
    ]


def weight_against_distance(examples: Sequence[Example]) -> Picture:
    """Plot the weight of every connection against its length (Fig. 2e)."""
    colors = colors_of([example.group for example in examples])
    rows, trends = [], dict[str, list[str]]()
    with style():
        columns = min(len(examples), 4)
        figure, axes = panels(len(examples), (5 if columns < 4 else 3.6) * columns, 3.8, columns=columns)
        for axis, example in zip(axes, examples, strict=True):
            exists = example.weights > 0
            length, weight = example.geometry.distances[exists], example.weights[exists]
            axis.scatter(length, weight, s=5, color=colors[example.group], alpha=0.25, linewidths=0, rasterized=True)
            bins = np.clip(np.digitize(length, np.linspace(0, length.max(), 9)), 1, 8)
            middle, mean = np.array(
                [(length[bins == one].mean(), weight[bins == one].mean()) for one in np.unique(bins)]
            ).T
            axis.plot(middle, mean, color="black", marker="o", markersize=4, linewidth=1.2, label="mean by length")
            correlation = np.corrcoef(length, weight)[0, 1] if np.ptp(weight) > 0 < np.ptp(length) else np.nan
            if np.isfinite(correlation):
                falls, rises = correlation < -MIN_TREND, correlation > MIN_TREND
                trend = "falls" if falls else "rises" if rises else "hardly changes"
                trends.setdefault(trend, []).append(f"{example.group} (r = {correlation:z.2f})")
            axis.set(
                title=f"{example.group}: corr(W, D) = {correlation:z.2f}",
                xlabel=f"Distance ({plural(example.geometry.length_unit)})",
                ylabel="|Weight|",
            )
            axis.legend()
            rows.append(example.connections(*np.nonzero(exists)))
    texts = [f"{trend} with distance in {join_items(groups)}" for trend, groups in trends.items()]
    caption = f"Weight {join_items(texts)}." if texts else ""
    note = (
        "All connections of the same networks, with Pearson's correlation r. As in the paper, connections of units to "
        "themselves are included, at distance 0."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture("weight_against_distance", "Figure 2e: weight against distance", caption, figure, values, note)
