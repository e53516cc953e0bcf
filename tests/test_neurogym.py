"""Environments of neurogym as tasks; most tests need neurogym, which requires a specific numpy version."""

import pickle
from importlib.util import find_spec

import numpy as np
import pytest

from spatialnets import UserError
from spatialnets.tasks import GoNoGo, Neurogym, neurogym
from spatialnets.testing import check_task

needs_neurogym = pytest.mark.skipif(find_spec("neurogym") is None, reason="neurogym is not installed")


def test_message_says_what_to_install_if_neurogym_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurogym, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'spatialnets\[neurogym\]'"):
        Neurogym("GoNogo-v0")


@needs_neurogym
def test_go_no_go_trials_equal_our_own() -> None:
    task = Neurogym("GoNogo-v0")
    trials, ours = task.trials(200, np.random.default_rng(0)), GoNoGo().trials(200, np.random.default_rng(0))

    def distinct(*arrays: np.ndarray) -> set[bytes]:
        return {b"".join(array[row].tobytes() for array in arrays) for row in range(200)}

    inputs = trials.inputs[:, :, [0, 2, 1]]  # neurogym has no-go before go
    assert distinct(inputs, trials.targets, trials.mask) == distinct(ours.inputs, ours.targets, ours.mask)
    assert {name: trials.periods[name] for name in ours.periods} == ours.periods
    np.testing.assert_array_equal(trials.conditions["ground_truth"], trials.targets[:, -1].argmax(axis=1))


@needs_neurogym
@pytest.mark.parametrize(
    "name",
    [
        "PerceptualDecisionMaking-v0",
        "ContextDecisionMaking-v0",
        "ReadySetGo-v0",
        "MultiSensoryIntegration-v0",
        "DelayPairedAssociation-v0",
        "yang19.rtanti-v0",
        "yang19.multidlydm-v0",
    ],
)
def test_environments_satisfy_the_task_contract(name: str) -> None:
    task = Neurogym(name)
    check_task(task)
    assert pickle.loads(pickle.dumps(task)) == task
    assert hash(task) == hash(Neurogym(name))
    for seed in range(3):  # the number of steps does not depend on the number of trials
        assert (
            task.trials(20, np.random.default_rng(seed)).inputs.shape[1]
            == task.trials(1, np.random.default_rng(seed)).inputs.shape[1]
        )


@needs_neurogym
def test_settings_reach_the_environment() -> None:
    task = Neurogym("GoNogo-v0", settings={"dt": 50, "timing": {"delay": 200}})
    assert task.trials(1, np.random.default_rng(0)).periods["delay"] == (10, 14)


@needs_neurogym
@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("GoNoGo-v0", {}, "did you mean 'GoNogo-v0'"),
        ("GoNogo-v0", {"dtt": 1}, "cannot create GoNogo-v0"),
        ("Bandit-v0", {}, "no correct answers"),
        ("Reaching1D-v0", {}, "not among its 3 actions"),
    ],
)
def test_unusable_environments_are_refused(name: str, settings: dict[str, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Neurogym(name, settings)
