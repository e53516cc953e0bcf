"""Environments of neurogym as supervised tasks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import UserError, nearest
from spatialnets.protocols import Trials
from spatialnets.tasks.scores import ScoredTask, require_weight_below_one

__all__ = ["Neurogym"]

N_PROBE_TRIALS = 300
"""Number of trials that are drawn to determine trial length and periods."""


class EnvTrial(NamedTuple):
    """One trial of an environment."""

    inputs: NDArray[np.float32]  # (time, input)
    answers: NDArray[Any]  # (time,) whole numbers, or (time, output)
    periods: dict[str, tuple[int, int]]
    info: dict[str, Any]


class Summary(NamedTuple):
    """Properties that the trials of an environment share."""

    n_inputs: int
    n_outputs: int
    discrete: bool  # whether actions are discrete; otherwise answers are continuous
    n_steps: int
    periods: dict[str, tuple[int, int]]
    info: tuple[str, ...]


@dataclass(frozen=True)
class Neurogym(ScoredTask):
    """Any neurogym environment that provides correct answers, as a supervised task.

    Inputs are the observations of the environment. If its actions are discrete, the target of each step is the correct
    action, loss is cross-entropy and accuracy the fraction of correct decisions. If they are continuous, loss is the
    mean squared error and accuracy the fraction of variance explained. Rewards and everything else that depends on a
    network's actions are ignored, and environments without correct answers are refused.

    Trials are drawn one by one by neurogym, which is far slower than the other tasks. They are padded to the length of
    the longest of 300 sample trials; longer trials are drawn again. Periods are the steps at which all sample trials
    are in the same period. Conditions are the environment's description of the trial and the steps at which its periods
    start. The code is the correct answer at the decision.

    Parameters
    ----------
    env
        Name of the environment, such as ``PerceptualDecisionMaking-v0`` or ``yang19.dm1-v0``.
    settings
        Arguments of the environment, such as ``{dt: 20, timing: {delay: 500}}``.
    fixation_weight
        Loss weight of a step outside the period named decision, relative to a step in it; below 1. Without such a
        period, all steps have the same weight.

    Raises
    ------
    UserError
        If neurogym is not installed, does not have the environment or cannot create it, or if the environment has no
        correct answers, has answers that are not among its actions, or does not reproduce its trials from the same
        seed.
    ValueError
        If the weight is out of range.

    References
    ----------
    Molano-Mazon et al. (2022), doi:10.31234/osf.io/aqc9n.
    """

    references: ClassVar[tuple[str, ...]] = ("molanomazon2022",)

    env: str = field(metadata={"imports": ()})  # gymnasium imports code for "module:Name-v0"
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    fixation_weight: float = 0.2

    def __post_init__(self) -> None:
        require_weight_below_one("fixation_weight", self.fixation_weight)
        _ = self._summary

    def __getstate__(self) -> dict[str, Any]:
        """Leave out cached values, which can be computed again."""
        return {"env": self.env, "settings": self.settings, "fixation_weight": self.fixation_weight}

    @cached_property
    def _summary(self) -> Summary:
        env, trials = self._draw(N_PROBE_TRIALS, np.random.default_rng(0), max_steps=None)
        discrete = hasattr(env.action_space, "n")
        n_outputs = int(env.action_space.n) if discrete else trials[0].answers.shape[1]
        answers = np.concatenate([trial.answers for trial in trials])
        if discrete and not 0 <= answers.min() <= answers.max() < n_outputs:
            raise UserError(f"neurogym's {self.env} has correct answers that are not among its {n_outputs} actions")
        _, repeated = self._draw(50, np.random.default_rng(0), max_steps=None)
        if any(not np.array_equal(one.inputs, two.inputs) for one, two in zip(repeated, trials[:50], strict=True)):
            raise UserError(f"neurogym's {self.env} draws different trials from one seed, so runs are not reproducible")
        shared = set.intersection(*(set(trial.periods) for trial in trials))
        periods = {}
        for name in (name for name in trials[0].periods if name in shared):
            start = max(trial.periods[name][0] for trial in trials)
            stop = min(trial.periods[name][1] for trial in trials)
            if start < stop:
                periods[name] = (start, stop)
        n_steps = max(len(trial.inputs) for trial in trials)
        info = set.intersection(*(set(trial.info) for trial in trials))
        return Summary(
            n_inputs=trials[0].inputs.shape[1],
            n_outputs=n_outputs,
            discrete=discrete,
            n_steps=n_steps,
            periods={**periods, "trial": (0, n_steps)},
            info=tuple(
                name
                for name, value in trials[0].info.items()
                if name in info and isinstance(value, (str, bool, int, float, np.generic))
            ),
        )

    def _draw(self, count: int, generator: np.random.Generator, max_steps: int | None) -> tuple[Any, list[EnvTrial]]:
        """Create the environment and return it with some of its trials."""
        if find_spec("neurogym") is None:
            raise UserError("the task neurogym requires the package neurogym: pip install 'spatialnets[neurogym]'")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # gymnasium warns about the way neurogym uses it
            env = _make_environment(self.env, dict(self.settings))
            env.seed(int(generator.integers(2**31)))
            env.reset()
            trials: list[EnvTrial] = []
            while len(trials) < count:
                env.new_trial()
                trial = _current_trial(env.unwrapped, self.env)
                if max_steps is None or len(trial.inputs) <= max_steps:
                    trials.append(trial)
        return env.unwrapped, trials

    @property
    def n_inputs(self) -> int:
        """Number of values in an observation."""
        return self._summary.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of actions."""
        return self._summary.n_outputs

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        summary = self._summary
        _, drawn = self._draw(count, generator, summary.n_steps)
        inputs = np.zeros((count, summary.n_steps, summary.n_inputs), dtype=np.float32)
        targets = np.zeros((count, summary.n_steps, summary.n_outputs), dtype=np.float32)
        mask = np.zeros((count, summary.n_steps), dtype=np.float32)
        channels = np.eye(summary.n_outputs, dtype=np.float32)
        for row, trial in enumerate(drawn):
            end = len(trial.inputs)
            inputs[row, :end] = trial.inputs
            targets[row, :end] = channels[trial.answers.astype(np.int64)] if summary.discrete else trial.answers
            start, stop = trial.periods.get("decision", (0, 0))
            mask[row, :end] = self.fixation_weight if start < stop else 1
            mask[row, start:stop] = 1
        conditions = {name: np.array([trial.info[name] for trial in drawn]) for name in summary.info}
        for name in (name for name in summary.periods if name != "trial"):
            conditions[f"{name}_start"] = np.array([trial.periods[name][0] for trial in drawn])
        conditions["end"] = np.array([len(trial.inputs) for trial in drawn])
        codes = {"answer": targets[np.arange(count), mask.argmax(axis=1)]}
        return Trials(inputs, targets, mask, conditions, summary.periods, codes)

    @property
    def _continuous(self) -> bool:
        return not self._summary.discrete


