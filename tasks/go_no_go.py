"""Go/no-go: response inhibition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import FixationTask, Phase, TrialVariables
from spatialnets.validation import require_fraction

__all__ = ["GoNoGo"]


@dataclass(frozen=True)
class GoNoGo(FixationTask):
    """Go/no-go: after a delay, respond to one stimulus and withhold the response to the other.

    Inputs are fixation (on until the decision), go and no-go; outputs are withhold and go.

    Parameters
    ----------
    go_share
        Fraction of go trials.
    stimulus_steps, delay_steps, decision_steps
        Length of each period in steps, or (minimum, maximum) of a length drawn uniformly for each trial.
    fixation_weight
        Loss weight of a step before the decision, when no response is allowed, relative to a decision step; below 1.

    Raises
    ------
    ValueError
        If a value is out of range.

    References
    ----------
    Donders (1868; 1969), doi:10.1016/0001-6918(69)90065-1, method c; period lengths as in neurogym 2.3.1, GoNogo, at
    100 ms per step.

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
        require_fraction("go_share", self.go_share)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Two: withhold and go."""
        return 2

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "stimuli": 2}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        go = (generator.random(count) < self.go_share).astype(np.int64)
        return {"stimulus": 1 - go, "go": go}

    def phases(self) -> tuple[Phase, ...]:
        return (
            self.fixate("stimulus", stimuli="stimulus"),
            self.fixate("delay"),
            Phase("decision", self.decision_steps, ask="go"),
        )
