"""Phased tasks, compared with definitions that are written out trial by trial."""

import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from spatialnets import DeclarationError, Experiment
from spatialnets.protocols import Task, Trials
from spatialnets.tasks import (
    ContextDecision,
    CopyMemory,
    DelayedMatchToSample,
    GoNoGo,
    NBack,
    ParametricWorkingMemory,
    PerceptualDecision,
    Phase,
    PhasedTask,
    Phases,
)
from spatialnets.tasks.phases import TrialVariables
from spatialnets.tasks.scores import cross_entropy, decision_accuracy
from spatialnets.testing import check_task


class GoNoGoByHand(Task):
    """Go/no-go without phases."""

    n_inputs = 3
    n_outputs = 2

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        go = (generator.random(count) < 0.5).astype(int)
        inputs = np.zeros((count, 15, 3), dtype=np.float32)
        inputs[:, :10, 0] = 1
        inputs[np.arange(count), :5, 2 - go] = 1
        targets = np.zeros((count, 15, 2), dtype=np.float32)
        targets[:, :10, 0] = 1
        targets[:, 10:] = np.eye(2)[go][:, None]
        mask = np.tile(np.repeat(np.array([0.2, 1], dtype=np.float32), [10, 5]), (count, 1))
        periods = {"stimulus": (0, 5), "delay": (5, 10), "decision": (10, 15)}
        codes = {"stimulus": np.eye(2, dtype=np.float32)[1 - go], "go": np.eye(2, dtype=np.float32)[go]}
        return Trials(inputs, targets, mask, {"stimulus": 1 - go, "go": go}, periods, codes)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return cross_entropy(outputs, targets, mask)

    def accuracy(self, outputs: torch.Tensor, targets: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return decision_accuracy(outputs, targets, mask)


def assert_equal(one: Trials, other: Trials) -> None:
    for name in ("inputs", "targets", "mask"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("conditions", "codes"):
        assert list(getattr(one, name)) == list(getattr(other, name))
        for key, values in getattr(other, name).items():
            np.testing.assert_array_equal(getattr(one, name)[key], values)
    assert one.periods == other.periods


def test_phased_task_equals_the_same_task_without_phases() -> None:
    phased, by_hand = (task.trials(200, np.random.default_rng(0)) for task in (GoNoGo(), GoNoGoByHand()))
    assert_equal(phased, by_hand)


@dataclass(frozen=True)
class Recall(PhasedTask):
    """Report after a delay what was shown."""

    n_outputs = 3
    noise: float = 0.0
    shown: str = "cue"
    group: str = "cue"
    answer: str = "cue"
    delay: tuple[int, int] = (2, 6)

    def groups(self) -> Mapping[str, int]:
        return {"fixation": 1, "cue": 3, "level": 1}

    def draw(self, count: int, generator: np.random.Generator) -> TrialVariables:
        level = generator.random(count)
        return {
            "cue": generator.integers(3, size=count),
            "level": level,
            "both": np.tile(level[:, None], 3),
        }

    def phases(self) -> tuple[Phase, ...]:
        return (
            Phase("cue", 2, {"fixation": 1, self.group: self.shown, "level": "level"}, noise={"cue": self.noise}),
            Phase("delay", self.delay, {"fixation": 0.5}, ask=0, weight=0.1),
            Phase("answer", (1, 2), ask=self.answer),
        )


def test_phases_of_random_length_follow_each_other() -> None:
    trials = Recall().trials(3000, np.random.default_rng(0))
    assert trials.inputs.shape == (3000, 10, 5)
    assert trials.periods == {"cue": (0, 2), "delay": (2, 4), "trial": (0, 10)}
    for row in range(300):
        cue, level = trials.conditions["cue"][row], trials.conditions["level"][row]
        go, end = trials.conditions["answer_start"][row], trials.conditions["end"][row]
        assert trials.conditions["delay_start"][row] == 2
        expected = np.zeros((10, 5), dtype=np.float32)
        expected[:2, 0], expected[:2, 1 + cue], expected[:2, 4] = 1, 1, level
        expected[2:go, 0] = 0.5
        np.testing.assert_array_equal(trials.inputs[row], expected)
        target, mask = np.zeros((10, 3)), np.zeros(10, dtype=np.float32)
        target[2:go, 0], target[go:end, cue] = 1, 1
        mask[2:go], mask[go:end] = 0.1, 1
        np.testing.assert_array_equal(trials.targets[row], target)
        np.testing.assert_array_equal(trials.mask[row], mask)
    lengths = np.bincount(trials.conditions["answer_start"] - 2, minlength=7)[2:]
    assert ((lengths - 600) ** 2 / 600).sum() < 18.5  # chi-squared, 4 degrees of freedom, p = 0.001
    check_task(Recall(noise=0.3))


def test_noise_is_added_only_to_the_given_phase_and_group() -> None:
    noise = Recall(noise=0.5).trials(2000, np.random.default_rng(0)).inputs
    plain = Recall().trials(2000, np.random.default_rng(0)).inputs
    difference = noise - plain
    assert not difference[:, 2:].any()
    assert not difference[:, :, [0, 4]].any()
    # 12,000 draws: the standard error of a standard deviation is 0.65 %
    assert difference[:, :2, 1:4].std() == pytest.approx(0.5, rel=0.03)


def test_variables_with_several_columns_are_shown_as_they_are() -> None:
    trials = Recall(shown="both").trials(20, np.random.default_rng(0))
    np.testing.assert_allclose(trials.inputs[:, 0, 1:4], np.tile(trials.conditions["level"][:, None], 3), rtol=1e-6)
    assert "both" not in trials.conditions
    assert trials.codes["both"].shape == (20, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shown": "cu"}, "no trial variable 'cu'; did you mean 'cue'"),
        ({"group": "cues"}, "no input group 'cues'; did you mean 'cue'"),
        ({"answer": "level"}, "one whole number per trial"),
        ({"shown": "level"}, "must be whole numbers"),
        ({"shown": "both", "group": "fixation"}, "3 columns"),
        ({"delay": (6, 2)}, "phase delay: steps"),
        ({"noise": -1.0}, "noise on cue must be"),
    ],
)
def test_invalid_phases_are_refused(arguments: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Recall(**arguments).trials(10, np.random.default_rng(0))  # type: ignore[arg-type]


def test_task_without_a_required_response_is_refused() -> None:
    with pytest.raises(ValueError, match="no phase is certain to require a response"):
        GoNoGo(decision_steps=0, stimulus_steps=0, delay_steps=0)


SAME = """
kind: phases
variables: {sample: 2, test: 2}
rules: [{name: same, of: [sample, test], table: [2, 1, 1, 2]}]
inputs: {fixation: 1, stimuli: 2}
outputs: 3
trial:
- {name: sample, steps: 3, show: {fixation: 1, stimuli: sample}, ask: 0, weight: 0.2}
- {name: delay, steps: [2, 4], show: {fixation: 1}, ask: 0, weight: 0.2}
- {name: test, steps: 2, show: {fixation: 1, stimuli: test}, ask: 0, weight: 0.2, noise: {stimuli: 0.1}}
- {name: answer, steps: 2, ask: same}
"""


def declared(text: str) -> Experiment:
    block = yaml.safe_load(text)
    return Experiment.from_declaration(
        {
            "name": "mine",
            "networks": 1,
            "base": {"geometry": "grid", "core": "rnn", "task": block},
            "groups": {"l1": {"regularizer": {"kind": "l1", "strength": 0.1}}},
        }
    )


def test_declared_phases_give_the_declared_task(tmp_path: Path) -> None:
    experiment = declared(SAME)
    task = experiment.groups["l1"].ensembles[0].task
    assert isinstance(task, Phases)
    trials = task.trials(500, np.random.default_rng(0))
    rows = np.arange(500)
    sample, test = trials.inputs[:, 0, 1:], trials.inputs[rows, trials.conditions["test_start"], 1:]
    same = sample.argmax(axis=1) == test.argmax(axis=1)
    answer = trials.targets[rows, trials.conditions["answer_start"]].argmax(axis=1)
    np.testing.assert_array_equal(answer, np.where(same, 2, 1))

    file = tmp_path / "experiment.yaml"
    file.write_text(experiment.to_yaml(), encoding="utf-8")
    again = Experiment.from_yaml(file).groups["l1"].ensembles[0].task
    assert again == task
    assert hash(again) == hash(task)
    assert pickle.loads(pickle.dumps(task)) == task


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "show: {fixation: 1, stimuli: test}",
            "shown: {stimuli: test}",
            "task.trial.2.shown: unknown key: did you mean 'show'?",
        ),
        ("steps: 3", "steps: three", "task.trial.0.steps: expected"),
        ("name: delay, ", "", "task.trial.1.name: is required by phase"),
        (
            "[{name: same, of: [sample, test], table: [2, 1, 1, 2]}]",
            "3",
            "task.rules: expected a list of mappings with name, of, table",
        ),
        ("stimuli: sample}", "stimuli: simple}", "no trial variable 'simple'; did you mean 'sample'"),
        ("{stimuli: 0.1}", "{stimulus: 0.1}", "no input group 'stimulus'"),
        ("ask: same", "ask: sane", "no trial variable 'sane'; did you mean 'same'"),
        ("[2, 1, 1, 2]", "[2, 1, 1]", "the table has 3 numbers; expected 4"),
        ("[2, 1, 1, 2]", "[3, 1, 1, 1]", "'same' must be one of the outputs 0 to 2"),
        ("of: [sample, test]", "of: [sample, tests]", "no variable 'tests'; did you mean 'test'"),
        ("sample: 2, test: 2", "sample: 2, test: 0", "number of values of variable 'test' must be 1 or more"),
        ("variables: {sample: 2", "variables: {sample: 3", "the table has 4 numbers; expected 6"),
        ("name: same", "name: test", "must have different names"),
        ("steps: [2, 4]", "steps: [4, 2]", "steps must be"),
        ("outputs: 3", "outputs: 1", "outputs must be"),
    ],
)
def test_invalid_declared_phases_are_refused(old: str, new: str, message: str) -> None:
    assert old in SAME
    with pytest.raises(DeclarationError) as caught:
        declared(SAME.replace(old, new))
    assert message in str(caught.value)


