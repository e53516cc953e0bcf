"""Parametric working memory: of two frequencies, one after the other, say which is higher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask
from spatialnets.tasks.scoring import refuse_heavy

__all__ = ["ParametricWorkingMemory"]


@dataclass(frozen=True)
class ParametricWorkingMemory(PhasedTask):
    r"""A frequency is felt, remembered over a delay, and compared with a second one.

    Inputs are fixation (on until the decision) and the frequency; outputs are fixate, first higher and second higher. A
    frequency :math:`f` is shown as :math:`(1 + (f - f_{min}) / (f_{max} - f_{min})) / 2`, from 0.5 to 1, with noise
    anew at every step. Pair and order are drawn uniformly.

    Parameters
    ----------
    frequencies
        The lower frequency of each pair, Hz.
    difference
        How much higher the other one is, Hz.
    fixation_steps, first_steps, delay_steps, second_steps, decision_steps
        How many steps each period takes, or the least and the most.
    noise
        Standard deviation of the noise on the frequency while one is shown.
    fixation_weight
        How much a step before the decision, at which fixating is right, counts in the loss; below 1.

    Raises
    ------
    ValueError
        If there is no frequency, the difference is not more than 0, or steps, noise or weight cannot be.

    References
    ----------
    Romo, Brody, Hernandez & Lemus (1999), doi:10.1038/20939; pairs of frequencies and times as in neurogym 2.3.1,
    DelayComparison, at 100 ms a step.

    Examples
    --------
    >>> trials = ParametricWorkingMemory().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.periods["second"]
    ((128, 26, 2), (20, 25))
    """

    references: ClassVar[tuple[str, ...]] = ("romo1999",)

    frequencies: tuple[float, ...] = (10.0, 14.0, 18.0, 22.0, 26.0)
    difference: float = 8.0
    fixation_steps: int | tuple[int, int] = 5
    first_steps: int | tuple[int, int] = 5
    delay_steps: int | tuple[int, int] = 10
    second_steps: int | tuple[int, int] = 5
    decision_steps: int | tuple[int, int] = 1
    noise: float = 0.1
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        if not self.frequencies or not np.isfinite(self.frequencies).all():
            raise ValueError(f"frequencies must be one or more finite numbers, not {self.frequencies}")
        if not self.difference > 0 or not np.isfinite(self.difference):
            raise ValueError(f"difference must be finite and more than 0, not {self.difference}")
        refuse_heavy("fixation_weight", self.fixation_weight)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Fixate, first higher and second higher."""
        return 3

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "frequency": 1}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        lower = np.asarray(self.frequencies)[generator.integers(len(self.frequencies), size=count)]
        first_higher = generator.integers(2, size=count)
        first, second = lower + self.difference * first_higher, lower + self.difference * (1 - first_higher)
        least = min(self.frequencies)
        width = max(self.frequencies) + self.difference - least
        return {
            "first_hz": first,
            "second_hz": second,
            "first": (1 + (first - least) / width) / 2,
            "second": (1 + (second - least) / width) / 2,
            "choice": 2 - first_higher,
        }

    def phases(self) -> tuple[Phase, ...]:
        cue: dict[str, float | str] = {"fixation": 1}
        weight, noise = self.fixation_weight, {"frequency": self.noise}
        return (
            Phase("fixation", self.fixation_steps, cue, ask=0, weight=weight),
            Phase("first", self.first_steps, {**cue, "frequency": "first"}, ask=0, weight=weight, noise=noise),
            Phase("delay", self.delay_steps, cue, ask=0, weight=weight),
            Phase("second", self.second_steps, {**cue, "frequency": "second"}, ask=0, weight=weight, noise=noise),
            Phase("decision", self.decision_steps, ask="choice"),
        )
