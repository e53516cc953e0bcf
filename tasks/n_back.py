"""N-back: say whether an item is the one that came n items before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask

__all__ = ["NBack"]

MOST_SHOWN = 10_000  # each is a phase of its own


@dataclass(frozen=True)
class NBack(PhasedTask):
    """Items are shown one after the other; of each, say whether it is the one that came `n` items before.

    Inputs are `stimuli` channels, one-hot; outputs are no and yes. The first `n` items are drawn uniformly, and nothing
    is asked of them. Each later one is, with probability `match_share`, the item `n` before, and else one of the
    others. It is asked while the item is shown.

    Parameters
    ----------
    n
        How far back, 1 or more.
    stimuli
        How many different items there are, 2 or more.
    items
        How many are shown in a trial, more than `n`.
    item_steps, gap_steps
        How many steps an item is shown, and nothing after it.
    match_share
        From 0 to 1.

    Raises
    ------
    ValueError
        If one of these cannot be.

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
        for name, least in (("n", 1), ("stimuli", 2), ("items", self.n + 1), ("item_steps", 1), ("gap_steps", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not 0 <= self.match_share <= 1:
            raise ValueError(f"match_share must be from 0 to 1, not {self.match_share}")
        if self.items > MOST_SHOWN:
            raise ValueError(f"items must be at most {MOST_SHOWN:,}, not {self.items}")
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """No, and yes."""
        return 2

    def groups(self) -> Mapping[str, int]:
        return {"stimuli": self.stimuli}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        match = generator.random((count, self.items)) < self.match_share
        shift = np.where(match, 0, generator.integers(1, self.stimuli, size=match.shape))
        items = generator.integers(self.stimuli, size=match.shape)
        for place in range(self.n, self.items):
            items[:, place] = (items[:, place - self.n] + shift[:, place]) % self.stimuli
        return {
            **{f"item_{place + 1}": items[:, place] for place in range(self.items)},
            **{f"match_{place + 1}": match[:, place].astype(np.int64) for place in range(self.n, self.items)},
        }

    def phases(self) -> tuple[Phase, ...]:
        found = []
        for place in range(1, self.items + 1):
            ask = f"match_{place}" if place > self.n else None
            found.append(Phase(f"item_{place}", self.item_steps, {"stimuli": f"item_{place}"}, ask))
            found.append(Phase(f"item_{place}", self.gap_steps))
        return tuple(found)
