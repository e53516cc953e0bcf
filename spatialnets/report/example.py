"""One network of each group, drawn where its units live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure

from spatialnets.graph.modularity import modularity
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import FloatArray
from spatialnets.report.figures import Picture, colors_of, groups_of, style
from spatialnets.report.measured import at_scored, passing, scored_epoch
from spatialnets.report.space import Connections, draw, scene, scene_html, views
from spatialnets.report.sweet_spot import SweetSpot
from spatialnets.runs.run import Run

__all__ = [
    "SCENES",
    "Example",
    "by_strength",
    "example_networks",
    "in_space",
    "in_space_by_strength",
    "scenes",
    "weight_against_distance",
]

SHOWN_CONNECTIONS = 100
SCENES = 6  # a browser draws eight to sixteen at most


@dataclass(frozen=True)
class Example:
    """One network at the scored epoch.

    Parameters
    ----------
    group, network, strength, seed, epoch
        Which network.
    weights
        Magnitudes ``(pre, post)``.
    geometry
        Where its units live.
    passes
        Whether it has learned the task.
    """

    group: str
    network: int
    strength: float
    seed: int
    epoch: int
    weights: FloatArray
    geometry: StoredGeometry
    passes: bool

    @property
    def title(self) -> str:
        """What it is called."""
        return f"{self.group}, strength {self.strength:.3g}"

    @property
    def strongest(self) -> Connections:
        """Its strongest connections between different units."""
        weights = self.weights.copy()
        np.fill_diagonal(weights, 0)
        count = min(SHOWN_CONNECTIONS, int((weights > 0).sum()))
        order = np.argsort(weights, axis=None)[::-1][:count]
        pre, post = np.unravel_index(order, weights.shape)
        return Connections(pre, post, weights[pre, post])

    def unit_measures(self) -> dict[str, FloatArray]:
        """Return what may colour its units, by name, ``(unit,)`` each."""
        incoming, outgoing = self.weights.sum(axis=0), self.weights.sum(axis=1)
        lengths = ((self.weights + self.weights.T) * self.geometry.distances).sum(axis=1)
        strength = incoming + outgoing
        with np.errstate(invalid="ignore", divide="ignore"):
            mean_length = np.where(strength > 0, lengths / strength, 0)
        return {
            "Strength, in and out": strength,
            "Strength of incoming connections": incoming,
            "Strength of outgoing connections": outgoing,
            f"Mean length of connections ({self.geometry.length_unit})": mean_length,
            "Module": modularity(self.weights)[1].astype(np.float64),
        }

    def connections(self, pre: Any, post: Any) -> pd.DataFrame:
        """Return some of its connections as a table."""
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
    """Choose from each group the network of median strength that passes at an epoch (of all, where none passes).

    By default the epoch is the scored one.
    """
    epoch, examples = scored_epoch(table) if epoch is None else epoch, []
    passes = passing(table, epoch)
    for group in groups_of(table):
        member = table["group"].to_numpy() == group
        finite = _finite(table)
        for chosen in (member & passes, member & finite):
            places = np.flatnonzero(chosen)
            if len(places):
                break
        else:
            continue
        order = np.argsort(table["strength"].to_numpy()[places], kind="stable")
        examples.append(_example(run, table, int(places[order[len(order) // 2]]), epoch))
    return examples


def by_strength(run: Run, table: xr.Dataset, spot: SweetSpot, group: str = "sernn") -> list[Example]:
    """Choose three networks of a group: one weaker than the sweet spot, one in it, one too strong (Fig. 6b)."""
    epoch, member = scored_epoch(table), table["group"].to_numpy() == group
    strength, passes = table["strength"].to_numpy().astype(float), passing(table)
    finite = member & _finite(table)
    if spot.reach is None:
        return []
    low, high = np.array(spot.reach) / 100 * strength[member].max()
    with np.errstate(invalid="ignore"):
        whole = at_scored(table, "modularity") >= spot.thresholds.modularity
        whole &= at_scored(table, "small_worldness") >= spot.thresholds.small_worldness
    wanted = (
        (finite & passes & (strength < low), low / 2),
        (finite & passes & whole & (strength >= low) & (strength <= high), (low + high) / 2),
        (finite & ~passes & (strength > high), (high + strength[member].max()) / 2),
    )
    places = [int(np.flatnonzero(some)[np.abs(strength[some] - aim).argmin()]) for some, aim in wanted if some.any()]
    return [_example(run, table, place, epoch) for place in places]


def _finite(table: xr.Dataset) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which networks are still there at the scored epoch, ``(network,)``."""
    known = [at_scored(table, name) for name in ("loss", "total_weight") if name in table]
    return np.asarray(np.isfinite(known).any(axis=0))


def _example(run: Run, table: xr.Dataset, place: int, epoch: int) -> Example:
    """Return the network at a place of a table."""
    group, number = str(table["group"].to_numpy()[place]), int(table["network"][place])
    shard = next(shard for shard in run.shards if shard.group == group and number in shard.networks)
    data = run.load_shard(shard).sel(network=number, epoch=epoch)
    weights = np.abs(data["weights"].to_numpy().astype(np.float64))
    geometry = run.geometry_of(group, number)
    if "positions" in data:  # they were learned
        geometry = replace(
            geometry,
            positions=data["positions"].to_numpy().astype(np.float64),
            distances=data["distances"].to_numpy().astype(np.float64),
        )
    return Example(
        group=group,
        network=number,
        strength=float(data["strength"]),
        seed=int(data["seed"]),
        epoch=epoch,
        weights=weights.sum(axis=0) if weights.ndim == 3 else weights,
        geometry=geometry,
        passes=bool(passing(table, epoch)[place]),
    )


