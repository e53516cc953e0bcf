"""One-choice inference, the task of the seRNN paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Trials
from spatialnets.tasks.scores import ScoredTask, fraction_correct
from spatialnets.validation import require_at_least

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["OneChoice"]

GOALS = ("left_up", "right_up", "left_down", "right_down")  # mazes 7, 9, 17, 19 of the paper's code
DIRECTIONS = ("l", "u", "r", "d")

# (goal, options, correct option): the regular problems in the order of the paper's code, then the other hard ones
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
class OneChoice(ScoredTask):
    """One-choice inference: remember a goal, then choose the one of two directions that leads to it.

    Inputs are four goals (one-hot: left-up, right-up, left-down, right-down) and four directions (left, up, right,
    down; 1 for the two options); outputs are the four directions. A response is required at the last step only.
    Problems are drawn uniformly, with replacement. Codes are the goal (four columns, one-hot), the two options, called
    ``choices`` (four columns, two of them 1), and the correct option (four columns, one-hot).

    Parameters
    ----------
    problems
        ``"regular"``: the paper's eight problems. ``"hard"``: all sixteen in which exactly one option leads closer.
    goal_steps, delay_steps, choice_steps
        Number of steps for which the goal, then nothing, and then the options are shown.
    outputs
        Number of outputs: 4, one for each direction, or 8, as in the paper's Methods; the last four are then never
        correct.
    labels
        ``"correct"``, or ``"shuffled"``: correct answers are permuted across trials, a control that cannot be learned.
        The paper's code permuted them once for all networks; here each network has its own permutation.

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
        for name, minimum in (("goal_steps", 1), ("delay_steps", 0), ("choice_steps", 1)):
            require_at_least(name, getattr(self, name), minimum)
        if self.outputs not in (4, 8):
            raise ValueError(f"outputs must be 4 or 8, not {self.outputs!r}")
        for name, valid in (("problems", ("regular", "hard")), ("labels", ("correct", "shuffled"))):
            if getattr(self, name) not in valid:
                raise ValueError(f"{name} must be {' or '.join(valid)}, not {getattr(self, name)!r}")

    @property
    def n_inputs(self) -> int:
        """Eight: four goals and four directions."""
        return len(GOALS) + len(DIRECTIONS)

    @property
    def n_outputs(self) -> int:
        """Four directions, and four outputs that are never correct if `outputs` is 8."""
        return self.outputs

    @property
    def n_problems(self) -> int:
        """Number of problems: 8 regular or 16 hard ones."""
        return 8 if self.problems == "regular" else 16

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        return self.numbered(self.draw_numbers(count, generator))

    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        problems = generator.integers(self.n_problems, size=count)
        labels = generator.permutation(problems) if self.labels == "shuffled" else problems
        return problems + self.n_problems * labels

    def each_problem(self) -> Trials:
        """Return one trial of each problem, in order, with the correct answer."""
        return self.numbered(np.arange(self.n_problems) * (1 + self.n_problems))

    def numbered(self, numbers: NDArray[np.int64]) -> Trials:
        """Return the trials whose problem and label are those of the numbers: problem + `n_problems` * label."""
        labels, problems = np.divmod(numbers, self.n_problems)
        goal_end = self.goal_steps
        choice_start = goal_end + self.delay_steps
        end = choice_start + self.choice_steps
        goals = np.array([[goal == name for name in GOALS] for goal, _, _ in PROBLEMS], dtype=np.float32)
        options = np.array([[name in offered for name in DIRECTIONS] for _, offered, _ in PROBLEMS], dtype=np.float32)
        answers = np.array([[name == correct for name in DIRECTIONS] for *_, correct in PROBLEMS], dtype=np.float32)

        inputs = np.zeros((len(problems), end, self.n_inputs), dtype=np.float32)
        inputs[:, :goal_end, : len(GOALS)] = goals[problems][:, None]
        inputs[:, choice_start:, len(GOALS) :] = options[problems][:, None]
        targets = np.zeros((len(problems), end, self.n_outputs), dtype=np.float32)
        targets[:, -1, : len(DIRECTIONS)] = answers[labels]
        mask = np.zeros((len(problems), end), dtype=np.float32)
        mask[:, -1] = 1
        names = np.array(PROBLEMS)
        conditions = {
            "problem": problems,
            "goal": names[problems, 0],
            "choices": names[problems, 1],
            "correct": names[problems, 2],
            "label": names[labels, 2],
        }
        periods = {"goal": (0, goal_end), "delay": (goal_end, choice_start), "choice": (choice_start, end)}
        codes = {"goal": goals[problems], "choices": options[problems], "correct": answers[problems]}
        return Trials(inputs, targets, mask, conditions, periods, codes)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of correct choices of each network."""
        return fraction_correct(outputs, targets, mask)
