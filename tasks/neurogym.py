"""Any environment of neurogym as a task."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import UserError, nearest
from spatialnets.protocols import Task, Trials
from spatialnets.tasks.scoring import (
    cross_entropy,
    fraction_decided,
    mean_squared_error,
    refuse_heavy,
    variance_explained,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Neurogym"]

PROBED = 300
"""How many trials are looked at to know how long they are and which periods they have."""


class Drawn(NamedTuple):
    """One trial of an environment."""

    inputs: NDArray[np.float32]  # (time, input)
    answers: NDArray[Any]  # (time,) whole numbers, or (time, output)
    periods: dict[str, tuple[int, int]]
    facts: dict[str, Any]


class Probe(NamedTuple):
    """What trials of an environment have in common."""

    n_inputs: int
    n_outputs: int
    choice: bool  # of one of several answers; else the answers are numbers
    n_steps: int
    periods: dict[str, tuple[int, int]]
    facts: tuple[str, ...]


@dataclass(frozen=True)
class Neurogym(Task):
    """An environment of neurogym, by name, taught by its right answers.

    Inputs are what the environment shows. Where its actions are choices, targets are the right one at each step, loss
    is cross-entropy and accuracy the fraction of right decisions; where they are numbers, loss is the mean squared
    error and accuracy the fraction of variance explained. Rewards and what depends on a network's actions are left out,
    and environments without right answers are refused.

    Trials are drawn one by one, as neurogym does it: far slower than the other tasks here. They are padded to the
    length of the longest of 300 trials that are looked at beforehand; one that is longer is drawn again. Periods are
    the steps at which all of those were in a period; conditions are what the environment says of a trial, and where its
    periods start. The code is the right answer of the decision.

    Parameters
    ----------
    env
        Its name, such as ``PerceptualDecisionMaking-v0`` or ``yang19.dm1-v0``.
    settings
        What the environment is made with, such as ``{dt: 20, timing: {delay: 500}}``.
    fixation_weight
        How much a step before the period called decision counts in the loss; below 1. If there is no such period, all
        steps count the same.

    Raises
    ------
    UserError
        If neurogym is not installed, has no such environment, or cannot make it, or it has no right answers, or some
        that are none of its actions, or does not draw the same trials from the same seed.
    ValueError
        If the weight cannot be.

    References
    ----------
    Molano-Mazon et al. (2022), doi:10.31234/osf.io/aqc9n.
    """

    references: ClassVar[tuple[str, ...]] = ("molanomazon2022",)

    env: str = field(metadata={"imports": ()})  # as gymnasium has it, "module:Name-v0" is code
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        refuse_heavy("fixation_weight", self.fixation_weight)
        _ = self._probe

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be computed again."""
        return {"env": self.env, "settings": self.settings, "fixation_weight": self.fixation_weight}

    @cached_property
    def _probe(self) -> Probe:
        env, drawn = self._drawn(PROBED, np.random.default_rng(0), longest=None)
        choice = hasattr(env.action_space, "n")
        n_outputs = int(env.action_space.n) if choice else drawn[0].answers.shape[1]
        answers = np.concatenate([trial.answers for trial in drawn])
        if choice and not 0 <= answers.min() <= answers.max() < n_outputs:
            raise UserError(f"neurogym's {self.env} has right answers that are none of its {n_outputs} actions")
        _, again = self._drawn(50, np.random.default_rng(0), longest=None)
        if any(not np.array_equal(one.inputs, other.inputs) for one, other in zip(again, drawn[:50], strict=True)):
            raise UserError(f"neurogym's {self.env} draws other trials from the same seed, so no run could be repeated")
        shared = set.intersection(*(set(trial.periods) for trial in drawn))
        periods = {}
        for name in (name for name in drawn[0].periods if name in shared):
            start = max(trial.periods[name][0] for trial in drawn)
            stop = min(trial.periods[name][1] for trial in drawn)
            if start < stop:
                periods[name] = (start, stop)
        n_steps = max(len(trial.inputs) for trial in drawn)
        said = set.intersection(*(set(trial.facts) for trial in drawn))
        return Probe(
            n_inputs=drawn[0].inputs.shape[1],
            n_outputs=n_outputs,
            choice=choice,
            n_steps=n_steps,
            periods={**periods, "trial": (0, n_steps)},
            facts=tuple(
                name
                for name, value in drawn[0].facts.items()
                if name in said and isinstance(value, (str, bool, int, float, np.generic))
            ),
        )

    def _drawn(self, count: int, generator: np.random.Generator, longest: int | None) -> tuple[Any, list[Drawn]]:
        """Return a new environment and trials of it."""
        if find_spec("neurogym") is None:
            raise UserError("the task neurogym needs the package neurogym: pip install 'spatialnets[neurogym]'")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of gymnasium, about neurogym's use of it
            env = _made(self.env, dict(self.settings))
            env.seed(int(generator.integers(2**31)))
            env.reset()
            found: list[Drawn] = []
            while len(found) < count:
                env.new_trial()
                trial = _trial(env.unwrapped, self.env)
                if longest is None or len(trial.inputs) <= longest:
                    found.append(trial)
        return env.unwrapped, found

    @property
    def n_inputs(self) -> int:
        """What the environment shows."""
        return self._probe.n_inputs

    @property
    def n_outputs(self) -> int:
        """Its actions."""
        return self._probe.n_outputs

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        probe = self._probe
        _, drawn = self._drawn(count, generator, probe.n_steps)
        inputs = np.zeros((count, probe.n_steps, probe.n_inputs), dtype=np.float32)
        targets = np.zeros((count, probe.n_steps, probe.n_outputs), dtype=np.float32)
        mask = np.zeros((count, probe.n_steps), dtype=np.float32)
        channels = np.eye(probe.n_outputs, dtype=np.float32)
        for row, trial in enumerate(drawn):
            end = len(trial.inputs)
            inputs[row, :end] = trial.inputs
            targets[row, :end] = channels[trial.answers.astype(np.int64)] if probe.choice else trial.answers
            start, stop = trial.periods.get("decision", (0, 0))
            mask[row, :end] = self.fixation_weight if start < stop else 1
            mask[row, start:stop] = 1
        conditions = {name: np.array([trial.facts[name] for trial in drawn]) for name in probe.facts}
        for name in (name for name in probe.periods if name != "trial"):
            conditions[f"{name}_start"] = np.array([trial.periods[name][0] for trial in drawn])
        conditions["end"] = np.array([len(trial.inputs) for trial in drawn])
        codes = {"answer": targets[np.arange(count), mask.argmax(axis=1)]}
        return Trials(inputs, targets, mask, conditions, probe.periods, codes)

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return cross-entropy or mean squared error (see `spatialnets.tasks.scoring`)."""
        return (cross_entropy if self._probe.choice else mean_squared_error)(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of right decisions, or of variance explained (see `spatialnets.tasks.scoring`)."""
        return (fraction_decided if self._probe.choice else variance_explained)(outputs, targets, mask)


def _made(name: str, settings: dict[str, Any]) -> Any:
    """Return an environment without the wrappers of gymnasium, which hide what is asked of it here."""
    import neurogym
    from neurogym.core import TrialEnv, TrialWrapper
    from neurogym.envs.registration import all_envs

    names = all_envs(collections=True)
    if name not in names:
        raise UserError(f"neurogym has no environment {name!r}; {nearest(name, names)}")
    try:
        env = neurogym.make(name, **settings)
    except Exception as error:  # environments raise whatever they stumble over
        raise UserError(f"neurogym cannot make {name} with {settings}: {error}") from error
    while not isinstance(env, (TrialEnv, TrialWrapper)):
        env = env.env
    return env


def _trial(env: Any, name: str) -> Drawn:
    """Return the trial that an environment has just begun."""
    answers = getattr(env, "gt", None)
    if answers is None or getattr(env, "ob", None) is None:
        raise UserError(f"neurogym's {name} has no right answers, so nothing can be learned from them")
    periods = {period: (int(env.start_ind[period]), int(env.end_ind[period])) for period in env.start_ind}
    inputs = np.asarray(env.ob, dtype=np.float32)
    return Drawn(inputs.reshape(len(inputs), -1), np.array(answers), periods, dict(env.trial or {}))
