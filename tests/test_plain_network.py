"""Trained networks as ordinary PyTorch modules."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spatialnets import Experiment, Run, RunError, UserError, to_torch
from spatialnets.cores import GRU, LSTM, RNN, Leaky, Wrapped
from spatialnets.networks.recording import rebuild
from spatialnets.protocols import RecurrentCore

CORES: dict[str, RecurrentCore] = {
    "relu": RNN(),
    "tanh": RNN("tanh"),
    "gru": GRU(),
    "lstm": LSTM(),
    "leaky": Leaky(),
    "wrapped rnn": Wrapped("torch.nn:RNN"),
    "wrapped lstm": Wrapped("torch.nn:LSTM"),
}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """A tiny run of each core, in which one network diverges."""
    experiment = Experiment.from_preset("sernn_demo").override(
        "networks=1",
        "groups.sernn.regularizer.strength={list: [0.1, 0.2, 1e38]}",
        "training.epochs=2",
        "training.trials_per_epoch=128",
        "training.validation_trials=64",
        "geometry.shape=[3, 2, 2]",
    )
    return {
        name: experiment.replace(core=core).run(tmp_path_factory.mktemp(name) / "run", workers=1, report=False)
        for name, core in CORES.items()
    }


def inputs() -> Tensor:
    return torch.randn(6, 12, 8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", [name for name in CORES if name != "leaky"])
@pytest.mark.parametrize("epoch", [0, 2])
def test_outputs_and_states_are_those_of_the_network(name: str, epoch: int, runs: dict[str, Run]) -> None:
    run = runs[name]
    parts = run.parts("sernn", 1)
    network = rebuild(run["sernn"].sel(network=[1]), epoch, parts.core, parts.task)
    plain = run.to_torch("sernn", 1, epoch)
    with torch.no_grad():
        states = network.states(inputs()[None])[0]
        outputs = network(inputs()[None], steps=range(12))[0]
        # float32 rounding of sums in a different order, over twelve steps
        torch.testing.assert_close(plain.states(inputs()), states, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(plain(inputs()), outputs, rtol=1e-5, atol=1e-5)


def test_the_default_is_the_network_of_the_last_epoch(runs: dict[str, Run]) -> None:
    plain: Any = to_torch(runs["relu"], "sernn", 0)
    weights = runs["relu"]["sernn"]["weights"].sel(network=0, epoch=2).to_numpy()
    assert torch.equal(plain.core.weight_hh_l0, torch.from_numpy(weights.T.copy()))
    assert not plain.training


def test_its_state_can_be_loaded_without_the_toolkit(runs: dict[str, Run], tmp_path: Path) -> None:
    plain = runs["relu"].to_torch("sernn", 0)
    torch.save(plain.state_dict(), tmp_path / "network.pt")
    loaded = nn.ModuleDict(
        {"core": nn.RNN(8, 12, nonlinearity="relu", batch_first=True), "readout": nn.Linear(12, 4)}
    ).eval()
    loaded.load_state_dict(torch.load(tmp_path / "network.pt", weights_only=True))
    with torch.no_grad():
        # float32 rounding over twelve steps: memory at another address may be summed in a different order
        torch.testing.assert_close(
            loaded["readout"](loaded["core"](inputs())[0]), plain(inputs()), rtol=1e-5, atol=1e-5
        )


def test_a_wrapped_module_is_returned_in_its_own_class(runs: dict[str, Run]) -> None:
    plain = runs["wrapped lstm"].to_torch("sernn", 0)
    assert type(plain.core) is nn.LSTM
    other = nn.LSTM(8, 12, batch_first=True)
    other.load_state_dict(plain.core.state_dict())


@pytest.mark.parametrize(
    ("network", "epoch", "message"),
    [(7, None, "has no network 7"), (0, 5, "has no epoch 5"), (2, None, "has no finite weights at epoch 2")],
)
def test_an_unknown_or_diverged_network_is_refused(
    network: int, epoch: int | None, message: str, runs: dict[str, Run]
) -> None:
    with pytest.raises(RunError, match=message):
        runs["relu"].to_torch("sernn", network, epoch)


def test_a_core_that_cannot_be_converted_is_refused_with_those_that_can(runs: dict[str, Run]) -> None:
    with pytest.raises(UserError, match=r"Leaky, which cannot be converted .*; .*: gru, lstm, rnn, wrapped"):
        runs["leaky"].to_torch("sernn", 0)
