"""The targets for speed and memory, one row of the page each, and whether they are met."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

NO_GPU, NOT_MEASURED = "not measured: no GPU was available", "not measured"

REFERENCES = {
    "rnn": "torch.nn.RNN",
    "leaky": "torch.nn.RNN",
    "gru": "torch.nn.GRU",
    "lstm": "torch.nn.LSTM",
    "lif": "snntorch.RLeaky",
    "alif": "snntorch.RLeaky",
}
"""The module of another package that does the same as a core, or, for `leaky` and `alif`, somewhat less."""

Results = Mapping[str, Mapping[str, float]]
"""Figures by benchmark and name."""


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
        measured = [
            figure.words.format(f"{value:,.3g}" if value < 1000 else f"{value:,.0f}")
            for figure, value in values
            if value is not None
        ]
        return "; ".join(measured) or NOT_MEASURED

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
ANY = float("inf")  # limit of a figure that has no target, and stands beside a ratio

TARGETS = (
    Target(
        "training of `sernn_paper` on two cores, both groups, compared with one network at a time",
        "≥ 4x; stretch ≥ 6x and 70 % of the GEMM peak",
        (
            Figure("paper", "ratio", "{}x", 4, 6, above=True),
            Figure("paper", "seconds per network and epoch", "{} s a network and epoch", ANY),
            Figure("paper", "seconds per network and epoch: one by one, two threads", "one by one {} s", ANY),
            Figure("paper", "share of the GEMM peak", "{} % of the GEMM peak", 0, 70, above=True, percent=True),
        ),
    ),
    Target(
        "the whole experiment of the paper (2,000 networks, 10 epochs) on two cores",
        "< 40 min; stretch < 25 min",
        (Figure("paper", PAPER_MINUTES, "{} min", 40, 25),),
    ),
    Target("the whole experiment of the paper on one H200", "< 120 s; stretch < 30 s"),
    Target(
        "share of a training step spent in the `both` penalty, 100 units",
        "< 10 %; stretch < 5 %",
        (Figure("penalty", "share of a step", "{} %", 10, 5, percent=True),),
    ),
    Target(
        "communicability, forward and backward, 1,000 units, compared with `matrix_exp`",
        "≥ 8x; stretch ≥ 12x",
        (
            Figure("series", "ratio, 1000 units", "{}x", 8, 12, above=True),
            Figure("series", "milliseconds per network: series, 1000 units", "{} ms", ANY),
            Figure("series", "milliseconds per network: matrix_exp, 1000 units", "`matrix_exp` {} ms", ANY),
        ),
    ),
    Target(
        "an update of a network of 10,000 units, stochastic method, one thread",
        "< 10 s; stretch < 3 s",
        (Figure("size", "seconds per update: stochastic, 10000 units", "{} s", 10, 3),),
    ),
    Target(
        "every core of the toolkit, forward and backward, compared with PyTorch's or snntorch's",
        "≥ 1x; stretch ≥ 2x",
        (
            Figure("cores", "ratio, least of all cores", "at least {}x", 1, 2, above=True),
            *(
                Figure("cores", f"ratio: {reference} to {core}", f"{core} {{}}x", 0, above=True)
                for core, reference in REFERENCES.items()
            ),
        ),
    ),
    Target(
        "structure of 11,000 matrices (wiring, modularity, small-worldness with exact null models), one core",
        "< 2.5 min; stretch < 1 min",
        (Figure("structure", "minutes for 11,000 matrices", "{} min", 2.5, 1),),
    ),
    Target(
        "one generative network, 100 units, 400 connections, any of the 13 rules",
        "< 3 ms; stretch < 1 ms",
        (Figure("growth", "milliseconds: slowest rule", "{} ms", 3, 1),),
    ),
    Target(
        "distances between 400 units on a cortex of 10,000 vertices, first time and cached",
        "< 4 s and < 0.1 s; stretch < 2 s",
        (
            Figure("surface", "seconds, first time", "{} s", 4, 2),
            Figure("surface", "seconds, cached", "{} s cached", 0.1),
        ),
    ),
    Target(
        "`spatialnets --help`; `spatialnets run` until the first training step",
        "< 0.2 s; < 3.5 s",
        (
            Figure("start", "seconds: spatialnets --help", "{} s", 0.2),
            Figure("start", "seconds: spatialnets run, one update", "{} s, including one update and exit", 3.5),
        ),
    ),
    Target(
        "the preset `sernn_demo` from the command to its report",
        "< 30 s; stretch < 15 s",
        (Figure("demo", "seconds, command to report", "{} s", 30, 15),),
    ),
    Target(
        "peak memory, 1,000 networks, driver and workers together",
        "< 3 GiB; stretch: flat in the number of networks",
        (
            Figure(
                "networks",
                "peak memory, GiB: together, 1,000 networks, by a straight line",
                "{} GiB by linear extrapolation",
                3,
            ),
            Figure(
                "networks",
                "peak memory, MiB for each further network",
                "{} MiB per additional network",
                ANY,
                0.1,  # flat: a thousand networks add less than 0.1 GiB to the memory of any run
            ),
        ),
    ),
    Target(
        "report on 4,000 tiny networks (500 shards), measured before",
        "< 15 s; stretch < 5 s (96 s at a538c93)",
        (Figure("report", "seconds to report, measured before", "{} s", 15, 5),),
    ),
    Target(
        "report on the whole paper, measured before, with figures",
        "< 60 s",
        (Figure("report", "seconds to report the whole paper, measured before", "{} s", 60),),
    ),
    Target(
        "`spatialnets validate` for 2,000,000 networks: time and peak memory",
        "< 10 s and < 0.6 GB (100 s and 1 GB at a538c93)",
        (Figure("declare", "seconds", "{} s", 10), Figure("declare", "peak memory, GB", "{} GB", 0.6)),
    ),
)
