"""The 20 cognitive tasks of Yang et al. (2019), for training one network on one or several of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import nearest
from spatialnets.protocols import Trials
from spatialnets.tasks.scores import ScoredTask, require_weight_below_one
from spatialnets.tasks.timeline import common_periods
from spatialnets.tasks.yang_definitions import TASKS, Columns, Definition, Stimuli, columns, draw_stimuli
from spatialnets.validation import require_not_negative

__all__ = ["Yang"]

PERIODS = ("fixation", "stimulus", "delay", "test", "decision")


@dataclass(frozen=True)
class Yang(ScoredTask):
    r"""The 20 cognitive tasks of Yang et al. (2019): a fixation cue, two rings of inputs and a rule cue.

    In reach tasks (``go``, ``anti``; ``dly``: after a delay; ``rt``: immediately), the response is the direction shown
    or the opposite one. In decision tasks (``dm1``, ``dm2``, ``multidm``; ``ctxdm1`` and ``ctxdm2`` ignore one ring),
    it is the stronger of two directions, shown together or in sequence (``dlydm``). In matching tasks it is the second
    direction if it matches the first, by direction (``dms``) or by half of the ring (``dmc``), or if it does not match
    (``dnms``, ``dnmc``); otherwise the network must keep fixating.

    Inputs are fixation, `directions` channels for each of the two rings and, with several tasks, one rule channel per
    task, in the order of `tasks`, which is 1 throughout the trial. A direction :math:`\theta` of strength :math:`s`
    drives channel :math:`\phi` by :math:`0.8\, s\, e^{-d^2/2}`, with :math:`d = |\phi - \theta| / (\pi/8)` around the
    ring. Outputs are fixation and one channel per direction.

    The task of each trial is drawn uniformly. Trials are padded to the longest possible length with steps that have no
    input, target or weight. Periods are the steps at which *every* trial is in the same period; the steps at which the
    periods of each trial start are conditions (``stimulus_start`` …, ``end``).

    Codes are the task (one-hot, if there are several), cosine and sine of both directions and of the answer (0 if there
    is none), and the evidence for the first direction.

    Parameters
    ----------
    tasks
        Names of the tasks, each once.
    dt_ms
        Step length in ms. Durations are rounded down to whole steps.
    noise
        Noise level :math:`\sigma` on the rings while a stimulus is shown, except in reach tasks; the standard deviation
        is :math:`\sigma / \sqrt{\mathrm{dt}}`.
    directions
        Number of directions on the ring, even.
    fixation_weight
        Loss weight of a fixation step, relative to a decision step; below 1.
    grace_ms
        Duration at the start of the trial and of the decision for which no response is scored.
    fixation_cue
        ``"neurogym"``: on before the first stimulus, and in reach tasks until the decision. ``"paper"``: on until the
        decision in all tasks.

    Raises
    ------
    ValueError
        If a task is unknown or repeated, or a value is out of range.

    Notes
    -----
    Durations, strengths and noise are those of neurogym 2.3.1. There, direction 8 of 16 belongs to one category as a
    sample and to the other as a test; here it always belongs to the second category. In reach and matching tasks,
    neurogym alternates between the rings; here the ring is random. Step weights are those of Yang et al., 5 to 1.

    References
    ----------
    Yang, Joglekar, Song, Newsome & Wang (2019), doi:10.1038/s41593-018-0310-2, Methods and Supplementary Table 1.

    Examples
    --------
    >>> trials = Yang().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.targets.shape
    ((128, 32, 53), (128, 32, 17))
    >>> Yang(tasks=("dlygo",)).trials(1, np.random.default_rng(0)).periods["decision"]
    (15, 20)
    """

    references: ClassVar[tuple[str, ...]] = ("yang2019",)

    tasks: tuple[str, ...] = tuple(TASKS)
    dt_ms: float = 100.0
    noise: float = 1.0
    directions: int = 16
    fixation_weight: float = 0.2
    grace_ms: float = 100.0
    fixation_cue: Literal["neurogym", "paper"] = "neurogym"

    def __post_init__(self) -> None:
        object.__setattr__(self, "tasks", tuple(self.tasks))
        for name in self.tasks:
            if name not in TASKS:
                raise ValueError(f"tasks: there is no task {name!r}; {nearest(name, TASKS)}")
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks must be one or more names, each once, not {', '.join(self.tasks) or 'none'}")
        for name in ("dt_ms", "noise", "grace_ms"):
            require_not_negative(name, getattr(self, name))
        if not 0 < self.dt_ms <= 200:
            raise ValueError(f"dt_ms must be more than 0 and at most 200 (the shortest stimulus), not {self.dt_ms}")
        shortest = min(TASKS[name].decision for name in self.tasks)
        if self.grace_ms // self.dt_ms >= shortest // self.dt_ms:
            raise ValueError(f"grace_ms must be shorter than the decision, {shortest:g} ms, not {self.grace_ms:g}")
        if self.directions < 2 or self.directions % 2:
            raise ValueError(f"directions must be an even number, 2 or more, not {self.directions}")
        require_weight_below_one("fixation_weight", self.fixation_weight)
        if self.fixation_cue not in ("neurogym", "paper"):
            raise ValueError(f"fixation_cue must be neurogym or paper, not {self.fixation_cue!r}")

    @property
    def n_inputs(self) -> int:
        """Fixation, two rings, and one rule channel per task if there are several."""
        return 1 + 2 * self.directions + (len(self.tasks) if len(self.tasks) > 1 else 0)

    @property
    def n_outputs(self) -> int:
        """Fixation and one output per direction."""
        return 1 + self.directions

    @cached_property
    def _definitions(self) -> list[Definition]:
        return [TASKS[name] for name in self.tasks]

    @cached_property
    def _bumps(self) -> NDArray[np.float32]:
        """Input of each ring channel for each direction, ``(direction, channel)``."""
        distance = np.abs(np.subtract.outer(np.arange(self.directions), np.arange(self.directions)))
        distance = np.minimum(distance, self.directions - distance) * 2 * np.pi / self.directions
        return np.asarray(0.8 * np.exp(-((distance / (np.pi / 8)) ** 2) / 2), dtype=np.float32)

    @cached_property
    def _ranges(self) -> NDArray[np.int64]:
        """Minimum and maximum number of steps of each period of each task, ``(task, 5, 2)``."""
        dt, ranges = self.dt_ms, []
        for task in self._definitions:
            low, high = task.fixation
            longest = math.ceil(high / dt) - 1 if low < high else low // dt  # uniform draws exclude the upper limit
            fixed = [(length // dt, length // dt) for length in (task.delay, task.test, task.decision)]
            ranges.append([(low // dt, longest), (task.stimulus[0] // dt, task.stimulus[-1] // dt), *fixed])
        return np.array(ranges, dtype=np.int64)

    @cached_property
    def n_steps(self) -> int:
        """Number of steps in the longest possible trial."""
        return int(self._ranges[:, :, 1].sum(axis=1).max())

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        task_index = generator.integers(len(self.tasks), size=count)
        rules = columns(self._definitions, task_index)
        stimuli = draw_stimuli(rules, self.directions, generator)
        ends = self._draw_lengths(rules, generator).cumsum(axis=1)
        used = np.asarray(stimuli.strengths.any(axis=(1, 3)))  # (trial, ring)

        step = np.arange(self.n_steps)
        fixation_end, stimulus_end, test_start, go, end = ends.T[:, :, None]  # each (trial, 1)
        shown = (step >= fixation_end) & (step < np.where(rules["reaction"][:, None], end, stimulus_end))
        tested = (step >= test_start) & (step < go)
        decision, ended = step >= go, step >= end

        state = np.where(tested, 3, np.where(shown, 2, ~ended))
        inputs = self._inputs(task_index, stimuli, state)
        reach, match = (rules["family"][:, None] == family for family in ("reach", "match"))
        inputs[:, :, 0] = step < np.where(reach | (self.fixation_cue == "paper"), go, fixation_end)
        if self.noise:
            # matching tasks have noise only on the ring with the stimuli
            self._add_noise(inputs, (state >= 2) & ~reach, used | ~match, generator)

        answers = np.where(ended, self.n_outputs, np.where(decision, 1 + stimuli.answer[:, None], 0))
        channels = np.eye(self.n_outputs + 1, self.n_outputs, dtype=np.float32)  # the last row: no target after the end
        grace = int(self.grace_ms // self.dt_ms)
        weights = np.where(decision, step >= go + grace, self.fixation_weight * (step >= grace)) * ~ended
        conditions = {
            "task": np.array(self.tasks)[task_index],
            "first": stimuli.first,
            "second": stimuli.second,
            "ring_1": used[:, 0],
            "ring_2": used[:, 1],
            "evidence": stimuli.evidence,
            "answer": stimuli.answer,
            **{f"{name}_start": ends[:, index] for index, name in enumerate(PERIODS[1:])},
            "end": ends[:, -1],
        }
        return Trials(
            inputs,
            channels[answers],
            weights.astype(np.float32),
            conditions,
            common_periods(PERIODS, self._ranges),
            self._codes(task_index, stimuli),
        )

    def _draw_lengths(self, rules: Columns, generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the number of steps of each period of each trial, ``(trial, 5)``."""
        low, high = rules["fixation"].T
        fixation, choice = generator.uniform(low, high), generator.integers(3, size=len(low))
        stimulus = rules["stimulus"][np.arange(len(low)), choice]
        ms = (fixation, stimulus, rules["delay"], rules["test"], rules["decision"])
        return np.asarray(np.column_stack(ms) // self.dt_ms, dtype=np.int64)

    def _inputs(self, task_index: NDArray[np.int64], stimuli: Stimuli, state: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return noiseless inputs from states: 0 after the end, 1 rule only, 2 rule and stimulus, 3 rule and test."""
        trial, rings = np.arange(len(task_index)), 1 + 2 * self.directions
        bumps = self._bumps[np.stack([stimuli.first, stimuli.second], axis=1)]
        inputs = np.zeros((len(task_index), 4, self.n_inputs), dtype=np.float32)
        inputs[:, 2:, 1:rings] = (stimuli.strengths.reshape(-1, 4, 2) @ bumps).reshape(-1, 2, rings - 1)
        if len(self.tasks) > 1:
            inputs[trial, 1:, rings + task_index] = 1
        return np.take(inputs.reshape(-1, self.n_inputs), state + 4 * trial[:, None], axis=0)

    def _add_noise(
        self,
        inputs: NDArray[np.float32],
        noisy: NDArray[np.bool_],
        rings: NDArray[np.bool_],
        generator: np.random.Generator,
    ) -> None:
        """Add noise at selected steps, ``(trial, time)``, on selected rings, ``(trial, 2)``."""
        rows = np.flatnonzero(noisy)
        noise = generator.standard_normal((len(rows), 2, self.directions), dtype=np.float32)
        noise *= np.float32(self.noise / math.sqrt(self.dt_ms))
        noise *= rings[rows // self.n_steps, :, None]
        channels = slice(1, 1 + 2 * self.directions)
        inputs.reshape(-1, self.n_inputs)[rows, channels] += noise.reshape(len(rows), 2 * self.directions)

    def _codes(self, task_index: NDArray[np.int64], stimuli: Stimuli) -> dict[str, NDArray[np.float32]]:
        codes = {"task": np.eye(len(self.tasks), dtype=np.float32)[task_index]} if len(self.tasks) > 1 else {}
        angles = np.arange(self.directions) * 2 * np.pi / self.directions
        vectors = np.zeros((self.directions + 1, 2), dtype=np.float32)  # the last row: no direction, -1
        vectors[:-1] = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        codes["first"] = vectors[stimuli.first]
        families = {definition.family for definition in self._definitions}
        if families - {"reach"}:
            codes["second"] = vectors[stimuli.second]
        if families & {"choose", "compare"}:
            codes["evidence"] = stimuli.evidence[:, None].astype(np.float32)
        return {**codes, "answer": vectors[stimuli.answer]}
