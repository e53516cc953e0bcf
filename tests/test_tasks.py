import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from spatialnets.protocols import Trials
from spatialnets.tasks import OneChoice
from spatialnets.tasks.scores import cross_entropy, fraction_correct
from spatialnets.testing import check_task

GOLDEN = np.load(Path(__file__).parent / "data" / "golden.npz")
VECTORS = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1)}
STEPS = {"l": (-1, 0), "r": (1, 0), "u": (0, 1), "d": (0, -1)}


def test_regular_problems_are_those_of_the_paper() -> None:
    trials = OneChoice().each_problem()
    np.testing.assert_array_equal(trials.inputs, GOLDEN["task__inputs"])
    np.testing.assert_array_equal(trials.targets[:, -1], GOLDEN["task__targets"])


def test_exactly_one_option_of_each_hard_problem_leads_closer_to_the_goal() -> None:
    trials = OneChoice(problems="hard").each_problem()
    problems = set()
    for goal, choices, correct in zip(
        *(trials.conditions[name] for name in ("goal", "choices", "correct")), strict=True
    ):
        target = np.sum([VECTORS[side] for side in str(goal).split("_")], axis=0)
        closer = {
            option: np.abs(target - np.array(STEPS[option])).sum() < np.abs(target).sum() for option in str(choices)
        }
        assert sorted(closer.values()) == [False, True]
        assert closer[str(correct)]
        problems.add((str(goal), "".join(sorted(str(choices)))))
    # all possible problems: for each of four goals, one of two correct options paired with one of two incorrect ones
    assert len(problems) == 16


def test_regular_problems_are_the_first_eight_hard_problems() -> None:
    regular, hard = OneChoice().each_problem(), OneChoice(problems="hard").each_problem()
    np.testing.assert_array_equal(regular.inputs, hard.inputs[:8])


def test_problems_are_drawn_uniformly() -> None:
    trials = OneChoice().trials(8000, np.random.default_rng(0))
    counts = np.bincount(trials.conditions["problem"], minlength=8)
    assert ((counts - 1000) ** 2 / 1000).sum() < 24.3  # chi-squared, 7 degrees of freedom, p = 0.001


def test_goals_and_options_are_shown_in_their_periods() -> None:
    task = OneChoice(goal_steps=3, delay_steps=2, choice_steps=4)
    trials = task.trials(20, np.random.default_rng(0))
    assert trials.inputs.shape == (20, 9, 8)
    assert trials.periods == {"goal": (0, 3), "delay": (3, 5), "choice": (5, 9)}
    shown = trials.inputs.sum(axis=2)
    assert (shown[:, :3] == 1).all()
    assert (shown[:, 3:5] == 0).all()
    assert (shown[:, 5:] == 2).all()
    assert (trials.mask == [0] * 8 + [1]).all()
    assert OneChoice(delay_steps=0).trials(1, np.random.default_rng(0)).inputs.shape == (1, 40, 8)


def test_codes_are_a_numerical_encoding_of_conditions() -> None:
    trials = OneChoice(problems="hard", labels="shuffled").trials(100, np.random.default_rng(0))
    assert list(trials.codes) == ["goal", "choices", "correct"]
    directions, goals = ("l", "u", "r", "d"), ("left_up", "right_up", "left_down", "right_down")
    for name, categories in (("goal", goals), ("choices", directions), ("correct", directions)):
        columns, conditions = trials.codes[name], trials.conditions[name]
        assert columns.shape == (100, 4)
        assert columns.dtype == np.float32
        for row, condition in zip(columns, conditions, strict=True):
            assert row.tolist() == [category in condition for category in categories]
    np.testing.assert_array_equal(trials.inputs[:, 0, :4], trials.codes["goal"])
    np.testing.assert_array_equal(trials.inputs[:, -1, 4:], trials.codes["choices"])


def test_shuffled_labels_preserve_inputs_and_answer_counts() -> None:
    plain = OneChoice().trials(4000, np.random.default_rng(1))
    shuffled = OneChoice(labels="shuffled").trials(4000, np.random.default_rng(1))
    np.testing.assert_array_equal(shuffled.inputs, plain.inputs)
    np.testing.assert_array_equal(shuffled.targets.sum(axis=0), plain.targets.sum(axis=0))
    assert (shuffled.conditions["correct"] == plain.conditions["correct"]).all()
    agree = (shuffled.conditions["label"] == shuffled.conditions["correct"]).mean()
    assert abs(agree - 0.25) < 0.03  # each answer is correct in a quarter of problems; four standard errors
    assert (plain.conditions["label"] == plain.conditions["correct"]).all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (np.zeros(64, dtype=np.float32), "must have shape (trial, column)"),
        (np.zeros((63, 2), dtype=np.float32), "one row for each trial"),
        (np.zeros((64, 0), dtype=np.float32), "must have at least one column"),
        (np.zeros((64, 2)), "must be float32"),
        (np.full((64, 2), np.nan, dtype=np.float32), "must be finite"),
    ],
)
def test_check_task_rejects_invalid_codes(columns: NDArray[Any], message: str) -> None:
    class Coded(OneChoice):
        def trials(self, count: int, generator: np.random.Generator) -> Trials:
            return replace(super().trials(count, generator), codes={"goal": columns})

    with pytest.raises(AssertionError, match=re.escape(message)):
        check_task(Coded())


@pytest.mark.parametrize(
    ("field", "value"),
    [("goal_steps", 0), ("delay_steps", -1), ("choice_steps", 0), ("problems", "easy"), ("labels", "none")],
)
def test_invalid_parameters_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        OneChoice(**{field: value})  # type: ignore[arg-type]


def test_cross_entropy_equals_that_of_pytorch() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 10, 1, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (3, 10), generator=generator)
    targets = torch.nn.functional.one_hot(labels, 4).double()[:, :, None]
    losses = cross_entropy(outputs, targets, torch.ones(3, 10, 1, dtype=torch.float64))
    for network in range(3):
        expected = torch.nn.functional.cross_entropy(outputs[network, :, 0], labels[network])
        torch.testing.assert_close(losses[network], expected)


def test_mask_values_act_as_trial_counts() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(1, 2, 1, 4, generator=generator), torch.eye(4)[None, :2, None]
    counts = torch.tensor([[[3.0], [1.0]]])
    repeated = [0, 0, 0, 1]
    for score in (cross_entropy, fraction_correct):
        expected = score(outputs[:, repeated], targets[:, repeated], torch.ones(1, 4, 1))
        torch.testing.assert_close(score(outputs, targets, counts), expected)


def test_the_last_four_of_eight_outputs_are_never_correct() -> None:
    four, eight = (OneChoice(outputs=count).trials(64, np.random.default_rng(1)) for count in (4, 8))
    np.testing.assert_array_equal(eight.targets[..., :4], four.targets)
    assert not eight.targets[..., 4:].any()
    np.testing.assert_array_equal(eight.inputs, four.inputs)
    with pytest.raises(ValueError, match="outputs must be 4 or 8"):
        OneChoice(outputs=5)  # type: ignore[arg-type]