def test_the_stronger_side_is_correct() -> None:
    trials = PerceptualDecision(noise=0).trials(1000, np.random.default_rng(0))
    sides, coherence = trials.inputs[:, 1:21, 1:], trials.conditions["coherence"]
    np.testing.assert_allclose(np.sort(sides[:, 0]), (1 + coherence[:, None] * [-1, 1]) / 2, rtol=1e-6)
    clear = coherence > 0
    assert (trials.targets[clear, -1].argmax(axis=1) == 1 + sides[clear, 0].argmax(axis=1)).all()
    assert abs((trials.targets[~clear, -1, 1] == 1).mean() - 0.5) < 4 * 0.5 / np.sqrt((~clear).sum())
    noisy = PerceptualDecision().trials(1000, np.random.default_rng(0)).inputs - trials.inputs
    assert noisy[:, 1:21, 1:].std() == pytest.approx(0.1, rel=0.02)  # 40,000 draws
    assert not noisy[:, [0, 21]].any()


def test_half_of_the_tests_match_the_sample() -> None:
    trials = DelayedMatchToSample(noise=0, delay_steps=(3, 6)).trials(2000, np.random.default_rng(0))
    sample = trials.inputs[:, 3, 1:].argmax(axis=1)
    rows = np.arange(2000)
    test = trials.inputs[rows, trials.conditions["test_start"], 1:].argmax(axis=1)
    answer = trials.targets[rows, trials.conditions["decision_start"]].argmax(axis=1)
    np.testing.assert_array_equal(answer, np.where(sample == test, 1, 2))
    assert abs((answer == 1).mean() - 0.5) < 4 * 0.5 / np.sqrt(2000)
    assert set(zip(sample.tolist(), test.tolist(), strict=True)) == {(a, b) for a in range(4) for b in range(4)}