def in_space_by_strength(examples: Sequence[Example]) -> Picture:
    """Draw networks of several strengths side by side (Fig. 6b)."""
    words = []
    with style():
        figure = Figure(figsize=(4 * len(examples), 4.0))
        for place, example in enumerate(examples, start=1):
            axis: Any = figure.add_subplot(1, len(examples), place, projection="3d")
            strength = example.weights.sum(axis=0) + example.weights.sum(axis=1)
            sizes = 8 + 90 * strength / max(strength.max(), 1e-30)
            draw(axis, example.geometry, views(example.geometry)[0], "#0072B2", sizes, example.strongest)
            axis.set_title(f"strength {example.strength:.2g}\n{'passes' if example.passes else 'fails'}", y=0.96)
            words.append(
                f"at strength {example.strength:.2g} total weight is {example.weights.sum():.0f} and modularity "
                f"{float(modularity(example.weights)[0]):.2f}"
            )
    rows = [example.connections(own.pre, own.post) for example in examples if len((own := example.strongest).weights)]
    caption = f"{'; '.join(words)}.".capitalize()
    note = (
        f"From weak to strong penalties, around the sweet spot: the {SHOWN_CONNECTIONS} strongest connections of "
        f"networks {', '.join(str(example.network) for example in examples)} of group {examples[0].group} at epoch "
        f"{examples[0].epoch}; a unit's size is its total weight, in and out, relative to the largest."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture(
        "networks_by_strength", "Figure 6b: too dense, in between, too sparse", caption, figure, values, note
    )


def in_space(examples: Sequence[Example]) -> Picture:
    """Draw the strongest connections of each example between its units."""
    colors = colors_of([example.group for example in examples])
    rows = []
    columns = min(len(examples), 2)
    with style():
        figure = Figure(figsize=(5 * columns, 4.4 * int(np.ceil(len(examples) / columns))))
        for place, example in enumerate(examples, start=1):
            axis: Any = figure.add_subplot(int(np.ceil(len(examples) / columns)), columns, place, projection="3d")
            strongest = example.strongest
            strength = example.weights.sum(axis=0) + example.weights.sum(axis=1)
            sizes = 8 + 90 * strength / max(strength.max(), 1e-30)
            draw(axis, example.geometry, views(example.geometry)[0], colors[example.group], sizes, strongest)
            axis.set_title(example.title, y=0.96)
            rows.append(example.connections(strongest.pre, strongest.post))
    chosen = "; ".join(
        f"{example.group}: network {example.network}, strength {example.strength:.3g}"
        + ("" if example.passes else " (does not pass)")
        for example in examples
    )
    reach = ", ".join(
        f"{example.group} {example.geometry.distances[own.pre, own.post].mean():.2f} ({example.geometry.length_unit})"
        for example in examples
        if len((own := example.strongest).weights)
    )
    caption = f"The strongest connections of a network of median strength are on average this long: {reach}."
    note = (
        f"The {SHOWN_CONNECTIONS} strongest connections at epoch {examples[0].epoch}, stronger ones darker and wider; "
        f"a unit's size is its total weight, in and out. {chosen}."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture("networks_in_space", "Figure 2e: networks where they live", caption, figure, values, note)


def scenes(examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Return the first examples as scenes to turn around, each with its title, for a page with plotly's script."""
    return [
        (example.title, scene_html(scene(example.geometry, example.unit_measures(), example.strongest, narrow=True)))
        for example in examples[:SCENES]
    ]


def weight_against_distance(examples: Sequence[Example]) -> Picture:
    """Draw the weight of every connection against its length."""
    colors = colors_of([example.group for example in examples])
    rows, correlations = [], []
    with style():
        columns = min(len(examples), 4 if len(examples) > 3 else 3)
        lines = int(np.ceil(len(examples) / columns))
        figure = Figure(figsize=((5 if columns < 4 else 3.6) * columns, 3.8 * lines))
        axes = figure.subplots(lines, columns, squeeze=False).ravel()
        for axis in axes[len(examples) :]:
            axis.remove()
        for axis, example in zip(axes, examples, strict=False):
            exists = example.weights > 0
            length, weight = example.geometry.distances[exists], example.weights[exists]
            axis.scatter(length, weight, s=5, color=colors[example.group], alpha=0.25, linewidths=0, rasterized=True)
            middle, mean = _binned(length, weight)
            axis.plot(middle, mean, color="black", marker="o", markersize=4, linewidth=1.2, label="mean by length")
            correlation = np.corrcoef(length, weight)[0, 1] if np.ptp(weight) > 0 < np.ptp(length) else np.nan
            correlations.append(f"{example.group} {correlation:.2f}")
            axis.set(
                title=f"{example.group}: corr(W, D) = {correlation:.2f}",
                xlabel=f"Distance ({example.geometry.length_unit})",
                ylabel="|Weight|",
            )
            axis.legend()
            pre, post = np.nonzero(exists)
            rows.append(example.connections(pre, post))
    caption = f"In these networks weight and distance correlate as {', '.join(correlations)}."
    note = (
        "Every connection of the same networks, those of a unit to itself (distance 0) included, as in the paper; "
        "Pearson's correlation."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture("weight_against_distance", "Figure 2e: weight against distance", caption, figure, values, note)


def _binned(length: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    edges = np.linspace(0, length.max(), 9)
    which = np.clip(np.digitize(length, edges) - 1, 0, 7)
    filled = [place for place in range(8) if (which == place).any()]
    return (
        np.array([length[which == place].mean() for place in filled]),
        np.array([weight[which == place].mean() for place in filled]),
    )
