"""Tasks built from phases: periods of a trial with constant inputs and targets."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import nearest
from spatialnets.protocols import Trials
from spatialnets.tasks.scores import ScoredTask, require_weight_below_one
from spatialnets.tasks.timeline import common_periods
from spatialnets.validation import require_at_least, require_not_negative

__all__ = ["FixationTask", "Phase", "PhasedTask"]

MAX_INPUTS = 100_000  # a larger trial would take too long to simulate
MAX_STEPS = 1_000_000

TrialVariables: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Phase:
    """A stretch of a trial in which all steps have the same inputs and the same target.

    Parameters
    ----------
    name
        Name of its period; consecutive phases may share a name.
    steps
        Length in steps, or (minimum, maximum) of a length drawn uniformly for each trial.
    show
        Input to each group, by group name: a number, for all its channels, or the name of a trial variable. Whole
        numbers on a group of several channels are shown one-hot, with -1 for no input. Groups that are left out receive
        0.
    ask
        Correct output: a number, or the name of a trial variable. None: no response is required.
    weight
        Loss weight of each step. Accuracy is scored at the steps with the largest weight.
    noise
        Standard deviation of the input noise, by group name.

    Raises
    ------
    ValueError
        If the range of steps is invalid, or a weight or noise is negative or not finite.

    Examples
    --------
    >>> Phase("delay", (5, 15), show={"fixation": 1}, ask=0, weight=0.2).step_range
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
        minimum, maximum = self.step_range
        if not 0 <= minimum <= maximum:
            raise ValueError(f"phase {self.name}: steps must be a number or [minimum, maximum], not {self.steps}")
        for name, value in {"weight": self.weight, **{f"noise on {key}": sd for key, sd in self.noise.items()}}.items():
            require_not_negative(f"phase {self.name}: {name}", value)

    @property
    def step_range(self) -> tuple[int, int]:
        """Minimum and maximum length in steps."""
        return (self.steps, self.steps) if isinstance(self.steps, int) else self.steps


