"""A language for tasks: what is drawn, and phase after phase, what is shown and what is asked."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import nearest
from spatialnets.protocols import Task, Trials
from spatialnets.tasks.scoring import cross_entropy, fraction_decided
from spatialnets.tasks.timeline import common_periods

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Phase", "PhasedTask"]

MOST_INPUTS = 100_000  # beyond these a single trial takes longer than anybody waits
MOST_STEPS = 1_000_000

Drawn: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Phase:
    """A part of a trial in which the same is shown and asked at every step.

    Parameters
    ----------
    name
        The period it belongs to; phases that follow each other may share a name.
    steps
        How many steps it takes, or the least and the most, between which each trial's are drawn uniformly.
    show
        What each group of inputs shows, by the group's name: a number, on all its channels; or the name of what was
        drawn. Whole numbers on a group of several channels are shown one-hot, -1 as nothing. Other groups show 0.
    ask
        The right output: a number, or the name of what was drawn. None: nothing is asked.
    weight
        How much each of its steps counts in the loss. Accuracy is scored at the steps that count most.
    noise
        Standard deviation of the noise on groups of inputs, by name.

    Raises
    ------
    ValueError
        If steps are negative or the wrong way round, or a weight or noise is negative or not finite.

    Examples
    --------
    >>> Phase("delay", (5, 15), show={"fixation": 1}, ask=0, weight=0.2).least_and_most
    (5, 15)
    """

    name: str
    steps: int | tuple[int, int]
    show: Mapping[str, float | str] = field(default_factory=dict, hash=False)
    ask: int | str | None = None
    weight: float = 1.0
    noise: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not isinstance(self.steps, int):
            object.__setattr__(self, "steps", tuple(self.steps))
        least, most = self.least_and_most
        if not 0 <= least <= most:
            raise ValueError(f"phase {self.name}: steps must be a number, or the least and the most, not {self.steps}")
        for what, value in {"weight": self.weight, **{f"noise on {key}": sd for key, sd in self.noise.items()}}.items():
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"phase {self.name}: {what} must be finite and not negative, not {value}")

    @property
    def least_and_most(self) -> tuple[int, int]:
        """How many steps it takes at least and at most."""
        return (self.steps, self.steps) if isinstance(self.steps, int) else self.steps


@dataclass(frozen=True)
class PhasedTask(Task):
    """A task written as phases.

    A subclass is a frozen dataclass that says which inputs and outputs there are, what is drawn for each trial, and
    which phases a trial has. Trials whose phases differ in length are padded at their end with steps that show, ask and
    count nothing.

    Conditions are what is drawn, and, if lengths differ, the steps at which phases start (``delay_start`` …) and the
    trial ends. Codes are what is shown and asked of what is drawn. Loss is cross-entropy; accuracy is the fraction of
    right answers at the steps that count most.

    Raises
    ------
    ValueError
        If no step is sure to ask something, a group has no channel, or what is shown or asked does not exist.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Recall(PhasedTask):
    ...     choices: int = 4
    ...     n_outputs = property(lambda self: self.choices)
    ...
    ...     def groups(self):
    ...         return {"fixation": 1, "cue": self.choices}
    ...
    ...     def draw(self, count, generator):
    ...         return {"cue": generator.integers(self.choices, size=count)}
    ...
    ...     def phases(self):
    ...         return (
    ...             Phase("cue", 5, show={"fixation": 1, "cue": "cue"}),
    ...             Phase("delay", (5, 10), show={"fixation": 1}),
    ...             Phase("answer", 5, ask="cue"),
    ...         )
    >>> trials = Recall().trials(100, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.periods["cue"]
    ((100, 20, 5), (0, 5))
    """

    def __post_init__(self) -> None:
        for part in fields(self):
            if isinstance(getattr(self, part.name), list):
                object.__setattr__(self, part.name, tuple(getattr(self, part.name)))
        phases = self.phases()  # each checks itself
        if not any(phase.least_and_most[0] and phase.weight for phase in phases if phase.ask is not None):
            raise ValueError("no step is sure to ask something: a phase with steps, a weight and ask is needed")
        for what, found, most in (("inputs", self.n_inputs, MOST_INPUTS), ("steps", self.n_steps, MOST_STEPS)):
            if found > most:
                raise ValueError(f"a trial has {found:,} {what}; expected at most {most:,}")
        for group, size in self.groups().items():
            if size < 1:
                raise ValueError(f"group {group!r} must have one channel or more, not {size}")

    @abstractmethod
    def groups(self) -> Mapping[str, int]:
        """Return the groups of inputs, and how many channels each has."""

    @abstractmethod
    def draw(self, count: int, generator: np.random.Generator) -> Drawn:
        """Return what differs between trials, by name: each ``(trial,)``, or ``(trial, channel)``."""

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of a trial in their order."""

    @property
    def n_inputs(self) -> int:
        """All channels of all groups."""
        return sum(self.groups().values())

    @property
    def n_steps(self) -> int:
        """How many steps a trial has: those of the longest there can be."""
        return sum(phase.least_and_most[1] for phase in self.phases())

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        phases, drawn = self.phases(), self.draw(count, generator)
        names, n_phases = [phase.name for phase in phases], len(phases)
        ranges = np.array([phase.least_and_most for phase in phases])
        lengths = generator.integers(ranges[:, 0], ranges[:, 1] + 1, size=(count, n_phases))
        ends = lengths.cumsum(axis=1)
        trial, n_steps = np.arange(count)[:, None], int(ranges[:, 1].sum())
        # Which phase each step is of, (trial, time): how many have ended; after the last one, their number.
        ended = np.bincount((ends + trial * (n_steps + 1)).ravel(), minlength=count * (n_steps + 1))
        place = ended.reshape(count, n_steps + 1)[:, :n_steps].cumsum(axis=1)
        rows = place + trial * (n_phases + 1)

        shown = np.zeros((count, n_phases + 1, self.n_inputs), dtype=np.float32)
        noise = np.zeros((n_phases + 1, self.n_inputs), dtype=np.float32)
        asked = np.full((count, n_phases + 1), self.n_outputs)
        codes: dict[str, NDArray[np.float32]] = {}
        for number, phase in enumerate(phases):
            for group, what in phase.show.items():
                channels = self._channels(group)
                shown[:, number, channels] = _pattern(what, drawn, channels.stop - channels.start)
                if isinstance(what, str):
                    codes[what] = shown[:, number, channels]
            for group, deviation in phase.noise.items():
                noise[number, self._channels(group)] = deviation
            if phase.ask is not None:
                asked[:, number] = self._answers(phase.ask, drawn)
        outputs = np.eye(self.n_outputs + 1, self.n_outputs, dtype=np.float32)  # the last row: nothing is asked
        codes |= {str(ask): outputs[drawn[ask]] for ask in (phase.ask for phase in phases) if isinstance(ask, str)}
        weights = np.array([phase.weight * (phase.ask is not None) for phase in phases] + [0], dtype=np.float32)

        inputs = np.take(shown.reshape(-1, self.n_inputs), rows, axis=0)
        _add_noise(inputs, noise, place, generator)
        conditions = {name: values for name, values in drawn.items() if values.ndim == 1}
        if (ranges[:, 0] < ranges[:, 1]).any():
            conditions |= {f"{name}_start": (ends - lengths)[:, names.index(name)] for name in dict.fromkeys(names)}
            conditions["end"] = ends[:, -1]
        targets, mask = outputs[np.take(asked.ravel(), rows)], weights[place]
        return Trials(inputs, targets, mask, conditions, common_periods(names, ranges), codes)

    def _channels(self, group: str) -> slice:
        """Return which inputs a group has."""
        groups = self.groups()
        if group not in groups:
            raise ValueError(f"there is no group of inputs {group!r}; {nearest(group, groups)}")
        names = list(groups)
        start = sum(groups[name] for name in names[: names.index(group)])
        return slice(start, start + groups[group])

    def _answers(self, ask: int | str, drawn: Drawn) -> NDArray[np.int64]:
        """Return the right output of each trial."""
        answers = np.asarray(_value(ask, drawn) if isinstance(ask, str) else ask)
        if answers.ndim > 1 or answers.dtype.kind not in "iu":
            raise ValueError(f"ask {ask!r}: expected one whole number a trial")
        if answers.size and not (answers.min() >= 0 and answers.max() < self.n_outputs):
            raise ValueError(f"ask {ask!r}: expected outputs 0 to {self.n_outputs - 1}, not {answers.max()}")
        return answers

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of each network (see `spatialnets.tasks.scoring.cross_entropy`)."""
        return cross_entropy(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of right decisions (see `spatialnets.tasks.scoring.fraction_decided`)."""
        return fraction_decided(outputs, targets, mask)


def _value(name: str, drawn: Drawn) -> NDArray[Any]:
    if name not in drawn:
        raise ValueError(f"{name!r} is not drawn; {nearest(name, drawn)}")
    return drawn[name]


def _pattern(what: float | str, drawn: Drawn, size: int) -> NDArray[Any]:
    """Return what a group of so many channels shows, ``(trial, channel)`` or what broadcasts to it."""
    if not isinstance(what, str):
        return np.asarray(what)
    values = _value(what, drawn)
    if values.ndim == 2:
        if values.shape[1] != size:
            raise ValueError(f"{what!r} has {values.shape[1]} columns, and is shown on {size} channels")
        return values
    if size == 1:
        return values[:, None]
    if values.dtype.kind not in "iu" or (values.size and not -1 <= values.min() <= values.max() < size):
        raise ValueError(f"{what!r} is shown on {size} channels: expected whole numbers from -1 to {size - 1}")
    return values[:, None] == np.arange(size)


def _add_noise(
    inputs: NDArray[np.float32], noise: NDArray[np.float32], place: NDArray[np.int64], generator: np.random.Generator
) -> None:
    """Add noise of a standard deviation for each phase and channel, ``(phase, channel)``."""
    channels = np.flatnonzero(noise.any(axis=0))
    if not len(channels):
        return
    rows = np.flatnonzero(np.asarray(noise.any(axis=1))[place])
    drawn = generator.standard_normal((len(rows), len(channels)), dtype=np.float32)
    drawn *= noise[:, channels][place.ravel()[rows]]
    inputs.reshape(-1, inputs.shape[2])[np.ix_(rows, channels)] += drawn
