"""N-back: working memory for the recent items of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Phase, PhasedTask, TrialVariables
from spatialnets.validation import require_at_least, require_fraction

__all__ = ["NBack"]

MAX_ITEMS = 10_000  # each item is a separate phase


@dataclass(frozen=True)
class NBack(PhasedTask):
    """N-back: report for each item whether it equals the item shown `n` positions earlier.

    Inputs are `stimuli` channels, one-hot; the outputs are "no" and "yes". The first `n` items are drawn uniformly and
    require no response. Each later item repeats the one `n` positions earlier with probability `match_share` and is
    otherwise a different stimulus. The response is required while the item is shown.

    Parameters
    ----------
    n
        Number of positions to look back, 1 or more.
    stimuli
        Number of different stimuli, 2 or more.
    items
        Number of items in a trial, more than `n`.
    item_steps, gap_steps
        Number of steps for which an item is shown, and of blank steps after it.
    match_share
        Probability of a match, between 0 and 1.

    Raises
    ------
    ValueError
        If a value is out of range.

    References
    ----------
    Kirchner (1958), doi:10.1037/h0043688.

    Examples
    --------
    >>> trials = NBack(n=2).trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.periods["item_3"]
    ((128, 36, 6), (6, 9))
    """

    references: ClassVar[tuple[str, ...]] = ("kirchner1958",)

    n: int = 2
    stimuli: int = 6
    items: int = 12
    item_steps: int = 2
    gap_steps: int = 1
    match_share: float = 1 / 3

    def __post_init__(self) -> None:
        for name, minimum in (("n", 1), ("stimuli", 2), ("items", self.n + 1), ("item_steps", 1), ("gap_steps", 0)):
            require_at_least(name, getattr(self, name), minimum)
        require_fraction("match_share", self.match_share)
        if self.items > MAX_ITEMS:
            raise ValueError(f"items must be at most {MAX_ITEMS:,}, not {self.items}")
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Two: no and yes."""
        return 2

    def groups(self) -> Mapping[str, int]:
        return {"stimuli": self.stimuli}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        match = generator.random((count, self.items)) < self.match_share
        shift = np.where(match, 0, generator.integers(1, self.stimuli, size=match.shape))
        items = generator.integers(self.stimuli, size=match.shape)
        for index in range(self.n, self.items):
            items[:, index] = (items[:, index - self.n] + shift[:, index]) % self.stimuli
        return {
            **{f"item_{index + 1}": items[:, index] for index in range(self.items)},
            **{f"match_{index + 1}": match[:, index].astype(np.int64) for index in range(self.n, self.items)},
        }

    def phases(self) -> tuple[Phase, ...]:
        phases = []
        for number in range(1, self.items + 1):
            ask = f"match_{number}" if number > self.n else None
            phases.append(Phase(f"item_{number}", self.item_steps, {"stimuli": f"item_{number}"}, ask))
            phases.append(Phase(f"item_{number}", self.gap_steps))
        return tuple(phases)