def test_the_higher_frequency_is_correct() -> None:
    trials = ParametricWorkingMemory(noise=0).trials(500, np.random.default_rng(0))
    first, second = trials.inputs[:, 5, 1], trials.inputs[:, 20, 1]
    np.testing.assert_array_equal(trials.targets[:, -1].argmax(axis=1), np.where(first > second, 1, 2))
    pairs = set(zip(trials.conditions["first_hz"].tolist(), trials.conditions["second_hz"].tolist(), strict=True))
    low = {(10, 18), (14, 22), (18, 26), (22, 30), (26, 34)}
    assert pairs == low | {(b, a) for a, b in low}
    shown = np.concatenate([first, second])
    assert (shown.min(), shown.max()) == (0.5, 1)
    np.testing.assert_allclose(first, 0.5 + (trials.conditions["first_hz"] - 10) / 48, rtol=1e-6)


def test_context_selects_the_relevant_evidence() -> None:
    trials = ContextDecision(noise=0).trials(2000, np.random.default_rng(0))
    motion, colour, context = trials.inputs[:, 5, 1], trials.inputs[:, 5, 2], trials.inputs[:, :, 3:]
    assert (context == context[:, :1]).all()
    relevant = np.where(context[:, 0, 0] == 1, motion, colour)
    np.testing.assert_array_equal(trials.targets[:, -1].argmax(axis=1), np.where(relevant > 0, 1, 2))
    assert abs(np.corrcoef(motion, colour)[0, 1]) < 4 / np.sqrt(2000)
    np.testing.assert_allclose(np.unique(motion), [-0.5, -0.15, -0.05, 0.05, 0.15, 0.5], rtol=1e-6)