def _make_environment(name: str, settings: dict[str, Any]) -> Any:
    """Return an environment without the gymnasium wrappers that hide its trials."""
    import neurogym
    from neurogym.core import TrialEnv, TrialWrapper
    from neurogym.envs.registration import all_envs

    names = all_envs(collections=True)
    if name not in names:
        raise UserError(f"neurogym has no environment {name!r}; {nearest(name, names)}")
    try:
        env = neurogym.make(name, **settings)
    except Exception as error:  # environments raise errors of any type
        raise UserError(f"neurogym cannot create {name} with settings {settings}: {error}") from error
    while not isinstance(env, (TrialEnv, TrialWrapper)):
        env = env.env
    return env


def _current_trial(env: Any, name: str) -> EnvTrial:
    """Return the trial that an environment has just started."""
    answers = getattr(env, "gt", None)
    if answers is None or getattr(env, "ob", None) is None:
        raise UserError(f"neurogym's {name} has no correct answers, so networks cannot be trained on it")
    periods = {period: (int(env.start_ind[period]), int(env.end_ind[period])) for period in env.start_ind}
    inputs = np.asarray(env.ob, dtype=np.float32)
    return EnvTrial(inputs.reshape(len(inputs), -1), np.array(answers), periods, dict(env.trial or {}))
