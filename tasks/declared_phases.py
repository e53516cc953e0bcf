"""A phased task that is declared in YAML, without Python code."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spatialnets.errors import nearest
from spatialnets.tasks.phases import Phase, PhasedTask, TrialVariables
from spatialnets.validation import require_at_least

__all__ = ["Phases", "Rule"]


@dataclass(frozen=True)
class Rule:
    """A trial variable that is looked up from other variables.

    Parameters
    ----------
    name
        Name of the new variable, for use in `show` and `ask`.
    of
        Variables that it depends on.
    table
        One whole number for each combination of their values; the last variable changes fastest.

    Examples
    --------
    >>> same = Rule("same", of=("sample", "test"), table=(1, 0, 0, 1))
    """

    name: str
    of: tuple[str, ...]
    table: tuple[int, ...]


@dataclass(frozen=True)
class Phases(PhasedTask):
    """A task declared by its variables, its rules and the phases of a trial.

    Conditions, codes, loss and accuracy are those of `PhasedTask`.

    Parameters
    ----------
    variables
        Number of values of each variable: 0, 1, … are drawn for each trial with equal probability.
    inputs
        Number of channels in each group of inputs.
    outputs
        Number of outputs.
    trial
        Phases of a trial in order; see `Phase`.
    rules
        Variables that follow from others, such as the correct response; see `Rule`.

    Raises
    ------
    ValueError
        If a phase or rule names a group or variable that does not exist, or a table does not fit its variables.

    Examples
    --------
    >>> task = Phases(
    ...     variables={"cue": 3},
    ...     inputs={"cue": 3},
    ...     outputs=3,
    ...     trial=(Phase("cue", 2, {"cue": "cue"}), Phase("delay", 5), Phase("answer", 1, ask="cue")),
    ... )
    >>> task.trials(100, np.random.default_rng(0)).inputs.shape
    (100, 8, 3)
    """

    variables: Mapping[str, int] = field(hash=False)
    inputs: Mapping[str, int] = field(hash=False)
    outputs: int
    trial: tuple[Phase, ...]
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        for name, count in self.variables.items():
            require_at_least(f"number of values of variable {name!r}", count, 1)
        for rule in self.rules:
            for name in rule.of:
                if name not in self.variables:
                    raise ValueError(
                        f"rule {rule.name!r}: there is no variable {name!r}; {nearest(name, self.variables)}"
                    )
            expected = math.prod(self.variables[name] for name in rule.of)
            if len(rule.table) != expected:
                raise ValueError(f"rule {rule.name!r}: the table has {len(rule.table)} numbers; expected {expected}")
        names = [*self.variables, *(rule.name for rule in self.rules)]
        if len(set(names)) < len(names):
            raise ValueError(f"variables and rules must have different names, not {', '.join(names)}")
        super().__post_init__()
        require_at_least("outputs", self.outputs, 2)
        self.trials(0, np.random.default_rng(0))  # raises an error if a group or variable does not exist
        for phase in self.trial:
            self._require_valid_values(phase)

    def _require_valid_values(self, phase: Phase) -> None:
        """Raise a ValueError if any value, however rarely drawn, has no channel or output."""
        possible = {name: range(count) for name, count in self.variables.items()}
        possible |= {rule.name: rule.table for rule in self.rules}  # type: ignore[misc]
        for group, shown in phase.show.items():
            size = self.inputs[group]
            if isinstance(shown, str) and size > 1 and not -1 <= min(possible[shown]) <= max(possible[shown]) < size:
                raise ValueError(f"phase {phase.name}: {group!r} has {size} channels; {shown!r} has more values")
        if isinstance(phase.ask, str) and not 0 <= min(possible[phase.ask]) <= max(possible[phase.ask]) < self.outputs:
            raise ValueError(f"phase {phase.name}: {phase.ask!r} must be one of the outputs 0 to {self.outputs - 1}")

    @property
    def n_outputs(self) -> int:
        """Number of outputs, as declared."""
        return self.outputs

    def groups(self) -> Mapping[str, int]:
        return self.inputs

    def phases(self) -> tuple[Phase, ...]:
        return self.trial

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        values = {name: generator.integers(n_values, size=count) for name, n_values in self.variables.items()}
        for rule in self.rules:
            table = np.array(rule.table).reshape([self.variables[name] for name in rule.of])
            values[rule.name] = table[tuple(values[name] for name in rule.of)]
        return values
