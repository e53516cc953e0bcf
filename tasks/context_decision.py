"""Context-dependent decision: the same two inputs, and a context that says which of them counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask
from spatialnets.tasks.scoring import refuse_heavy

__all__ = ["ContextDecision"]


@dataclass(frozen=True)
class ContextDecision(PhasedTask):
    r"""Motion and colour are shown together; the context says which of the two decides between left and right.

    Inputs are fixation (on until the decision), motion, colour, and the context (two channels, one-hot, on throughout);
    outputs are fixate, left and right. Motion and colour are evidence for left, :math:`\pm c` with a coherence
    :math:`c` each, and noise anew at every step. Context, signs and coherences are drawn uniformly and independently.

    Parameters
    ----------
    coherences
        More than 0.
    fixation_steps, stimulus_steps, delay_steps, decision_steps
        How many steps each period takes, or the least and the most.
    noise
        Standard deviation of the noise on motion and colour while they are shown.
    fixation_weight
        How much a step before the decision, at which fixating is right, counts in the loss; below 1.

    Raises
    ------
    ValueError
        If there is no coherence or one is not more than 0, or steps, noise or weight cannot be.

    References
    ----------
    Mante, Sussillo, Shenoy & Newsome (2013), doi:10.1038/nature12742: the inputs are those of its model network. There
    the answer is a number, here a choice. Coherences as in neurogym 2.3.1, ContextDecisionMaking.

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
        if not self.coherences or not all(0 < coherence < np.inf for coherence in self.coherences):
            raise ValueError(f"coherences must be one or more, finite and more than 0, not {self.coherences}")
        refuse_heavy("fixation_weight", self.fixation_weight)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Fixate, left and right."""
        return 3

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "motion": 1, "colour": 1, "context": 2}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
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
        context: dict[str, float | str] = {"context": "context"}
        cue: dict[str, float | str] = {**context, "fixation": 1}
        weight, noise = self.fixation_weight, {"motion": self.noise, "colour": self.noise}
        shown = {**cue, "motion": "motion", "colour": "colour"}
        return (
            Phase("fixation", self.fixation_steps, cue, ask=0, weight=weight),
            Phase("stimulus", self.stimulus_steps, shown, ask=0, weight=weight, noise=noise),
            Phase("delay", self.delay_steps, cue, ask=0, weight=weight),
            Phase("decision", self.decision_steps, context, ask="choice"),
        )
