"""The tasks of Yang et al., compared with their definitions and with trials of neurogym."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from neurogym_statistics import statistics
from numpy.typing import NDArray

from spatialnets.protocols import Trials
from spatialnets.tasks import Yang
from spatialnets.tasks.scores import decision_accuracy, fraction_correct
from spatialnets.tasks.yang_definitions import TASKS

ORACLE = np.load(Path(__file__).parent / "data" / "neurogym_statistics.npz")
COUNT = 3000
STARTS = ("stimulus_start", "delay_start", "test_start", "decision_start", "end")


def starts_of(trials: Trials) -> NDArray[np.int64]:
    return np.column_stack([np.zeros(len(trials), dtype=np.int64), *(trials.conditions[name] for name in STARTS)])


def answers_of(trials: Trials) -> NDArray[np.int64]:
    """Return the correct output at each step, -1 after the end."""
    return np.where(trials.targets.any(axis=2), trials.targets.argmax(axis=2), -1)


@pytest.mark.parametrize("name", TASKS)
def test_trials_match_neurogym_in_timing_inputs_and_targets(name: str) -> None:
    trials = Yang(tasks=(name,)).trials(COUNT, np.random.default_rng(1))
    keep = np.full(COUNT, True)
    if TASKS[name].category:  # neurogym assigns direction 8 to different categories as sample and as test
        keep = trials.conditions["first"] != 8
    observed = statistics(trials.inputs[keep], answers_of(trials)[keep], starts_of(trials)[keep])
    expected = {key: ORACLE[f"{name}__{key}"] for key in observed}
    count, expected_count = keep.sum(), int(ORACLE["trials"])
    inverse = 1 / count + 1 / expected_count

    # Six standard errors of the difference, so that hardly any of some 20,000 comparisons fails by chance.
    np.testing.assert_array_equal(observed["lengths"], expected["lengths"])
    for key in ("share", "answers", "relative"):
        share = (count * observed[key] + expected_count * expected[key]) / (count + expected_count)
        deviation = np.sqrt(np.maximum(share * (1 - share), 0) * inverse)
        assert (np.abs(observed[key] - expected[key]) <= 6 * deviation + 1e-6).all(), key
    for key in ("mean", "square"):
        deviation = np.maximum(observed[f"{key}_deviation"], expected[f"{key}_deviation"]) * np.sqrt(inverse)
        assert (np.abs(observed[key] - expected[key]) <= 6 * deviation + 1e-6).all(), key
    # The standard error of a standard deviation is below twice that of a normal distribution, except in channels with
    # rare inputs, so a third is allowed; values that are constant in one must be constant in the other.
    for key in ("mean_deviation", "square_deviation"):
        np.testing.assert_allclose(observed[key], expected[key], rtol=0.34, atol=1e-6)


def test_rule_inputs_identify_the_task_of_each_trial() -> None:
    task = Yang()
    trials = task.trials(4000, np.random.default_rng(0))
    within = np.arange(task.n_steps) < trials.conditions["end"][:, None]
    rules = trials.inputs[:, :, 33:]
    assert (rules.sum(axis=2) == within).all()
    np.testing.assert_array_equal(np.array(task.tasks)[rules[:, 0].argmax(axis=1)], trials.conditions["task"])
    counts = np.unique(trials.conditions["task"], return_counts=True)[1]
    assert len(counts) == 20
    assert ((counts - 200) ** 2 / 200).sum() < 43.8  # chi-squared, 19 degrees of freedom, p = 0.001
    assert Yang(tasks=("go",)).n_inputs == 33
    assert Yang(tasks=("dms", "go")).n_inputs == 35


@pytest.mark.parametrize("name", TASKS)
def test_correct_answers_follow_from_the_inputs(name: str) -> None:
    """Recompute the answer of each task from inputs without noise."""
    trials = Yang(tasks=(name,), noise=0).trials(300, np.random.default_rng(2))
    for row in range(300):
        starts = {key: int(trials.conditions[key][row]) for key in STARTS}
        go, end = starts["decision_start"], starts["end"]
        answer = trials.targets[row, go].argmax() - 1
        assert (trials.targets[row, go:end].argmax(axis=1) - 1 == answer).all()
        assert (trials.targets[row, :go, 0] == 1).all()
        rings = trials.inputs[row, :, 1:].reshape(-1, 2, 16)
        shown, tested = rings[go if name.startswith("rt") else starts["stimulus_start"]], rings[go - 1]
        strongest = shown[shown.max(axis=1).argmax()].argmax()
        if name.endswith(("go", "anti")):
            assert answer == (strongest + 8 * name.endswith("anti")) % 16
        elif name in ("dms", "dnms", "dmc", "dnmc"):
            second = tested[tested.max(axis=1).argmax()].argmax()
            match = strongest == second if name.endswith("s") else strongest // 8 == second // 8
            assert answer == (second if match != name.startswith("dn") else -1)
        else:
            relevant = {"1": [0], "2": [1], "m": [0, 1]}[name[-1]]
            evidence = shown[relevant].sum(axis=0)
            if "dlydm" in name:
                evidence = np.maximum(evidence, tested[relevant].sum(axis=0))
            other = {trials.conditions["first"][row], trials.conditions["second"][row]} - {answer}
            assert evidence[answer] > evidence[other.pop()] - 1e-6


def test_mask_weights_fixation_and_the_decision_after_grace_periods() -> None:
    trials = Yang(tasks=("dlygo",), dt_ms=50, grace_ms=100).trials(3, np.random.default_rng(0))
    expected = [0] * 2 + [0.2] * 28 + [0] * 2 + [1] * 8
    np.testing.assert_allclose(trials.mask, [expected] * 3, rtol=1e-6)
    assert trials.periods == {
        "fixation": (0, 10),
        "stimulus": (10, 20),
        "delay": (20, 30),
        "decision": (30, 40),
    }


def test_number_of_steps_is_the_same_for_all_seeds() -> None:
    task = Yang(tasks=("dm1", "go"))
    assert task.n_steps == 15
    assert {task.trials(2, np.random.default_rng(seed)).inputs.shape[1] for seed in range(20)} == {15}
    for dt in (10, 20, 30, 50, 100, 150):
        longest = Yang(dt_ms=dt, tasks=("dm1",)).trials(5000, np.random.default_rng(0))
        assert longest.conditions["end"].max() == longest.mask.shape[1]


def test_fixation_cue_of_the_paper_stays_on_until_the_decision() -> None:
    trials = Yang(fixation_cue="paper").trials(200, np.random.default_rng(0))
    step = np.arange(trials.mask.shape[1])
    np.testing.assert_array_equal(trials.inputs[:, :, 0], step < trials.conditions["decision_start"][:, None])


def test_periods_are_the_steps_that_all_trials_share() -> None:
    task = Yang(tasks=("ctxdlydm1", "dms"))
    trials = task.trials(2000, np.random.default_rng(0))
    starts = starts_of(trials)
    for index, name in enumerate(("fixation", "stimulus", "delay", "test", "decision")):
        start, stop = int(starts[:, index].max()), int(starts[:, index + 1].min())
        assert task.trials(1, np.random.default_rng(0)).periods.get(name) == ((start, stop) if start < stop else None)


def test_accuracy_scores_decisions_but_not_earlier_fixation() -> None:
    trials = Yang().trials(500, np.random.default_rng(0))
    targets, mask = torch.tensor(trials.targets)[None], torch.tensor(trials.mask)[None]
    fixating = torch.zeros_like(targets)
    fixating[..., 0] = 1
    share = (trials.conditions["answer"] < 0).mean()
    assert float(decision_accuracy(fixating, targets, mask)) == pytest.approx(share, abs=1e-6)
    assert float(fraction_correct(fixating, targets, mask)) > 0.5
    repeated = torch.cat([targets, targets[:, :1]], dim=1), torch.cat([mask, mask[:, :1]], dim=1)
    mask[:, 0] *= 2  # count the first trial twice
    expected = decision_accuracy(torch.cat([fixating, fixating[:, :1]], dim=1), *repeated)
    torch.testing.assert_close(decision_accuracy(fixating, targets, mask), expected)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tasks", ("go", "og")),
        ("tasks", ("go", "go")),
        ("tasks", ()),
        ("dt_ms", 0),
        ("dt_ms", 201),
        ("noise", float("nan")),
        ("directions", 7),
        ("fixation_weight", 1),
        ("grace_ms", 200),
        ("fixation_cue", "always"),
    ],
)
def test_invalid_parameters_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        Yang(**{field: value})  # type: ignore[arg-type]


def test_tasks_are_compared_and_pickled_by_value() -> None:
    task = Yang(tasks=("go", "dmc"))
    task.trials(2, np.random.default_rng(0))
    assert pickle.loads(pickle.dumps(task)) == task == Yang(tasks=["go", "dmc"])  # type: ignore[arg-type]
    assert hash(task) == hash(Yang(tasks=("go", "dmc")))
