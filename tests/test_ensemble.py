import torch

from spatialnets.cores import RNN
from spatialnets.networks.ensemble import Ensemble


def test_initial_weights_depend_only_on_the_seed() -> None:
    alone = Ensemble(RNN(), 8, 20, 4, seeds=(11,))
    among = Ensemble(RNN(), 8, 20, 4, seeds=tuple(range(50)))
    for (name, one), (_, many) in zip(alone.named_parameters(), among.named_parameters(), strict=True):
        assert torch.equal(one[0], many[11]), name


def test_initial_readout_weights_are_glorot_uniform() -> None:
    readout = Ensemble(RNN(), 8, 100, 4, seeds=range(20)).readout
    limit = (6 / 104) ** 0.5
    assert float(readout.detach().abs().max()) <= limit
    assert abs(float(readout.detach().std()) / (limit / 3**0.5) - 1) < 0.02  # 8,000 draws: 0.5 % standard error


def test_outputs_are_the_readout_of_the_requested_steps() -> None:
    ensemble = Ensemble(RNN(), 8, 20, 4, seeds=(1, 2))
    inputs = torch.randn(2, 5, 7, 8, generator=torch.Generator().manual_seed(0))
    states = ensemble.recurrent(inputs)
    expected = torch.einsum("kbtn,kno->kbto", states, ensemble.readout) + ensemble.readout_bias[:, None, None]
    for steps in ([6], [0, 3, 6]):
        torch.testing.assert_close(ensemble(inputs, steps), expected[:, :, steps])


def test_every_block_of_weights_is_a_projection() -> None:
    shapes = {name: tuple(block.shape) for name, block in Ensemble(RNN(), 8, 20, 4, seeds=(1, 2)).projections().items()}
    assert shapes == {"recurrent": (2, 1, 20, 20), "input": (2, 1, 8, 20), "readout": (2, 1, 20, 4)}
