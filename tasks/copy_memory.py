"""Copy memory: hold a sequence over a long delay, and repeat it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Drawn, Phase, PhasedTask
from spatialnets.tasks.scoring import refuse_heavy

__all__ = ["CopyMemory"]

MOST_SHOWN = 10_000  # each is a phase of its own


@dataclass(frozen=True)
class CopyMemory(PhasedTask):
    """A sequence of symbols is shown, then nothing for a long time, then a cue: repeat the sequence.

    Inputs are the symbols, blank and the cue, one-hot; outputs are blank and the symbols. A trial shows `length`
    symbols, ``delay_steps - 1`` blanks, the cue, and `length` blanks, at which the symbols are asked in their order;
    before, blank is right.

    Parameters
    ----------
    symbols
        How many different symbols there are, 2 or more.
    length
        How many are shown, 1 or more.
    delay_steps
        Steps from the last symbol to the first answer, the cue among them; 1 or more.
    blank_weight
        How much a step at which blank is right counts in the loss; below 1.

    Raises
    ------
    ValueError
        If one of these cannot be.

    References
    ----------
    Hochreiter & Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; in the form of Arjovsky, Shah & Bengio (2016),
    arXiv:1511.06464, section 5.1, who let all steps count the same.

    Examples
    --------
    >>> trials = CopyMemory().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.targets.shape, trials.periods["answer"]
    ((128, 120, 10), (128, 120, 9), (110, 120))
    """

    references: ClassVar[tuple[str, ...]] = ("hochreiter1997", "arjovsky2016")

    symbols: int = 8
    length: int = 10
    delay_steps: int = 100
    blank_weight: float = 0.1

    def __post_init__(self) -> None:
        for name, least in (("symbols", 2), ("length", 1), ("delay_steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        refuse_heavy("blank_weight", self.blank_weight)
        if self.length > MOST_SHOWN:
            raise ValueError(f"length must be at most {MOST_SHOWN:,}, not {self.length}")
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Blank, and the symbols."""
        return 1 + self.symbols

    def groups(self) -> Mapping[str, int]:
        return {"symbols": self.symbols, "blank": 1, "cue": 1}

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        shown = generator.integers(self.symbols, size=(count, self.length))
        return {
            **{f"symbol_{place + 1}": shown[:, place] for place in range(self.length)},
            **{f"answer_{place + 1}": 1 + shown[:, place] for place in range(self.length)},
        }

    def phases(self) -> tuple[Phase, ...]:
        places, weight = range(1, self.length + 1), self.blank_weight
        return (
            *(Phase("symbols", 1, {"symbols": f"symbol_{place}"}, ask=0, weight=weight) for place in places),
            Phase("delay", self.delay_steps - 1, {"blank": 1}, ask=0, weight=weight),
            Phase("cue", 1, {"cue": 1}, ask=0, weight=weight),
            *(Phase("answer", 1, {"blank": 1}, ask=f"answer_{place}") for place in places),
        )
