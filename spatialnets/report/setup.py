"""What was trained: where units live, how far apart, what they see and what they pay (Fig. 1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from spatialnets.errors import UserError
from spatialnets.protocols import Trials
from spatialnets.report.figures import Picture, style
from spatialnets.report.space import draw, views
from spatialnets.rng import numpy_stream
from spatialnets.runs.run import Run

__all__ = ["setup"]


def setup(run: Run) -> Picture:
    """Draw the units of the first group in space, their distances, and one trial of its task."""
    group = run.groups[0]
    geometry = run.geometry_of(group)
    between = geometry.distances[~np.eye(len(geometry.distances), dtype=bool)]
    trials = _trials(run, group)
    with style():
        figure = Figure(figsize=(12, 3.8))
        space: Any = figure.add_subplot(1, 3, 1, projection="3d")
        draw(space, geometry, views(geometry)[0], "#0072B2", np.full(len(geometry.positions), 30.0))
        space.set_title("Units in space", y=0.96)
        lengths = figure.add_subplot(1, 3, 2)
        counts, edges = np.histogram(between, bins=24)
        lengths.stairs(counts / len(between), edges, fill=True, color="#0072B2", alpha=0.6)
        lengths.set(
            title="How far apart", xlabel=f"Distance ({geometry.length_unit})", ylabel="Share of pairs", ylim=(0, None)
        )
        lengths.axvline(between.mean(), color="black", linewidth=1)
        if trials is not None:
            _draw_trial(figure.add_subplot(1, 3, 3), trials)
    unit = "steps" if geometry.length_unit == "step" else geometry.length_unit
    caption = (
        f"{len(geometry.positions)} units live {between.mean():.3g} {unit} apart on average, and {between.max():.3g} "
        f"{unit} at most. "
    )
    if trials is not None:
        periods = ", ".join(f"{name} (steps {start} to {stop})" for name, (start, stop) in trials.periods.items())
        caption += f"A trial has {trials.inputs.shape[1]} steps: {periods}."
    note = f"Group {group}. The upright line is the mean distance; the trial is the first of network 0, without noise."
    values = pd.DataFrame({"distance_from": edges[:-1], "distance_to": edges[1:], "pairs": counts})
    return Picture("setup", "Figure 1: what was trained", caption, figure, values, note)


def _trials(run: Run, group: str) -> Trials | None:
    """Return a trial of a group's task; None where its parts are not to be had, as those of imported networks."""
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
    asked = np.flatnonzero(trials.mask[0])
    axis.plot(
        asked, np.full(len(asked), len(inputs) - 0.2), marker="^", linestyle="none", color="#D55E00", clip_on=False
    )
    axis.set(xlabel="Step (▲ an answer is asked)", ylabel="Input channel", ylim=(len(inputs) - 0.5, -0.5))
    axis.set_title("What a network sees", pad=20)
