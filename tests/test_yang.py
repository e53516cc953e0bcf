"""The tasks of Yang et al., against their definitions and against neurogym's trials."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from neurogym_statistics import statistics
from numpy.typing import NDArray

from spatialnets.protocols import Trials
from spatialnets.tasks import Yang
from spatialnets.tasks.scoring import fraction_correct, fraction_decided
from spatialnets.tasks.yang_definitions import TASKS

ORACLE = np.load(Path(__file__).parent / "data" / "neurogym_statistics.npz")
COUNT = 3000
STARTS = ("stimulus_start", "delay_start", "test_start", "decision_start", "end")


def starts_of(trials: Trials) -> NDArray[np.int64]:
    return np.column_stack([np.zeros(len(trials), dtype=np.int64), *(trials.conditions[name] for name in STARTS)])


def answers_of(trials: Trials) -> NDArray[np.int64]:
    """Return the right output at each step, -1 after the end."""
    return np.where(trials.targets.any(axis=2), trials.targets.argmax(axis=2), -1)


@pytest.mark.parametrize("name", TASKS)
def test_trials_are_neurogyms_in_timing_inputs_and_targets(name: str) -> None:
    trials = Yang(tasks=(name,)).trials(COUNT, np.random.default_rng(1))
    keep = np.full(COUNT, True)
    if TASKS[name].category:  # neurogym has direction 8 in one category as a sample and in the other as a test
        keep = trials.conditions["first"] != 8
    found = statistics(trials.inputs[keep], answers_of(trials)[keep], starts_of(trials)[keep])
    expected = {key: ORACLE[f"{name}__{key}"] for key in found}
    count, expected_count = keep.sum(), int(ORACLE["trials"])
    inverse = 1 / count + 1 / expected_count

    # Six standard errors of the difference: of some 20,000 comparisons, one in a thousand such tests would miss.
    np.testing.assert_array_equal(found["lengths"], expected["lengths"])
    for key in ("share", "answers", "relative"):
        share = (count * found[key] + expected_count * expected[key]) / (count + expected_count)
        deviation = np.sqrt(np.maximum(share * (1 - share), 0) * inverse)
        assert (np.abs(found[key] - expected[key]) <= 6 * deviation + 1e-6).all(), key
    for key in ("mean", "square"):
        deviation = np.maximum(found[f"{key}_deviation"], expected[f"{key}_deviation"]) * np.sqrt(inverse)
        assert (np.abs(found[key] - expected[key]) <= 6 * deviation + 1e-6).all(), key
    # Spread: its own standard error is below twice that of a normal distribution's but for channels that seldom see
    # anything, so a third is allowed, and nothing may vary in one that is fixed in the other.
    for key in ("mean_deviation", "square_deviation"):
        np.testing.assert_allclose(found[key], expected[key], rtol=0.34, atol=1e-6)


def test_every_rule_says_what_its_trial_is() -> None:
    task = Yang()
    trials = task.trials(4000, np.random.default_rng(0))
    within = np.arange(task.n_steps) < trials.conditions["end"][:, None]
    rules = trials.inputs[:, :, 33:]
    assert (rules.sum(axis=2) == within).all()
    np.testing.assert_array_equal(np.array(task.tasks)[rules[:, 0].argmax(axis=1)], trials.conditions["task"])
    counts = np.unique(trials.conditions["task"], return_counts=True)[1]
    assert len(counts) == 20
    assert ((counts - 200) ** 2 / 200).sum() < 43.8  # chi-squared, 19 degrees of freedom, one in a thousand
    assert Yang(tasks=("go",)).n_inputs == 33
    assert Yang(tasks=("dms", "go")).n_inputs == 35


@pytest.mark.parametrize("name", TASKS)
def test_the_answer_follows_from_what_is_seen(name: str) -> None:
    """The rule of each task in words of its own, on inputs without noise."""
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
            told = {"1": [0], "2": [1], "m": [0, 1]}[name[-1]]
            evidence = shown[told].sum(axis=0)
            if "dlydm" in name:
                evidence = np.maximum(evidence, tested[told].sum(axis=0))
            other = {trials.conditions["first"][row], trials.conditions["second"][row]} - {answer}
            assert evidence[answer] > evidence[other.pop()] - 1e-6


def test_what_counts_is_fixation_a_little_and_the_decision_after_its_grace() -> None:
    trials = Yang(tasks=("dlygo",), dt_ms=50, grace_ms=100).trials(3, np.random.default_rng(0))
    expected = [0] * 2 + [0.2] * 28 + [0] * 2 + [1] * 8
    np.testing.assert_allclose(trials.mask, [expected] * 3, rtol=1e-6)
    assert trials.periods == {
        "fixation": (0, 10),
        "stimulus": (10, 20),
        "delay": (20, 30),
        "decision": (30, 40),
    }


def test_the_number_of_steps_does_not_depend_on_the_draw() -> None:
    task = Yang(tasks=("dm1", "go"))
    assert task.n_steps == 15
    assert {task.trials(2, np.random.default_rng(seed)).inputs.shape[1] for seed in range(20)} == {15}
    for dt in (10, 20, 30, 50, 100, 150):
        longest = Yang(dt_ms=dt, tasks=("dm1",)).trials(5000, np.random.default_rng(0))
        assert longest.conditions["end"].max() == longest.mask.shape[1]


def test_the_papers_cue_stays_on_until_the_decision() -> None:
    trials = Yang(fixation_cue="paper").trials(200, np.random.default_rng(0))
    step = np.arange(trials.mask.shape[1])
    np.testing.assert_array_equal(trials.inputs[:, :, 0], step < trials.conditions["decision_start"][:, None])


def test_periods_are_the_steps_at_which_every_trial_is_there() -> None:
    task = Yang(tasks=("ctxdlydm1", "dms"))
    trials = task.trials(2000, np.random.default_rng(0))
    starts = starts_of(trials)
    for place, name in enumerate(("fixation", "stimulus", "delay", "test", "decision")):
        start, stop = int(starts[:, place].max()), int(starts[:, place + 1].min())
        assert task.trials(1, np.random.default_rng(0)).periods.get(name) == ((start, stop) if start < stop else None)


def test_a_decision_is_scored_where_it_is_asked_and_fixation_is_not() -> None:
    trials = Yang().trials(500, np.random.default_rng(0))
    targets, mask = torch.tensor(trials.targets)[None], torch.tensor(trials.mask)[None]
    fixating = torch.zeros_like(targets)
    fixating[..., 0] = 1
    rest = (trials.conditions["answer"] < 0).mean()
    assert float(fraction_decided(fixating, targets, mask)) == pytest.approx(rest, abs=1e-6)
    assert float(fraction_correct(fixating, targets, mask)) > 0.5
    counted = torch.cat([targets, targets[:, :1]], dim=1), torch.cat([mask, mask[:, :1]], dim=1)
    mask[:, 0] *= 2  # a trial that is there twice
    expected = fraction_decided(torch.cat([fixating, fixating[:, :1]], dim=1), *counted)
    torch.testing.assert_close(fraction_decided(fixating, targets, mask), expected)


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
def test_a_task_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        Yang(**{field: value})  # type: ignore[arg-type]


def test_it_is_a_value() -> None:
    task = Yang(tasks=("go", "dmc"))
    task.trials(2, np.random.default_rng(0))
    assert pickle.loads(pickle.dumps(task)) == task == Yang(tasks=["go", "dmc"])  # type: ignore[arg-type]
    assert hash(task) == hash(Yang(tasks=("go", "dmc")))
