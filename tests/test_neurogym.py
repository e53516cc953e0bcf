"""Environments of neurogym as tasks; most of this needs neurogym, which wants a numpy of its own."""

import pickle
from importlib.util import find_spec

import numpy as np
import pytest

from spatialnets import UserError
from spatialnets.tasks import GoNoGo, Neurogym, neurogym
from spatialnets.testing import check_task

needed = pytest.mark.skipif(find_spec("neurogym") is None, reason="neurogym is not installed")


def test_without_neurogym_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neurogym, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'spatialnets\[neurogym\]'"):
        Neurogym("GoNogo-v0")


@needed
def test_its_go_no_go_is_ours() -> None:
    task = Neurogym("GoNogo-v0")
    trials, ours = task.trials(200, np.random.default_rng(0)), GoNoGo().trials(200, np.random.default_rng(0))

    def distinct(*arrays: np.ndarray) -> set[bytes]:
        return {b"".join(array[row].tobytes() for array in arrays) for row in range(200)}

    seen = trials.inputs[:, :, [0, 2, 1]]  # neurogym has no-go before go
    assert distinct(seen, trials.targets, trials.mask) == distinct(ours.inputs, ours.targets, ours.mask)
    assert {name: trials.periods[name] for name in ours.periods} == ours.periods
    np.testing.assert_array_equal(trials.conditions["ground_truth"], trials.targets[:, -1].argmax(axis=1))


@needed
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
def test_an_environment_keeps_the_contract(name: str) -> None:
    task = Neurogym(name)
    check_task(task)
    assert pickle.loads(pickle.dumps(task)) == task
    assert hash(task) == hash(Neurogym(name))
    for seed in range(3):  # lengths are those of all draws
        assert (
            task.trials(20, np.random.default_rng(seed)).inputs.shape[1]
            == task.trials(1, np.random.default_rng(seed)).inputs.shape[1]
        )


@needed
def test_settings_reach_the_environment() -> None:
    task = Neurogym("GoNogo-v0", settings={"dt": 50, "timing": {"delay": 200}})
    assert task.trials(1, np.random.default_rng(0)).periods["delay"] == (10, 14)


@needed
@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("GoNoGo-v0", {}, "did you mean 'GoNogo-v0'"),
        ("GoNogo-v0", {"dtt": 1}, "cannot make GoNogo-v0"),
        ("Bandit-v0", {}, "no right answers"),
        ("Reaching1D-v0", {}, "none of its 3 actions"),
    ],
)
def test_what_neurogym_cannot_do_is_refused(name: str, settings: dict[str, int], said: str) -> None:
    with pytest.raises(UserError, match=said):
        Neurogym(name, settings)
