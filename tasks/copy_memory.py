"""Copy memory: recall of a sequence after a long delay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from spatialnets.tasks.phases import Phase, PhasedTask, TrialVariables
from spatialnets.tasks.scores import require_weight_below_one
from spatialnets.validation import require_at_least

__all__ = ["CopyMemory"]

MAX_LENGTH = 10_000  # each symbol is a separate phase


@dataclass(frozen=True)
class CopyMemory(PhasedTask):
    """Copy memory: repeat a sequence of symbols after a long delay.

    Inputs are the symbols, blank and the cue, one-hot; outputs are blank and the symbols. A trial shows `length`
    symbols, ``delay_steps - 1`` blanks, the cue, and `length` blanks, during which the symbols must be repeated in
    order. Before that, the correct output is blank.

    Parameters
    ----------
    symbols
        Number of different symbols, 2 or more.
    length
        Number of symbols in the sequence, 1 or more.
    delay_steps
        Number of steps between the last symbol and the first response, including the cue; 1 or more.
    blank_weight
        Loss weight of a step at which blank is correct, relative to a response step; below 1.

    Raises
    ------
    ValueError
        If a value is out of range.

    References
    ----------
    Hochreiter & Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; in the form of Arjovsky, Shah & Bengio (2016),
    arXiv:1511.06464, section 5.1, who give all steps the same weight.

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
        for name, minimum in (("symbols", 2), ("length", 1), ("delay_steps", 1)):
            require_at_least(name, getattr(self, name), minimum)
        require_weight_below_one("blank_weight", self.blank_weight)
        if self.length > MAX_LENGTH:
            raise ValueError(f"length must be at most {MAX_LENGTH:,}, not {self.length}")
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Blank and one output for each symbol."""
        return 1 + self.symbols

    def groups(self) -> Mapping[str, int]:
        return {"symbols": self.symbols, "blank": 1, "cue": 1}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        symbols = generator.integers(self.symbols, size=(count, self.length))
        return {
            **{f"symbol_{index + 1}": symbols[:, index] for index in range(self.length)},
            **{f"answer_{index + 1}": 1 + symbols[:, index] for index in range(self.length)},
        }

    def phases(self) -> tuple[Phase, ...]:
        numbers, weight = range(1, self.length + 1), self.blank_weight
        return (
            *(Phase("symbols", 1, {"symbols": f"symbol_{number}"}, ask=0, weight=weight) for number in numbers),
            Phase("delay", self.delay_steps - 1, {"blank": 1}, ask=0, weight=weight),
            Phase("cue", 1, {"cue": 1}, ask=0, weight=weight),
            *(Phase("answer", 1, {"blank": 1}, ask=f"answer_{number}") for number in numbers),
        )
