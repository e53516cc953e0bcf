"""Draw time and memory against the number of units and against the number of networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

Line = tuple[str, str, str, str]
"""Name of the figures (with `{}` for the number), label, marker, color."""

BLUE, RED, GREEN = "#0072B2", "#D55E00", "#009E73"  # distinguishable with colour blindness (Okabe & Ito)
SECONDS_BY_UNITS: Sequence[Line] = (
    ("seconds per update: exact, {} units", "exact", "s", RED),
    ("seconds per update: stochastic, {} units", "stochastic", "o", BLUE),
)
MEMORY_BY_UNITS: Sequence[Line] = (
    ("peak memory, GiB: exact, {} units", "exact", "s", RED),
    ("peak memory, GiB: stochastic, {} units", "stochastic", "o", BLUE),
)
SECONDS_BY_NETWORKS: Sequence[Line] = (("seconds: {} networks", "whole run", "o", BLUE),)
MEMORY_BY_NETWORKS: Sequence[Line] = (
    ("peak memory, GiB: together, {} networks", "all processes together", "^", GREEN),
    ("peak memory, GiB: largest worker, {} networks", "largest worker", "s", RED),
    ("peak memory, GiB: driver, {} networks", "driver", "o", BLUE),
)


def numbers(figures: Mapping[str, float], pattern: str) -> dict[int, float]:
    """Return the figures whose names match a pattern, by the number in the name, in ascending order."""
    before, _, after = pattern.partition("{}")
    values = {
        int(name.removeprefix(before).removesuffix(after)): value
        for name, value in figures.items()
        if name.startswith(before) and name.endswith(after) and value == value
    }
    return dict(sorted(values.items()))


def _draw(axes: Axes, figures: Mapping[str, float], lines: Sequence[Line], label: str, counted: str) -> None:
    ticks: set[int] = set()
    for pattern, name, marker, color in lines:
        points = numbers(figures, pattern)
        ticks |= points.keys()
        axes.plot(list(points), list(points.values()), marker=marker, color=color, label=name)
    axes.set_xscale("log")
    axes.set_xticks(sorted(ticks), [f"{tick:,}" for tick in sorted(ticks)])
    axes.set_xlabel(counted)
    axes.set_ylabel(label)
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    if len(lines) > 1:
        axes.legend(frameon=False)


def _pair(
    figures: Mapping[str, float], seconds: Sequence[Line], memory: Sequence[Line], label: str, counted: str
) -> tuple[Figure, Sequence[Axes]]:
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = list(figure.subplots(1, 2))
    _draw(panels[0], figures, seconds, label, counted)
    _draw(panels[1], figures, memory, "peak memory (GiB)", counted)
    return figure, panels


def draw_size(figures: Mapping[str, float], path: Path) -> None:
    """Draw the benchmark `size`: seconds and memory against the number of units, on logarithmic axes."""
    figure, panels = _pair(figures, SECONDS_BY_UNITS, MEMORY_BY_UNITS, "seconds per update", "units of the network")
    for axes in panels:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.minorticks_off()
    panels[1].yaxis.set_major_locator(LogLocator(base=2))  # memory spans less than two powers of ten
    figure.savefig(path, dpi=150)


def draw_networks(figures: Mapping[str, float], path: Path) -> None:
    """Draw the benchmark `networks`: seconds and memory against the number of networks, starting at zero."""
    figure, panels = _pair(figures, SECONDS_BY_NETWORKS, MEMORY_BY_NETWORKS, "seconds", "networks, one epoch each")
    for axes in panels:
        axes.set_ylim(0, 1.1 * axes.dataLim.ymax)
    figure.savefig(path, dpi=150)


PICTURES = {
    "size": (draw_size, "size.png", "Seconds per update and peak memory against the number of units"),
    "networks": (draw_networks, "networks.png", "Seconds and peak memory against the number of networks"),
}
