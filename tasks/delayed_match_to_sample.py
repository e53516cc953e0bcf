"""Delayed match-to-sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import FixationTask, Phase, TrialVariables
from spatialnets.validation import require_at_least

__all__ = ["DelayedMatchToSample"]


@dataclass(frozen=True)
class DelayedMatchToSample(FixationTask):
    """Delayed match-to-sample: report whether a test stimulus equals the sample shown before a delay.

    Inputs are fixation (on until the decision) and `stimuli` channels, one-hot; outputs are fixate, match and
    non-match. The test equals the sample in half of the trials and is a different stimulus in the others; all are drawn
    uniformly.

    Parameters
    ----------
    stimuli
        Number of different stimuli, 2 or more.
    fixation_steps, sample_steps, delay_steps, test_steps, decision_steps
        Length of each period in steps, or (minimum, maximum) of a length drawn uniformly for each trial.
    noise
        Standard deviation of the noise on the stimulus channels during sample and test.
    fixation_weight
        Loss weight of a step before the decision, when the network must fixate, relative to a decision step; below 1.

    Raises
    ------
    ValueError
        If a value is out of range.

    References
    ----------
    Miller, Erickson & Desimone (1996), doi:10.1523/JNEUROSCI.16-16-05154.1996, without distractors; period lengths as
    in neurogym 2.3.1, DelayMatchSample, at 100 ms per step, except that the decision has 5 steps instead of 9.

    Examples
    --------
    >>> trials = DelayedMatchToSample(delay_steps=(5, 15)).trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.periods["delay"]
    ((128, 33, 5), (8, 13))
    """

    references: ClassVar[tuple[str, ...]] = ("miller1996",)

    stimuli: int = 4
    fixation_steps: int | tuple[int, int] = 3
    sample_steps: int | tuple[int, int] = 5
    delay_steps: int | tuple[int, int] = 10
    test_steps: int | tuple[int, int] = 5
    decision_steps: int | tuple[int, int] = 5
    noise: float = 0.1
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        require_at_least("stimuli", self.stimuli, 2)
        super().__post_init__()

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "stimuli": self.stimuli}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        sample = generator.integers(self.stimuli, size=count)
        match = generator.integers(2, size=count).astype(bool)
        other = (sample + generator.integers(1, self.stimuli, size=count)) % self.stimuli
        return {"sample": sample, "test": np.where(match, sample, other), "choice": np.where(match, 1, 2)}

    def phases(self) -> tuple[Phase, ...]:
        noise = {"stimuli": self.noise}
        return (
            self.fixate("fixation"),
            self.fixate("sample", noise, stimuli="sample"),
            self.fixate("delay"),
            self.fixate("test", noise, stimuli="test"),
            Phase("decision", self.decision_steps, ask="choice"),
        )
