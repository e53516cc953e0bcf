"""Delayed match to sample: say whether what is shown now was shown before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask
from spatialnets.tasks.scoring import refuse_heavy

__all__ = ["DelayedMatchToSample"]


@dataclass(frozen=True)
class DelayedMatchToSample(PhasedTask):
    """A sample is shown and goes away; after a delay, say whether a test is the same.

    Inputs are fixation (on until the decision) and `stimuli` channels, one-hot; outputs are fixate, match and no match.
    In half of the trials the test is the sample, in the others one of the other stimuli, all drawn uniformly.

    Parameters
    ----------
    stimuli
        How many stimuli there are, 2 or more.
    fixation_steps, sample_steps, delay_steps, test_steps, decision_steps
        How many steps each period takes, or the least and the most.
    noise
        Standard deviation of the noise on the stimuli while one is shown.
    fixation_weight
        How much a step before the decision, at which fixating is right, counts in the loss; below 1.

    Raises
    ------
    ValueError
        If there are fewer than two stimuli, or steps, noise or weight cannot be.

    References
    ----------
    Miller, Erickson & Desimone (1996), doi:10.1523/JNEUROSCI.16-16-05154.1996, without distractors; times as in
    neurogym 2.3.1, DelayMatchSample, at 100 ms a step, but for a decision of 5 steps instead of 9.

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
        if self.stimuli < 2:
            raise ValueError(f"stimuli must be 2 or more, not {self.stimuli}")
        refuse_heavy("fixation_weight", self.fixation_weight)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Fixate, match and no match."""
        return 3

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "stimuli": self.stimuli}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        sample = generator.integers(self.stimuli, size=count)
        match = generator.integers(2, size=count).astype(bool)
        other = (sample + generator.integers(1, self.stimuli, size=count)) % self.stimuli
        return {"sample": sample, "test": np.where(match, sample, other), "choice": np.where(match, 1, 2)}

    def phases(self) -> tuple[Phase, ...]:
        cue: dict[str, float | str] = {"fixation": 1}
        weight, noise = self.fixation_weight, {"stimuli": self.noise}
        return (
            Phase("fixation", self.fixation_steps, cue, ask=0, weight=weight),
            Phase("sample", self.sample_steps, {**cue, "stimuli": "sample"}, ask=0, weight=weight, noise=noise),
            Phase("delay", self.delay_steps, cue, ask=0, weight=weight),
            Phase("test", self.test_steps, {**cue, "stimuli": "test"}, ask=0, weight=weight, noise=noise),
            Phase("decision", self.decision_steps, ask="choice"),
        )
