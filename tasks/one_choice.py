"""One-choice inference: remember a goal, then choose the option that leads there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Task, Trials
from spatialnets.tasks.scoring import cross_entropy, fraction_correct

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["OneChoice"]

GOALS = ("left_up", "right_up", "left_down", "right_down")  # mazes 7, 9, 17, 19 of the paper's code
DIRECTIONS = ("l", "u", "r", "d")

# goal, options, right option; the first eight in the order of the paper's code, then those of the hard version
PROBLEMS = (
    ("right_up", "ul", "u"),
    ("right_up", "rd", "r"),
    ("right_down", "ld", "d"),
    ("left_down", "rd", "d"),
    ("left_down", "ul", "l"),
    ("left_up", "ur", "u"),
    ("right_down", "lr", "r"),
    ("left_up", "lr", "l"),
    ("right_up", "lr", "r"),
    ("right_up", "ud", "u"),
    ("right_down", "ur", "r"),
    ("right_down", "ud", "d"),
    ("left_up", "ld", "l"),
    ("left_up", "ud", "u"),
    ("left_down", "lr", "l"),
    ("left_down", "ud", "d"),
)


@dataclass(frozen=True)
class OneChoice(Task):
    """A goal is shown, goes away, and two directions are offered: one of them leads to the goal.

    Inputs are four goals (one-hot: left-up, right-up, left-down, right-down) and four directions (left, up, right,
    down; the two that are offered); outputs are the four directions. The answer is asked at the last step alone.
    Problems are drawn uniformly, with replacement. Its codes are the goal (four columns, one-hot), the choices (four,
    of which two are 1) and the correct choice (four, one-hot).

    Parameters
    ----------
    problems
        ``"regular"``, the paper's eight problems, or ``"hard"``, all sixteen in which exactly one option leads closer.
    goal_steps, delay_steps, choice_steps
        How many steps the goal is shown, nothing is shown, and the options are shown.
    outputs
        How many output channels: 4, one for each direction, or 8, as the paper's Methods say; the last four are then
        never right.
    labels
        ``"correct"``, or ``"shuffled"``: the right answers are dealt anew among the trials, a control that cannot be
        learned. The paper's code dealt them once for all networks; here every network has its own deal.

    Raises
    ------
    ValueError
        If a number of steps is negative, or the goal or the options are never shown.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, Methods and Extended Data Table 1.

    Examples
    --------
    >>> trials = OneChoice().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape
    (128, 50, 8)
    >>> trials.periods
    {'goal': (0, 20), 'delay': (20, 30), 'choice': (30, 50)}
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    problems: Literal["regular", "hard"] = "regular"
    goal_steps: int = 20
    delay_steps: int = 10
    choice_steps: int = 20
    labels: Literal["correct", "shuffled"] = "correct"
    outputs: Literal[4, 8] = 4

    def __post_init__(self) -> None:
        for name, least in (("goal_steps", 1), ("delay_steps", 0), ("choice_steps", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if self.outputs not in (4, 8):
            raise ValueError(f"outputs must be 4 or 8, not {self.outputs!r}")
        for name, words in (("problems", ("regular", "hard")), ("labels", ("correct", "shuffled"))):
            if getattr(self, name) not in words:
                raise ValueError(f"{name} must be one of {', '.join(words)}, not {getattr(self, name)!r}")

    @property
    def n_inputs(self) -> int:
        """Four goals and four directions."""
        return len(GOALS) + len(DIRECTIONS)

    @property
    def n_outputs(self) -> int:
        """Four directions, and perhaps four channels that are never right."""
        return self.outputs

    @property
    def n_problems(self) -> int:
        """Eight, or sixteen in the hard version."""
        return 8 if self.problems == "regular" else 16

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        drawn = generator.integers(self.n_problems, size=count)
        taught = generator.permutation(drawn) if self.labels == "shuffled" else drawn
        return self._trials(drawn, taught)

    def each_problem(self) -> Trials:
        """Return every problem once, in the order of its number, with its right answer."""
        numbers = np.arange(self.n_problems)
        return self._trials(numbers, numbers)

    def _trials(self, drawn: NDArray[np.int64], taught: NDArray[np.int64]) -> Trials:
        goal_end = self.goal_steps
        choice_start = goal_end + self.delay_steps
        end = choice_start + self.choice_steps
        goals = np.array([[goal == name for name in GOALS] for goal, _, _ in PROBLEMS], dtype=np.float32)
        options = np.array([[name in offered for name in DIRECTIONS] for _, offered, _ in PROBLEMS], dtype=np.float32)
        answers = np.array([[name == right for name in DIRECTIONS] for *_, right in PROBLEMS], dtype=np.float32)

        inputs = np.zeros((len(drawn), end, self.n_inputs), dtype=np.float32)
        inputs[:, :goal_end, : len(GOALS)] = goals[drawn][:, None]
        inputs[:, choice_start:, len(GOALS) :] = options[drawn][:, None]
        targets = np.zeros((len(drawn), end, self.n_outputs), dtype=np.float32)
        targets[:, -1, : len(DIRECTIONS)] = answers[taught]
        mask = np.zeros((len(drawn), end), dtype=np.float32)
        mask[:, -1] = 1
        names = np.array(PROBLEMS)
        conditions = {
            "problem": drawn,
            "goal": names[drawn, 0],
            "choices": names[drawn, 1],
            "correct": names[drawn, 2],
            "label": names[taught, 2],
        }
        periods = {"goal": (0, goal_end), "delay": (goal_end, choice_start), "choice": (choice_start, end)}
        codes = {"goal": goals[drawn], "choices": options[drawn], "correct": answers[drawn]}
        return Trials(inputs, targets, mask, conditions, periods, codes)

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of each network (see `spatialnets.tasks.scoring.cross_entropy`)."""
        return cross_entropy(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of right choices of each network."""
        return fraction_correct(outputs, targets, mask)