@dataclass(frozen=True)
class PhasedTask(ScoredTask):
    """A task defined by the phases of its trials.

    A subclass is a frozen dataclass that defines the groups of inputs, the variables drawn for each trial, and the
    phases of a trial. Trials are padded to the longest possible length with steps that have no input, target or weight.

    Conditions are the trial variables with one value per trial and, if lengths vary, the steps at which phases start
    (``delay_start`` …) and the trial ends. Codes are the trial variables that `show` or `ask` refers to. Loss is
    cross-entropy; accuracy is the fraction of correct responses at the steps with the largest weight.

    Raises
    ------
    ValueError
        If no phase is certain to require a response, a group has no channels, or a phase names a group or variable that
        does not exist.

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
        for each in fields(self):
            if isinstance(getattr(self, each.name), list):
                object.__setattr__(self, each.name, tuple(getattr(self, each.name)))
        phases = self.phases()
        if not any(phase.step_range[0] and phase.weight for phase in phases if phase.ask is not None):
            raise ValueError("no phase is certain to require a response: one needs ask, weight and at least 1 step")
        for name, size, maximum in (("inputs", self.n_inputs, MAX_INPUTS), ("steps", self.n_steps, MAX_STEPS)):
            if size > maximum:
                raise ValueError(f"a trial has {size:,} {name}; expected at most {maximum:,}")
        for group, size in self.groups().items():
            require_at_least(f"number of channels in group {group!r}", size, 1)

    @abstractmethod
    def groups(self) -> Mapping[str, int]:
        """Return the number of channels in each group of inputs, in order."""

    @abstractmethod
    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        """Return the variables of each trial by name: each ``(trial,)``, or ``(trial, channel)``."""

    @abstractmethod
    def phases(self) -> tuple[Phase, ...]:
        """Return the phases of a trial in order."""

    @property
    def n_inputs(self) -> int:
        """Number of channels in all groups."""
        return sum(self.groups().values())

    @property
    def n_steps(self) -> int:
        """Number of steps in the longest possible trial."""
        return sum(phase.step_range[1] for phase in self.phases())

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        phases, variables = self.phases(), self.draw(count, generator)
        names, n_phases = [phase.name for phase in phases], len(phases)
        ranges = np.array([phase.step_range for phase in phases])
        lengths = generator.integers(ranges[:, 0], ranges[:, 1] + 1, size=(count, n_phases))
        ends = lengths.cumsum(axis=1)
        trial, n_steps = np.arange(count)[:, None], int(ranges[:, 1].sum())
        # Phase index of each step, (trial, time): the number of phases that have ended, n_phases after the last.
        ended = np.bincount((ends + trial * (n_steps + 1)).ravel(), minlength=count * (n_steps + 1))
        index = ended.reshape(count, n_steps + 1)[:, :n_steps].cumsum(axis=1)
        rows = index + trial * (n_phases + 1)

        shown = np.zeros((count, n_phases + 1, self.n_inputs), dtype=np.float32)
        noise = np.zeros((n_phases + 1, self.n_inputs), dtype=np.float32)
        answers = np.full((count, n_phases + 1), self.n_outputs)
        codes: dict[str, NDArray[np.float32]] = {}
        for number, phase in enumerate(phases):
            for group, value in phase.show.items():
                channels = self._channels(group)
                shown[:, number, channels] = _pattern(value, variables, channels.stop - channels.start)
                if isinstance(value, str):
                    codes[value] = shown[:, number, channels]
            for group, deviation in phase.noise.items():
                noise[number, self._channels(group)] = deviation
            if phase.ask is not None:
                answers[:, number] = self._answers(phase.ask, variables)
        outputs = np.eye(self.n_outputs + 1, self.n_outputs, dtype=np.float32)  # the last row: no response
        codes |= {str(ask): outputs[variables[ask]] for ask in (phase.ask for phase in phases) if isinstance(ask, str)}
        weights = np.array([phase.weight * (phase.ask is not None) for phase in phases] + [0], dtype=np.float32)

        inputs = np.take(shown.reshape(-1, self.n_inputs), rows, axis=0)
        _add_noise(inputs, noise, index, generator)
        conditions = {name: values for name, values in variables.items() if values.ndim == 1}
        if (ranges[:, 0] < ranges[:, 1]).any():
            conditions |= {f"{name}_start": (ends - lengths)[:, names.index(name)] for name in dict.fromkeys(names)}
            conditions["end"] = ends[:, -1]
        targets, mask = outputs[np.take(answers.ravel(), rows)], weights[index]
        return Trials(inputs, targets, mask, conditions, common_periods(names, ranges), codes)

    def _channels(self, group: str) -> slice:
        """Return the input channels of a group."""
        groups = self.groups()
        if group not in groups:
            raise ValueError(f"there is no input group {group!r}; {nearest(group, groups)}")
        names = list(groups)
        start = sum(groups[name] for name in names[: names.index(group)])
        return slice(start, start + groups[group])

    def _answers(self, ask: int | str, variables: TrialVariables) -> NDArray[np.int64]:
        """Return the correct output of each trial."""
        answers = np.asarray(_value(ask, variables) if isinstance(ask, str) else ask)
        if answers.ndim > 1 or answers.dtype.kind not in "iu":
            raise ValueError(f"ask: {ask!r} must be one whole number per trial")
        if answers.size and not (answers.min() >= 0 and answers.max() < self.n_outputs):
            limits = f"{answers.min()} to {answers.max()}"
            raise ValueError(f"ask: {ask!r} must be one of the outputs 0 to {self.n_outputs - 1}, not {limits}")
        return answers


class FixationTask(PhasedTask):
    """A phased task with two choices, in which networks must fixate (output 0) while a cue is on, until the decision.

    Subclasses have a field `fixation_weight` and, for each period, the number of steps, such as `delay_steps`.
    """

    fixation_weight: float

    def __post_init__(self) -> None:
        require_weight_below_one("fixation_weight", self.fixation_weight)
        super().__post_init__()

    @property
    def n_outputs(self) -> int:
        """Three: fixate and the two choices."""
        return 3

    def fixate(self, period: str, noise: Mapping[str, float] | None = None, **show: str) -> Phase:
        """Return the phase of a period before the decision, which shows the fixation cue and variables, by group."""
        steps = getattr(self, f"{period}_steps")
        return Phase(period, steps, {"fixation": 1, **show}, ask=0, weight=self.fixation_weight, noise=noise or {})


def _value(name: str, variables: TrialVariables) -> NDArray[Any]:
    if name not in variables:
        raise ValueError(f"there is no trial variable {name!r}; {nearest(name, variables)}")
    return variables[name]


def _pattern(shown: float | str, variables: TrialVariables, size: int) -> NDArray[Any]:
    """Return the input to a group of `size` channels, ``(trial, channel)`` or broadcastable to it."""
    if not isinstance(shown, str):
        return np.asarray(shown)
    values = _value(shown, variables)
    if values.ndim == 2:
        if values.shape[1] != size:
            raise ValueError(f"{shown!r} has {values.shape[1]} columns but is shown on a group of size {size}")
        return values
    if size == 1:
        return values[:, None]
    if values.dtype.kind not in "iu" or (values.size and not -1 <= values.min() <= values.max() < size):
        raise ValueError(f"{shown!r} is shown on {size} channels, so it must be whole numbers from -1 to {size - 1}")
    return values[:, None] == np.arange(size)


def _add_noise(
    inputs: NDArray[np.float32], noise: NDArray[np.float32], index: NDArray[np.int64], generator: np.random.Generator
) -> None:
    """Add Gaussian noise with the standard deviations of each phase and channel, ``(phase, channel)``."""
    channels = np.flatnonzero(noise.any(axis=0))
    if not len(channels):
        return
    rows = np.flatnonzero(np.asarray(noise.any(axis=1))[index])
    samples = generator.standard_normal((len(rows), len(channels)), dtype=np.float32)
    samples *= noise[:, channels][index.ravel()[rows]]
    inputs.reshape(-1, inputs.shape[2])[np.ix_(rows, channels)] += samples
