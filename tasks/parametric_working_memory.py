"""Parametric working memory: comparison of two frequencies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import FixationTask, Phase, TrialVariables
from spatialnets.validation import require_positive

__all__ = ["ParametricWorkingMemory"]


@dataclass(frozen=True)
class ParametricWorkingMemory(FixationTask):
    """Parametric working memory: report which of two frequencies, separated by a delay, is higher.

    Inputs are fixation (on until the decision) and the frequency; outputs are fixate, first higher and second higher. A
    frequency :math:`f` is encoded as :math:`(1 + (f - f_{min}) / (f_{max} - f_{min})) / 2`, between 0.5 and 1;
    independent noise is added at every step. Pair and order are drawn uniformly.

    Parameters
    ----------
    frequencies
        Lower frequency of each pair, in Hz.
    difference
        Difference between the two frequencies of a pair, in Hz.
    fixation_steps, first_steps, delay_steps, second_steps, decision_steps
        Length of each period in steps, or (minimum, maximum) of a length drawn uniformly for each trial.
    noise
        Standard deviation of the noise on the frequency input while a frequency is shown.
    fixation_weight
        Loss weight of a step before the decision, when the network must fixate, relative to a decision step; below 1.

    Raises
    ------
    ValueError
        If there are no frequencies, or a value is out of range.

    References
    ----------
    Romo, Brody, Hernandez & Lemus (1999), doi:10.1038/20939; frequency pairs and period lengths as in neurogym 2.3.1,
    DelayComparison, at 100 ms per step.

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
        require_positive("difference", self.difference)
        super().__post_init__()

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "frequency": 1}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        lower = np.asarray(self.frequencies)[generator.integers(len(self.frequencies), size=count)]
        first_higher = generator.integers(2, size=count)
        first, second = lower + self.difference * first_higher, lower + self.difference * (1 - first_higher)
        lowest = min(self.frequencies)
        width = max(self.frequencies) + self.difference - lowest
        return {
            "first_hz": first,
            "second_hz": second,
            "first": (1 + (first - lowest) / width) / 2,
            "second": (1 + (second - lowest) / width) / 2,
            "choice": 2 - first_higher,
        }

    def phases(self) -> tuple[Phase, ...]:
        noise = {"frequency": self.noise}
        return (
            self.fixate("fixation"),
            self.fixate("first", noise, frequency="first"),
            self.fixate("delay"),
            self.fixate("second", noise, frequency="second"),
            Phase("decision", self.decision_steps, ask="choice"),
        )
