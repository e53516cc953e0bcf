"""The 20 cognitive tasks of Yang et al. (2019): one network, one set of inputs, many rules."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.errors import nearest
from spatialnets.protocols import Task, Trials
from spatialnets.tasks.scoring import cross_entropy, fraction_decided, refuse_heavy
from spatialnets.tasks.timeline import common_periods
from spatialnets.tasks.yang_definitions import TASKS, Definition, Stimuli, draw

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Yang"]

PERIODS = ("fixation", "stimulus", "delay", "test", "decision")


@dataclass(frozen=True)
class Yang(Task):
    r"""Twenty tasks in one: a fixation cue, directions on two rings of inputs, and a rule that says what to do.

    Reaching (``go``, ``anti``, with a delay ``dly``, or at once ``rt``) answers with the direction that was shown, or
    the opposite one. Deciding (``dm1``, ``dm2``, ``multidm``; ``ctxdm1`` and ``ctxdm2`` ignore one ring) answers with
    the stronger of two directions shown together, or one after the other (``dlydm``). Matching answers with the second
    direction if it is the first (``dms``) or in the same half of the ring (``dmc``), or if it is not (``dnms``,
    ``dnmc``), and otherwise keeps fixating.

    Inputs are fixation, `directions` channels of ring one and of ring two, and, with more than one task, one channel a
    task, in the order of `tasks`, that is 1 throughout the trial. A direction :math:`\theta` of strength :math:`s` is
    :math:`0.8\, s\, e^{-d^2/2}` at the channel :math:`\phi`, :math:`d = |\phi - \theta| / (\pi/8)` around the ring.
    Outputs are fixation and one channel a direction.

    Each trial's task is drawn uniformly. All trials have as many steps as the longest can have; after its own end a
    trial has no input, target or weight. Periods are the steps at which *every* trial is in that period; where each
    trial's begin is among its conditions (``stimulus_start`` …, ``end``, in steps).

    Codes are the task (one-hot, if there are several), cosine and sine of both directions and of the answer (0 where
    there is none), and the evidence for the first direction.

    Parameters
    ----------
    tasks
        Which of the twenty, each once.
    dt_ms
        Length of a step in ms. Times are cut to whole steps.
    noise
        :math:`\sigma` of the noise on the rings while something is shown, but for reaching; its standard deviation
        is :math:`\sigma / \sqrt{\mathrm{dt}}`.
    directions
        How many directions there are around the ring, even.
    fixation_weight
        How much a step of fixation counts in the loss, where a step of decision counts 1; below 1.
    grace_ms
        How long nothing is asked at the start of a trial and of the decision.
    fixation_cue
        ``"neurogym"``: on before the first stimulus, and in reaching until the decision. ``"paper"``: on until the
        decision in all tasks.

    Raises
    ------
    ValueError
        If a task is unknown or twice there, or times leave no step to decide in.

    Notes
    -----
    Times, strengths and noise are those of neurogym 2.3.1. One thing differs: there, direction 8 of 16 counts to one
    category as a sample and to the other as a test; here to the second always. In reaching and matching neurogym takes
    the rings in turn, here they are drawn. Weights of steps are Yang et al.'s, 5 to 1.

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
                raise ValueError(f"tasks: there is no {name!r}; {nearest(name, TASKS)}")
        if not self.tasks or len(set(self.tasks)) < len(self.tasks):
            raise ValueError(f"tasks must be one or more, each once, not {', '.join(self.tasks) or 'none'}")
        for name in ("dt_ms", "noise", "grace_ms"):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= 0):
                raise ValueError(f"{name} must be finite and not negative, not {getattr(self, name)}")
        if not 0 < self.dt_ms <= 200:
            raise ValueError(f"dt_ms must be more than 0 and at most 200, the shortest stimulus, not {self.dt_ms}")
        shortest = min(TASKS[name].decision for name in self.tasks)
        if self.grace_ms // self.dt_ms >= shortest // self.dt_ms:
            raise ValueError(f"grace_ms must leave a step of the {shortest:g} ms of decision, not be {self.grace_ms:g}")
        if self.directions < 2 or self.directions % 2:
            raise ValueError(f"directions must be even and 2 or more, not {self.directions}")
        refuse_heavy("fixation_weight", self.fixation_weight)
        if self.fixation_cue not in ("neurogym", "paper"):
            raise ValueError(f"fixation_cue must be neurogym or paper, not {self.fixation_cue!r}")

    @property
    def n_inputs(self) -> int:
        """Fixation, two rings, and a channel for each rule if there are several."""
        return 1 + 2 * self.directions + (len(self.tasks) if len(self.tasks) > 1 else 0)

    @property
    def n_outputs(self) -> int:
        """Fixation, and each direction."""
        return 1 + self.directions

    @cached_property
    def _definitions(self) -> list[Definition]:
        return [TASKS[name] for name in self.tasks]

    @cached_property
    def _bumps(self) -> NDArray[np.float32]:
        """What each direction looks like, ``(direction, channel)``."""
        apart = np.abs(np.subtract.outer(np.arange(self.directions), np.arange(self.directions)))
        apart = np.minimum(apart, self.directions - apart) * 2 * np.pi / self.directions
        return np.asarray(0.8 * np.exp(-((apart / (np.pi / 8)) ** 2) / 2), dtype=np.float32)

    @cached_property
    def _ranges(self) -> NDArray[np.int64]:
        """Least and most steps of each period of each task, ``(task, 5, 2)``."""
        dt, found = self.dt_ms, []
        for task in self._definitions:
            low, high = task.fixation
            last = math.ceil(high / dt) - 1 if low < high else low // dt  # a uniform draw is below its upper end
            fixed = [(length // dt, length // dt) for length in (task.delay, task.test, task.decision)]
            found.append([(low // dt, last), (task.stimulus[0] // dt, task.stimulus[-1] // dt), *fixed])
        return np.array(found, dtype=np.int64)

    @cached_property
    def n_steps(self) -> int:
        """How many steps a trial has: those of the longest there can be."""
        return int(self._ranges[:, :, 1].sum(axis=1).max())

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        definitions = self._definitions
        which = generator.integers(len(definitions), size=count)
        stimuli = draw(definitions, which, self.directions, generator)
        ends = self._draw_lengths(which, generator).cumsum(axis=1)
        used = np.asarray(stimuli.strengths.any(axis=(1, 3)))  # (trial, ring)

        step = np.arange(self.n_steps)
        fixation_end, stimulus_end, test_start, go, end = ends.T[:, :, None]  # (trial, 1), to compare with steps
        reaction = np.array([definition.reaction for definition in definitions])[which, None]
        shown = (step >= fixation_end) & (step < np.where(reaction, end, stimulus_end))
        tested = (step >= test_start) & (step < go)
        decided, over = step >= go, step >= end

        state = np.where(tested, 3, np.where(shown, 2, ~over))
        inputs = self._seen(which, stimuli, state)
        reach = np.array([definition.family == "reach" for definition in definitions])[which, None]
        inputs[:, :, 0] = step < np.where(reach | (self.fixation_cue == "paper"), go, fixation_end)
        if self.noise:
            match = np.array([definition.family == "match" for definition in definitions])[which, None]
            # in matching, only on the ring that is used
            self._add_noise(inputs, (state >= 2) & ~reach, used | ~match, generator)

        answers = np.where(over, self.n_outputs, np.where(decided, 1 + stimuli.answer[:, None], 0))
        channels = np.eye(self.n_outputs + 1, self.n_outputs, dtype=np.float32)  # the last row is for after the end
        grace = int(self.grace_ms // self.dt_ms)
        weights = np.where(decided, step >= go + grace, self.fixation_weight * (step >= grace)) * ~over
        conditions = {
            "task": np.array(self.tasks)[which],
            "first": stimuli.first,
            "second": stimuli.second,
            "ring_1": used[:, 0],
            "ring_2": used[:, 1],
            "evidence": stimuli.evidence,
            "answer": stimuli.answer,
            **{f"{name}_start": ends[:, place] for place, name in enumerate(PERIODS[1:])},
            "end": ends[:, -1],
        }
        return Trials(
            inputs,
            channels[answers],
            weights.astype(np.float32),
            conditions,
            common_periods(PERIODS, self._ranges),
            self._codes(which, stimuli),
        )

    def _draw_lengths(self, which: NDArray[np.int64], generator: np.random.Generator) -> NDArray[np.int64]:
        """Return the steps of each period of each trial, ``(trial, 5)``."""
        low, high = np.array([definition.fixation for definition in self._definitions])[which].T
        stimulus = np.array([definition.stimulus for definition in self._definitions])
        fixed = np.array([(one.delay, one.test, one.decision) for one in self._definitions])
        drawn = (generator.uniform(low, high), stimulus[which, generator.integers(3, size=len(which))], fixed[which])
        return np.asarray(np.column_stack(drawn) // self.dt_ms, dtype=np.int64)

    def _seen(self, which: NDArray[np.int64], stimuli: Stimuli, state: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return inputs without noise: 0 after the end, and before that the rule, the stimulus (2) or the test (3)."""
        trial, rings = np.arange(len(which)), 1 + 2 * self.directions
        bumps = self._bumps[np.stack([stimuli.first, stimuli.second], axis=1)]
        seen = np.zeros((len(which), 4, self.n_inputs), dtype=np.float32)
        seen[:, 2:, 1:rings] = (stimuli.strengths.reshape(-1, 4, 2) @ bumps).reshape(-1, 2, rings - 1)
        if len(self.tasks) > 1:
            seen[trial, 1:, rings + which] = 1
        return np.take(seen.reshape(-1, self.n_inputs), state + 4 * trial[:, None], axis=0)

    def _add_noise(
        self,
        inputs: NDArray[np.float32],
        noisy: NDArray[np.bool_],
        rings: NDArray[np.bool_],
        generator: np.random.Generator,
    ) -> None:
        """Add noise at some steps ``(trial, time)`` to some rings ``(trial, 2)``."""
        rows = np.flatnonzero(noisy)
        noise = generator.standard_normal((len(rows), 2, self.directions), dtype=np.float32)
        noise *= np.float32(self.noise / math.sqrt(self.dt_ms))
        noise *= rings[rows // self.n_steps, :, None]
        channels = slice(1, 1 + 2 * self.directions)
        inputs.reshape(-1, self.n_inputs)[rows, channels] += noise.reshape(len(rows), 2 * self.directions)

    def _codes(self, which: NDArray[np.int64], stimuli: Stimuli) -> dict[str, NDArray[np.float32]]:
        codes = {"task": np.eye(len(self.tasks), dtype=np.float32)[which]} if len(self.tasks) > 1 else {}
        angles = np.arange(self.directions) * 2 * np.pi / self.directions
        around = np.zeros((self.directions + 1, 2), dtype=np.float32)  # the last row is for no direction, -1
        around[:-1] = np.stack([np.cos(angles), np.sin(angles)], axis=1)
        codes["first"] = around[stimuli.first]
        families = {definition.family for definition in self._definitions}
        if families - {"reach"}:
            codes["second"] = around[stimuli.second]
        if families & {"choose", "compare"}:
            codes["evidence"] = stimuli.evidence[:, None].astype(np.float32)
        return {**codes, "answer": around[stimuli.answer]}

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of each network (see `spatialnets.tasks.scoring.cross_entropy`)."""
        return cross_entropy(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of right decisions (see `spatialnets.tasks.scoring.fraction_decided`)."""
        return fraction_decided(outputs, targets, mask)
