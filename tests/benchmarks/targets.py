"""The targets for speed and memory, one row of the page each, and whether they are met."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

Results = Mapping[str, Mapping[str, float]]
"""Figures by benchmark and name."""

NO_GPU = "not measured: no GPU was available"


@dataclass(frozen=True)
class Figure:
    """A measured figure and its limits.

    Attributes
    ----------
    benchmark, name
        The benchmark that measures it, and its name there.
    words
        How it is written on the page, with `{}` for the number.
    reach, stretch
        The target and the stretch goal; the latter is optional.
    above
        Whether larger values are better.
    percent
        Whether it is a share, written in percent.
    """

    benchmark: str
    name: str
    words: str
    reach: float
    stretch: float | None = None
    above: bool = False
    percent: bool = False

    def value(self, results: Results) -> float | None:
        """Return the measured value, or None if it was not measured."""
        value = results.get(self.benchmark, {}).get(self.name)
        return None if value is None or math.isnan(value) else value * (100 if self.percent else 1)

    def met(self, value: float, limit: float | None) -> bool:
        """Return whether a value is on the right side of a limit."""
        return limit is not None and (value >= limit if self.above else value < limit)


@dataclass(frozen=True)
class Target:
    """A row of the table: the quantity and the target, in words, and the figures that decide whether it is met."""

    what: str
    reach: str
    figures: tuple[Figure, ...] = ()

    def reached(self, results: Results) -> str:
        """Return the measured values, in words."""
        if not self.figures:
            return NO_GPU
        values = [(figure, figure.value(results)) for figure in self.figures]
        return "; ".join(
            figure.words.format(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")
            if value is not None
            else figure.words.format("?")
            for figure, value in values
        )

    def met(self, results: Results) -> str:
        """Return "yes", "yes, and the stretch goal" or "no"; a dash if something was not measured."""
        values = [figure.value(results) for figure in self.figures]
        measured = [(figure, value) for figure, value in zip(self.figures, values, strict=True) if value is not None]
        if not measured or len(measured) < len(values):
            return "-"
        if not all(figure.met(value, figure.reach) for figure, value in measured):
            return "no"
        stretched = [(figure, value) for figure, value in measured if figure.stretch is not None]
        beyond = bool(stretched) and all(figure.met(value, figure.stretch) for figure, value in stretched)
        return "yes, and the stretch goal" if beyond else "yes"


PAPER_MINUTES = "minutes for 2,000 networks and 10 epochs"

TARGETS = (
    Target(
        "training of `sernn_paper` on two cores, both groups, compared with one network at a time",
        "≥ 2x; stretch ≥ 4x",
        (Figure("paper", "ratio", "{}x", 2, 4, above=True),),
    ),
    Target(
        "the whole experiment of the paper (2,000 networks, 10 epochs) on two cores",
        "< 50 min; stretch < 25 min",
        (Figure("paper", PAPER_MINUTES, "{} min", 50, 25),),
    ),
    Target("the whole experiment of the paper on one H200", "< 120 s; stretch < 30 s"),
    Target(
        "share of a training step spent in the `both` penalty, 100 units",
        "< 20 %; stretch < 10 %",
        (Figure("penalty", "share of a step", "{} %", 20, 10, percent=True),),
    ),
    Target(
        "communicability, forward and backward, 1,000 units, compared with `matrix_exp`; training of 10,000 units",
        "≥ 4x; stretch ≥ 8x; 10,000 units possible",
        (
            Figure("series", "ratio, 1000 units", "{}x", 4, 8, above=True),
            Figure("size", "seconds per update: stochastic, 10000 units", "10,000 units: {} s each", float("inf")),
        ),
    ),
    Target(
        "structure of 11,000 matrices (wiring, modularity, small-worldness with exact null models), one core",
        "< 5 min; stretch < 1 min",
        (Figure("structure", "minutes for 11,000 matrices", "{} min", 5, 1),),
    ),
    Target(
        "one generative network, 100 units, 400 connections, any of the 13 rules",
        "< 10 ms; stretch < 3 ms",
        (Figure("growth", "milliseconds: slowest rule", "{} ms", 10, 3),),
    ),
    Target(
        "distances between 400 units on a cortex of 10,000 vertices, first time and cached",
        "< 5 s and < 0.1 s; stretch < 2 s",
        (
            Figure("surface", "seconds, first time", "{} s", 5, 2),
            Figure("surface", "seconds, cached", "{} s cached", 0.1),
        ),
    ),
    Target(
        "`spatialnets --help`; `spatialnets run` until the first training step",
        "< 0.6 s; < 6 s",
        (
            Figure("start", "seconds: spatialnets --help", "{} s", 0.6),
            Figure("start", "seconds: spatialnets run, one update", "{} s, including one update and exit", 6),
        ),
    ),
    Target(
        "peak memory, 1,000 networks, driver and workers together",
        "< 4 GiB; stretch: flat in the number of networks",
        (
            Figure(
                "networks",
                "peak memory, GiB: together, 1,000 networks, by a straight line",
                "{} GiB by linear extrapolation",
                4,
            ),
            Figure(
                "networks",
                "peak memory, MiB for each further network",
                "{} MiB per additional network",
                float("inf"),
                0.1,  # flat: a thousand networks add less than 0.1 GiB to the memory of any run
            ),
        ),
    ),
)
