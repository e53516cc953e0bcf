"""Figure of the geometry and the task: units in space, their distances, and one trial (Fig. 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spatialnets.errors import UserError
from spatialnets.protocols import Trials
from spatialnets.report.figures import Picture, join_items, style
from spatialnets.report.space import draw, plural, views
from spatialnets.rng import numpy_stream
from spatialnets.runs.run import Run

__all__ = ["setup"]


def setup(run: Run) -> Picture:
    """Plot the units of the first group in space, their pairwise distances, and one trial of the task."""
    group = run.groups[0]
    geometry = run.geometry_of(group)
    distances = geometry.distances[~np.eye(len(geometry.distances), dtype=bool)]
    trials, unit = _trials(run, group), plural(geometry.length_unit)
    with style():
        figure = Figure(figsize=(12, 3.8))
        space: Any = figure.add_subplot(1, 3, 1, projection="3d")
        draw(space, geometry, views(geometry)[0], "#0072B2", 30.0)
        space.set_title("Units in space", y=0.96)
        lengths = figure.add_subplot(1, 3, 2)
        counts, edges = np.histogram(distances, bins=24)
        lengths.stairs(counts / len(distances), edges, fill=True, color="#0072B2", alpha=0.6)
        lengths.set(title="Distances between units", xlabel=f"Distance ({unit})", ylabel="Fraction of pairs")
        lengths.set_ylim(0, None)
        lengths.axvline(distances.mean(), color="black", linewidth=1)
        if trials is not None:
            _draw_trial(figure.add_subplot(1, 3, 3), trials)
    caption = (
        f"The {len(geometry.positions)} units are {distances.mean():.3g} {unit} apart on average and at most "
        f"{distances.max():.3g} {unit}."
    )
    note = f"Geometry of group {group}. The vertical line is the mean distance."
    if trials is not None:
        periods = join_items([f"{name} ({start} to {stop})" for name, (start, stop) in trials.periods.items()])
        caption += f" A trial has {trials.inputs.shape[1]} time steps: {periods}."
        note += " The trial is the first of network 0, without noise."
    values = pd.DataFrame({"distance_from": edges[:-1], "distance_to": edges[1:], "pairs": counts})
    return Picture("setup", "Figure 1: geometry and task", caption, figure, values, note)


def _trials(run: Run, group: str) -> Trials | None:
    """Return a trial of a group's task; None if its components cannot be built, as for imported networks."""
    first = next(shard for shard in run.shards if shard.group == group)
    try:
        networks = run.parts(group, first.networks[0])
        return networks.task.trials(1, numpy_stream(networks.seeds[0], "training trials"))
    except UserError:
        return None


def _draw_trial(axis: Any, trials: Trials) -> None:
    inputs = trials.inputs[0].T
    axis.imshow(inputs, aspect="auto", cmap="Greys", interpolation="nearest", origin="upper")
    for name, (start, stop) in trials.periods.items():
        axis.axvline(start - 0.5, color="0.6", linewidth=0.8)
        axis.text((start + stop - 1) / 2, -0.8, name, ha="center", va="bottom", fontsize=9)
    scored = np.flatnonzero(trials.mask[0])
    axis.plot(scored, np.full(len(scored), len(inputs) - 0.2), "^", color="#D55E00", clip_on=False)
    axis.set(xlabel="Time step (▲ output is scored)", ylabel="Input channel", ylim=(len(inputs) - 0.5, -0.5))
    axis.set_title("Inputs in one trial", pad=20)
