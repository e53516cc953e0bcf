"""A task of phases that is written in a declaration, without any Python."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from spatialnets.errors import nearest
from spatialnets.tasks.phases import Drawn, Phase, PhasedTask

__all__ = ["Phases", "Rule"]


@dataclass(frozen=True)
class Rule:
    """What follows from what was drawn, looked up in a table.

    Parameters
    ----------
    name
        What it is called, to be shown or asked.
    of
        The variables it depends on.
    table
        A whole number for each combination of their values; the last variable changes fastest.

    Examples
    --------
    >>> same = Rule("same", of=("sample", "test"), table=(1, 0, 0, 1))
    """

    name: str
    of: tuple[str, ...]
    table: tuple[int, ...]


@dataclass(frozen=True)
class Phases(PhasedTask):
    """A task of your own, in a declaration: variables that are drawn, rules, and the phases of a trial.

    Conditions, codes, loss and accuracy are those of `PhasedTask`.

    Parameters
    ----------
    variables
        How many values each variable has; for each trial one of 0, 1, … is drawn, all equally often.
    inputs
        How many channels each group of inputs has.
    outputs
        How many outputs there are.
    trial
        The phases of a trial, in order; see `Phase`.
    rules
        What follows from variables, such as the right answer; see `Rule`.

    Raises
    ------
    ValueError
        If something is shown, asked or looked up that does not exist, or a table does not fit its variables.

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
            if count < 1:
                raise ValueError(f"variable {name!r} must have one value or more, not {count}")
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
            raise ValueError(f"names of variables and rules must differ: {', '.join(names)}")
        super().__post_init__()
        if self.outputs < 2:
            raise ValueError(f"outputs must be 2 or more, not {self.outputs}")
        self.trials(0, np.random.default_rng(0))  # says what is shown or asked that does not exist
        for phase in self.trial:
            self._refuse_unshowable(phase)

    def _refuse_unshowable(self, phase: Phase) -> None:
        """Raise a ValueError if some value cannot be shown or asked, be it seldom drawn or not."""
        values = {name: range(count) for name, count in self.variables.items()}
        values |= {rule.name: rule.table for rule in self.rules}  # type: ignore[misc]
        for group, what in phase.show.items():
            size = self.inputs[group]
            if isinstance(what, str) and size > 1 and not -1 <= min(values[what]) <= max(values[what]) < size:
                raise ValueError(f"phase {phase.name}: {group!r} has {size} channels, too few for values of {what!r}")
        if isinstance(phase.ask, str) and not 0 <= min(values[phase.ask]) <= max(values[phase.ask]) < self.outputs:
            raise ValueError(f"phase {phase.name}: {phase.ask!r} has values that are none of {self.outputs} outputs")

    @property
    def n_outputs(self) -> int:
        """As many as are declared."""
        return self.outputs

    def groups(self) -> Mapping[str, int]:
        return self.inputs

    def phases(self) -> tuple[Phase, ...]:
        return self.trial

    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        drawn = {name: generator.integers(values, size=count) for name, values in self.variables.items()}
        for rule in self.rules:
            table = np.array(rule.table).reshape([self.variables[name] for name in rule.of])
            drawn[rule.name] = table[tuple(drawn[name] for name in rule.of)]
        return drawn
