"""Perceptual decision: of two noisy inputs, choose the stronger one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask
from spatialnets.tasks.scoring import refuse_heavy

__all__ = ["PerceptualDecision"]


@dataclass(frozen=True)
class PerceptualDecision(PhasedTask):
    r"""Two noisy inputs are shown, and the one that is stronger on average is chosen.

    Inputs are fixation (on until the decision), left and right; outputs are fixate, left and right. At coherence
    :math:`c` the stronger input is :math:`(1 + c) / 2` and the other :math:`(1 - c) / 2`, with noise anew at every
    step.
    Side and coherence are drawn uniformly; at coherence 0 the right answer is a side drawn by chance.

    Parameters
    ----------
    coherences
        From 0 to 1.
    fixation_steps, stimulus_steps, delay_steps, decision_steps
        How many steps each period takes, or the least and the most.
    noise
        Standard deviation of the noise on left and right while the stimulus is shown.
    fixation_weight
        How much a step before the decision, at which fixating is right, counts in the loss; below 1.

    Raises
    ------
    ValueError
        If there is no coherence or one is not from 0 to 1, or steps, noise or weight cannot be.

    References
    ----------
    Britten, Shadlen, Newsome & Movshon (1992), doi:10.1523/JNEUROSCI.12-12-04745.1992; coherences and times as in
    neurogym 2.3.1, PerceptualDecisionMaking, at 100 ms a step.

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
        if not self.coherences or not all(0 <= coherence <= 1 for coherence in self.coherences):
            raise ValueError(f"coherences must be one or more, from 0 to 1, not {self.coherences}")
        refuse_heavy("fixation_weight", self.fixation_weight)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Fixate, left and right."""
        return 3

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "sides": 2}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
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
        cue: dict[str, float | str] = {"fixation": 1}
        return (
            Phase("fixation", self.fixation_steps, cue, ask=0, weight=self.fixation_weight),
            Phase(
                "stimulus",
                self.stimulus_steps,
                {**cue, "sides": "strengths"},
                ask=0,
                weight=self.fixation_weight,
                noise={"sides": self.noise},
            ),
            Phase("delay", self.delay_steps, cue, ask=0, weight=self.fixation_weight),
            Phase("decision", self.decision_steps, ask="choice"),
        )
