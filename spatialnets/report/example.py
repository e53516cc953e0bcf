"""One network of each group, drawn where its units live."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import xarray as xr
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Line3DCollection

from spatialnets.protocols import FloatArray
from spatialnets.report.figures import Picture, colors_of, groups_of, style
from spatialnets.report.measured import passing, scored_epoch
from spatialnets.run import Run

__all__ = ["Example", "example_networks", "in_space", "weight_against_distance"]

SHOWN_CONNECTIONS = 100


@dataclass(frozen=True)
class Example:
    """One network at the scored epoch.

    Parameters
    ----------
    group, network, strength, seed, epoch
        Which network.
    weights
        Magnitudes ``(pre, post)``.
    positions, distances
        Where its units live, ``(unit, d)`` and ``(pre, post)``, in `unit`.
    passes
        Whether it has learned the task.
    """

    group: str
    network: int
    strength: float
    seed: int
    epoch: int
    weights: FloatArray
    positions: FloatArray
    distances: FloatArray
    unit: str
    passes: bool

    def connections(self, pre: Any, post: Any) -> pd.DataFrame:
        """Return some of its connections as a table."""
        return pd.DataFrame(
            {
                "group": self.group,
                "network": self.network,
                "pre": pre,
                "post": post,
                "distance": self.distances[pre, post],
                "weight": self.weights[pre, post],
            }
        )


def example_networks(run: Run, table: xr.Dataset) -> list[Example]:
    """Choose from each group the passing network of median strength (of all, where none passes)."""
    passes, epoch, examples = passing(table), scored_epoch(table), []
    for group in groups_of(table):
        member = table["group"].to_numpy() == group
        finite = np.isfinite(table["loss"].isel(epoch=-1).to_numpy())
        for chosen in (member & passes, member & finite):
            places = np.flatnonzero(chosen)
            if len(places):
                break
        else:
            continue
        order = np.argsort(table["strength"].to_numpy()[places], kind="stable")
        place = places[order[len(order) // 2]]
        number = int(table["network"][place])
        shard = next(shard for shard in run.shards if shard.group == group and number in shard.networks)
        data = run.load_shard(shard).sel(network=number, epoch=epoch)
        weights = np.abs(data["weights"].to_numpy().astype(np.float64))
        examples.append(
            Example(
                group=group,
                network=number,
                strength=float(data["strength"]),
                seed=int(data["seed"]),
                epoch=epoch,
                weights=weights.sum(axis=0) if weights.ndim == 3 else weights,
                positions=data["position"].to_numpy(),
                distances=data["distances"].to_numpy(),
                unit=str(data.attrs["length_unit"]),
                passes=bool(passes[place]),
            )
        )
    return examples


def _strongest(example: Example) -> tuple[Any, Any]:
    weights = example.weights.copy()
    np.fill_diagonal(weights, 0)
    count = min(SHOWN_CONNECTIONS, int((weights > 0).sum()))
    order = np.argsort(weights, axis=None)[::-1][:count]
    pre, post = np.unravel_index(order, weights.shape)
    return pre, post


def in_space(examples: list[Example]) -> Picture:
    """Draw the strongest connections of each example between its units."""
    colors = colors_of([example.group for example in examples])
    rows = []
    with style():
        figure = Figure(figsize=(5 * min(len(examples), 2), 4.4 * int(np.ceil(len(examples) / 2))))
        for place, example in enumerate(examples):
            axis = figure.add_subplot(
                int(np.ceil(len(examples) / 2)), min(len(examples), 2), place + 1, projection="3d"
            )
            pre, post = _strongest(example)
            _draw(axis, example, pre, post, colors[example.group])
            rows.append(example.connections(pre, post))
    chosen = "; ".join(
        f"{example.group}: network {example.network}, strength {example.strength:.3g}"
        + ("" if example.passes else " (does not pass)")
        for example in examples
    )
    caption = (
        f"The {SHOWN_CONNECTIONS} strongest connections at epoch {examples[0].epoch}, stronger ones darker and wider; "
        "a unit's size is its total weight, in and out. The passing network of median strength of each group: "
        f"{chosen}."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture("networks_in_space", "Networks where they live", caption, figure, values)


def _draw(axis: Any, example: Example, pre: Any, post: Any, color: str) -> None:
    positions = np.zeros((len(example.positions), 3))
    columns = min(example.positions.shape[1], 3)
    positions[:, :columns] = example.positions[:, :columns]
    weights = example.weights[pre, post]
    share = weights / weights.max() if len(weights) else weights
    lines = np.stack([positions[pre], positions[post]], axis=1)
    shades = [(*mpl.colors.to_rgb(color), 0.1 + 0.7 * part**2) for part in share]
    axis.add_collection3d(Line3DCollection(lines, colors=shades, linewidths=0.4 + 2.4 * share), autolim=False)
    strength = example.weights.sum(axis=0) + example.weights.sum(axis=1)
    sizes = 8 + 90 * strength / max(strength.max(), 1e-30)
    axis.scatter(*positions.T, s=sizes, color=color, edgecolors="white", linewidths=0.5, depthshade=True)
    spans = np.maximum(np.ptp(positions, axis=0), 0.15 * np.ptp(positions, axis=0).max())
    for name, low, span in zip("xyz", positions.min(axis=0), spans, strict=True):
        getattr(axis, f"set_{name}lim")(low - 0.05 * span, low + 1.05 * span)
        getattr(axis, f"set_{name}label")(f"{name} ({example.unit})")
        getattr(axis, f"{name}axis").set_major_locator(mpl.ticker.MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_box_aspect(spans, zoom=0.95)
    axis.view_init(elev=18, azim=-60)
    axis.set_title(f"{example.group}, strength {example.strength:.3g}", y=0.96)


def weight_against_distance(examples: list[Example]) -> Picture:
    """Draw the weight of every connection against its length."""
    colors = colors_of([example.group for example in examples])
    rows = []
    with style():
        figure = Figure(figsize=(5 * max(len(examples), 1), 3.8))
        axes = figure.subplots(1, len(examples), squeeze=False)[0]
        for axis, example in zip(axes, examples, strict=True):
            exists = example.weights > 0
            length, weight = example.distances[exists], example.weights[exists]
            axis.scatter(length, weight, s=5, color=colors[example.group], alpha=0.25, linewidths=0, rasterized=True)
            middle, mean = _binned(length, weight)
            axis.plot(middle, mean, color="black", marker="o", markersize=4, linewidth=1.2, label="mean by length")
            correlation = np.corrcoef(length, weight)[0, 1] if np.ptp(weight) > 0 < np.ptp(length) else np.nan
            axis.set(
                title=f"{example.group}: corr(W, D) = {correlation:.2f}",
                xlabel=f"Distance ({example.unit})",
                ylabel="|Weight|",
            )
            axis.legend()
            pre, post = np.nonzero(exists)
            rows.append(example.connections(pre, post))
    caption = (
        "Every connection of the same networks, those of a unit to itself (distance 0) included, as in the paper; "
        "Pearson's correlation."
    )
    values = pd.concat(rows, ignore_index=True)
    return Picture("weight_against_distance", "Weight against distance", caption, figure, values)


def _binned(length: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    edges = np.linspace(0, length.max(), 9)
    which = np.clip(np.digitize(length, edges) - 1, 0, 7)
    filled = [place for place in range(8) if (which == place).any()]
    return (
        np.array([length[which == place].mean() for place in filled]),
        np.array([weight[which == place].mean() for place in filled]),
    )
