"""Context-dependent decision-making on motion or colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import FixationTask, Phase, TrialVariables
from spatialnets.validation import require_positive

__all__ = ["ContextDecision"]


@dataclass(frozen=True)
class ContextDecision(FixationTask):
    r"""Context-dependent decision-making: motion and colour are shown, and a context cue says which one to report.

    Inputs are fixation (on until the decision), motion, colour, and the context (two channels, one-hot, always on);
    outputs are fixate, left and right. The evidence for left is :math:`\pm c` for motion and for colour, each with its
    own coherence :math:`c`; independent noise is added at every step. Context, signs and coherences are drawn uniformly
    and independently.

    Parameters
    ----------
    coherences
        Coherences to draw from, greater than 0.
    fixation_steps, stimulus_steps, delay_steps, decision_steps
        Length of each period in steps, or (minimum, maximum) of a length drawn uniformly for each trial.
    noise
        Standard deviation of the noise on motion and colour during the stimulus.
    fixation_weight
        Loss weight of a step before the decision, when the network must fixate, relative to a decision step; below 1.

    Raises
    ------
    ValueError
        If there are no coherences, or a value is out of range.

    References
    ----------
    Mante, Sussillo, Shenoy & Newsome (2013), doi:10.1038/nature12742: the inputs are those of its model network. There
    the response is a continuous output, here a choice. Coherences as in neurogym 2.3.1, ContextDecisionMaking.

    Examples
    --------
    >>> trials = ContextDecision().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, sorted(trials.codes)
    ((128, 20, 5), ['choice', 'colour', 'context', 'motion'])
    """

    references: ClassVar[tuple[str, ...]] = ("mante2013",)

    coherences: tuple[float, ...] = (0.05, 0.15, 0.5)
    fixation_steps: int | tuple[int, int] = 3
    stimulus_steps: int | tuple[int, int] = 8
    delay_steps: int | tuple[int, int] = 6
    decision_steps: int | tuple[int, int] = 3
    noise: float = 0.1
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        if not self.coherences:
            raise ValueError("coherences must not be empty")
        require_positive("coherences", self.coherences)
        super().__post_init__()

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "motion": 1, "colour": 1, "context": 2}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        context = generator.integers(2, size=count)
        coherence = np.asarray(self.coherences)[generator.integers(len(self.coherences), size=(count, 2))]
        evidence = coherence * generator.choice([-1, 1], size=(count, 2))
        relevant = evidence[np.arange(count), context]
        return {
            "context": context,
            "motion": evidence[:, 0],
            "colour": evidence[:, 1],
            "choice": np.where(relevant > 0, 1, 2),
        }

    def phases(self) -> tuple[Phase, ...]:
        noise = {"motion": self.noise, "colour": self.noise}
        return (
            self.fixate("fixation", context="context"),
            self.fixate("stimulus", noise, context="context", motion="motion", colour="colour"),
            self.fixate("delay", context="context"),
            Phase("decision", self.decision_steps, {"context": "context"}, ask="choice"),
        )
