"""Perceptual decision-making between two noisy inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import FixationTask, Phase, TrialVariables
from spatialnets.validation import require_fraction

__all__ = ["PerceptualDecision"]


@dataclass(frozen=True)
class PerceptualDecision(FixationTask):
    """Perceptual decision-making: report which of two noisy inputs is stronger.

    Inputs are fixation (on until the decision), left and right; outputs are fixate, left and right. At coherence
    :math:`c` the stronger input is :math:`(1 + c) / 2` and the weaker :math:`(1 - c) / 2`; independent noise is added
    at every step. Side and coherence are drawn uniformly; at coherence 0 the correct side is random.

    Parameters
    ----------
    coherences
        Coherences to draw from, between 0 and 1.
    fixation_steps, stimulus_steps, delay_steps, decision_steps
        Length of each period in steps, or (minimum, maximum) of a length drawn uniformly for each trial.
    noise
        Standard deviation of the noise on left and right during the stimulus.
    fixation_weight
        Loss weight of a step before the decision, when the network must fixate, relative to a decision step; below 1.

    Raises
    ------
    ValueError
        If there are no coherences, or a value is out of range.

    References
    ----------
    Britten, Shadlen, Newsome & Movshon (1992), doi:10.1523/JNEUROSCI.12-12-04745.1992; coherences and period lengths as
    in neurogym 2.3.1, PerceptualDecisionMaking, at 100 ms per step.

    Examples
    --------
    >>> trials = PerceptualDecision().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.periods["stimulus"]
    ((128, 22, 3), (1, 21))
    """

    references: ClassVar[tuple[str, ...]] = ("britten1992",)

    coherences: tuple[float, ...] = (0.0, 0.064, 0.128, 0.256, 0.512)
    fixation_steps: int | tuple[int, int] = 1
    stimulus_steps: int | tuple[int, int] = 20
    delay_steps: int | tuple[int, int] = 0
    decision_steps: int | tuple[int, int] = 1
    noise: float = 0.1
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        if not self.coherences:
            raise ValueError("coherences must not be empty")
        require_fraction("coherences", self.coherences)
        super().__post_init__()

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "sides": 2}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        side = generator.integers(2, size=count)
        coherence = np.asarray(self.coherences)[generator.integers(len(self.coherences), size=count)]
        signs = np.where(side[:, None] == np.arange(2), 1, -1)
        return {
            "coherence": coherence,
            "evidence": signs[:, 0] * coherence,
            "choice": 1 + side,
            "strengths": (1 + signs * coherence[:, None]) / 2,
        }

    def phases(self) -> tuple[Phase, ...]:
        return (
            self.fixate("fixation"),
            self.fixate("stimulus", {"sides": self.noise}, sides="strengths"),
            self.fixate("delay"),
            Phase("decision", self.decision_steps, ask="choice"),
        )
