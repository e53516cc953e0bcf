"""Go/no-go: respond to one stimulus, and hold still for the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask
from spatialnets.tasks.scoring import refuse_heavy

__all__ = ["GoNoGo"]


@dataclass(frozen=True)
class GoNoGo(PhasedTask):
    """One of two stimuli is shown; after a delay, go for the one and hold still for the other.

    Inputs are fixation (on until the decision), go and no-go; outputs are hold still and go.

    Parameters
    ----------
    go_share
        In what fraction of trials the stimulus is go; from 0 to 1.
    stimulus_steps, delay_steps, decision_steps
        How many steps each period takes, or the least and the most.
    fixation_weight
        How much a step before the decision, at which holding still is right, counts in the loss; below 1.

    Raises
    ------
    ValueError
        If the share is not from 0 to 1, or steps or weight cannot be.

    References
    ----------
    Donders (1868; 1969), doi:10.1016/0001-6918(69)90065-1, method c; times as in neurogym 2.3.1, GoNogo, at 100 ms a
    step.

    Examples
    --------
    >>> trials = GoNoGo().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.periods
    ((128, 15, 3), {'stimulus': (0, 5), 'delay': (5, 10), 'decision': (10, 15)})
    """

    references: ClassVar[tuple[str, ...]] = ("donders1969",)

    go_share: float = 0.5
    stimulus_steps: int | tuple[int, int] = 5
    delay_steps: int | tuple[int, int] = 5
    decision_steps: int | tuple[int, int] = 5
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        if not 0 <= self.go_share <= 1:
            raise ValueError(f"go_share must be from 0 to 1, not {self.go_share}")
        refuse_heavy("fixation_weight", self.fixation_weight)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Hold still, and go."""
        return 2

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "stimuli": 2}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        go = (generator.random(count) < self.go_share).astype(np.int64)
        return {"stimulus": 1 - go, "go": go}

    def phases(self) -> tuple[Phase, ...]:
        cue: dict[str, float | str] = {"fixation": 1}
        return (
            Phase("stimulus", self.stimulus_steps, {**cue, "stimuli": "stimulus"}, ask=0, weight=self.fixation_weight),
            Phase("delay", self.delay_steps, cue, ask=0, weight=self.fixation_weight),
            Phase("decision", self.decision_steps, ask="go"),
        )
