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
from spatialnets.tasks.scoring import cross_entropy, fraction_correct
from spatialnets.testing import check_task

GOLDEN = np.load(Path(__file__).parent / "data" / "golden.npz")
WHERE = {"left": (-1, 0), "right": (1, 0), "up": (0, 1), "down": (0, -1)}
STEPS = {"l": (-1, 0), "r": (1, 0), "u": (0, 1), "d": (0, -1)}


def test_the_eight_problems_are_the_papers() -> None:
    trials = OneChoice().each_problem()
    np.testing.assert_array_equal(trials.inputs, GOLDEN["task__inputs"])
    np.testing.assert_array_equal(trials.targets[:, -1], GOLDEN["task__targets"])


def test_in_every_hard_problem_exactly_one_option_leads_closer() -> None:
    trials = OneChoice(problems="hard").each_problem()
    seen = set()
    for goal, choices, correct in zip(
        *(trials.conditions[name] for name in ("goal", "choices", "correct")), strict=True
    ):
        target = np.sum([WHERE[word] for word in str(goal).split("_")], axis=0)
        closer = {
            option: np.abs(target - np.array(STEPS[option])).sum() < np.abs(target).sum() for option in str(choices)
        }
        assert sorted(closer.values()) == [False, True]
        assert closer[str(correct)]
        seen.add((str(goal), "".join(sorted(str(choices)))))
    # all there are: for each of four goals, one option of two that lead closer with one of two that do not
    assert len(seen) == 16


def test_the_regular_problems_are_the_first_eight_hard_ones() -> None:
    regular, hard = OneChoice().each_problem(), OneChoice(problems="hard").each_problem()
    np.testing.assert_array_equal(regular.inputs, hard.inputs[:8])


def test_problems_are_drawn_uniformly() -> None:
    trials = OneChoice().trials(8000, np.random.default_rng(0))
    counts = np.bincount(trials.conditions["problem"], minlength=8)
    assert ((counts - 1000) ** 2 / 1000).sum() < 24.3  # chi-squared, 7 degrees of freedom, one in a thousand


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


def test_codes_say_in_numbers_what_conditions_say_in_words() -> None:
    trials = OneChoice(problems="hard", labels="shuffled").trials(100, np.random.default_rng(0))
    assert list(trials.codes) == ["goal", "choices", "correct"]
    for name, words in (("goal", None), ("choices", "lurd"), ("correct", "lurd")):
        columns, conditions = trials.codes[name], trials.conditions[name]
        assert columns.shape == (100, 4)
        assert columns.dtype == np.float32
        for row, condition in zip(columns, conditions, strict=True):
            expected = [word in condition for word in words or ("left_up", "right_up", "left_down", "right_down")]
            assert row.tolist() == expected
    np.testing.assert_array_equal(trials.inputs[:, 0, :4], trials.codes["goal"])
    np.testing.assert_array_equal(trials.inputs[:, -1, 4:], trials.codes["choices"])


def test_shuffled_labels_keep_inputs_and_the_number_of_each_answer() -> None:
    plain = OneChoice().trials(4000, np.random.default_rng(1))
    shuffled = OneChoice(labels="shuffled").trials(4000, np.random.default_rng(1))
    np.testing.assert_array_equal(shuffled.inputs, plain.inputs)
    np.testing.assert_array_equal(shuffled.targets.sum(axis=0), plain.targets.sum(axis=0))
    assert (shuffled.conditions["correct"] == plain.conditions["correct"]).all()
    agree = (shuffled.conditions["label"] == shuffled.conditions["correct"]).mean()
    assert abs(agree - 0.25) < 0.03  # four answers, each in a quarter of the problems; four standard errors
    assert (plain.conditions["label"] == plain.conditions["correct"]).all()


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (np.zeros(64, dtype=np.float32), "must be (trial, column)"),
        (np.zeros((63, 2), dtype=np.float32), "one row per trial"),
        (np.zeros((64, 0), dtype=np.float32), "must have a column"),
        (np.zeros((64, 2)), "must be float32"),
        (np.full((64, 2), np.nan, dtype=np.float32), "must be finite"),
    ],
)
def test_codes_that_are_no_predictors_are_found_out(columns: NDArray[Any], said: str) -> None:
    class Coded(OneChoice):
        def trials(self, count: int, generator: np.random.Generator) -> Trials:
            return replace(super().trials(count, generator), codes={"goal": columns})

    with pytest.raises(AssertionError, match=re.escape(said)):
        check_task(Coded())


@pytest.mark.parametrize(
    ("field", "value"),
    [("goal_steps", 0), ("delay_steps", -1), ("choice_steps", 0), ("problems", "easy"), ("labels", "none")],
)
def test_a_task_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        OneChoice(**{field: value})  # type: ignore[arg-type]


def test_cross_entropy_is_torchs() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 10, 1, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(4, (3, 10), generator=generator)
    targets = torch.nn.functional.one_hot(labels, 4).double()[:, :, None]
    found = cross_entropy(outputs, targets, torch.ones(3, 10, 1, dtype=torch.float64))
    for network in range(3):
        expected = torch.nn.functional.cross_entropy(outputs[network, :, 0], labels[network])
        torch.testing.assert_close(found[network], expected)


def test_a_mask_counts_trials_as_often_as_it_says() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs, targets = torch.randn(1, 2, 1, 4, generator=generator), torch.eye(4)[None, :2, None]
    counted = torch.tensor([[[3.0], [1.0]]])
    again = [0, 0, 0, 1]
    for score in (cross_entropy, fraction_correct):
        expected = score(outputs[:, again], targets[:, again], torch.ones(1, 4, 1))
        torch.testing.assert_close(score(outputs, targets, counted), expected)


def test_eight_outputs_are_four_and_four_that_are_never_right() -> None:
    four, eight = (OneChoice(outputs=count).trials(64, np.random.default_rng(1)) for count in (4, 8))
    np.testing.assert_array_equal(eight.targets[..., :4], four.targets)
    assert not eight.targets[..., 4:].any()
    np.testing.assert_array_equal(eight.inputs, four.inputs)
    with pytest.raises(ValueError, match="outputs must be 4 or 8"):
        OneChoice(outputs=5)  # type: ignore[arg-type]