def test_items_are_compared_with_the_item_n_positions_earlier() -> None:
    trials = NBack(n=3, items=8, gap_steps=2).trials(2000, np.random.default_rng(0))
    shown = trials.inputs[:, ::4].argmax(axis=2)
    assert trials.inputs.shape == (2000, 32, 6)
    assert (trials.inputs.sum(axis=2) == np.tile([1, 1, 0, 0], 8)).all()
    assert (trials.mask == np.repeat([0, 1], [12, 20]) * np.tile([1, 1, 0, 0], 8)).all()
    match = shown[:, 3:] == shown[:, :-3]
    np.testing.assert_array_equal(trials.targets[:, 12::4].argmax(axis=2), match)
    assert abs(match.mean() - 1 / 3) < 4 * np.sqrt(2 / 9 / match.size)
    assert trials.periods["item_2"] == (4, 8)


def test_symbols_are_repeated_after_the_cue() -> None:
    trials = CopyMemory(length=3, delay_steps=5).trials(100, np.random.default_rng(0))
    symbols = trials.inputs.argmax(axis=2)
    assert (trials.inputs.sum(axis=2) == 1).all()
    assert (symbols[:, 3:] == [8, 8, 8, 8, 9, 8, 8, 8]).all()
    answers = trials.targets.argmax(axis=2)
    np.testing.assert_array_equal(answers[:, -3:], 1 + symbols[:, :3])
    assert not answers[:, :-3].any()
    assert trials.periods == {"symbols": (0, 3), "delay": (3, 7), "cue": (7, 8), "answer": (8, 11)}


@pytest.mark.parametrize(
    ("task", "field", "value"),
    [
        (PerceptualDecision, "coherences", (2.0,)),
        (PerceptualDecision, "fixation_weight", 1.0),
        (DelayedMatchToSample, "stimuli", 1),
        (ParametricWorkingMemory, "frequencies", ()),
        (ParametricWorkingMemory, "difference", 0),
        (ContextDecision, "coherences", (0.0,)),
        (GoNoGo, "go_share", 1.5),
        (NBack, "n", 0),
        (NBack, "items", 2),
        (NBack, "match_share", -1),
        (CopyMemory, "length", 0),
        (CopyMemory, "blank_weight", 1),
    ],
)
def test_invalid_parameters_are_refused(task: type[Task], field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        task(**{field: value})
