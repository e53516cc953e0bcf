from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from spatialnets.cores import RNN
from spatialnets.cores.modules.initial import glorot_uniform, orthogonal
from spatialnets.cores.modules.rnn import RNNModule

GOLDEN = np.load(Path(__file__).parent / "data" / "golden.npz")
Nonlinearity = Literal["relu", "tanh"]


def close(found: torch.Tensor, expected: object, rtol: float = 1e-11, atol: float = 1e-12) -> None:
    """By default to float64 rounding over a few steps."""
    torch.testing.assert_close(found, expected, rtol=rtol, atol=atol)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def build(n_networks: int = 3, nonlinearity: Nonlinearity = "relu", n_units: int = 9) -> RNNModule:
    module = RNN(nonlinearity=nonlinearity).build(4, n_units, generators(*range(n_networks)))
    assert isinstance(module, RNNModule)
    with torch.no_grad():
        module.bias.normal_(generator=torch.Generator().manual_seed(9))
    return module.double()


def torchs(module: RNNModule, network: int) -> torch.nn.RNN:
    """Return torch's own network with the weights of one of ours; torch stores (post, pre)."""
    one = torch.nn.RNN(4, module.recurrent.shape[-1], nonlinearity=module.nonlinearity, batch_first=True).double()
    with torch.no_grad():
        for theirs, ours in (
            (one.weight_hh_l0, module.recurrent[network].T),
            (one.weight_ih_l0, module.input[network].T),
            (one.bias_ih_l0, module.bias[network]),
            (one.bias_hh_l0, torch.zeros(module.bias.shape[1])),
        ):
            assert isinstance(theirs, torch.Tensor)
            theirs.copy_(ours)
    return one


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@pytest.mark.parametrize("last_step_only", [True, False])
def test_states_and_gradients_are_those_of_torch(nonlinearity: Nonlinearity, last_step_only: bool) -> None:
    module = build(nonlinearity=nonlinearity)
    inputs = torch.randn(3, 5, 7, 4, dtype=torch.float64, generator=generators(3)[0]).requires_grad_()
    weights = torch.randn(3, 5, 7, 9, dtype=torch.float64, generator=generators(4)[0])
    if last_step_only:
        weights[:, :, :-1] = 0
    states = module(inputs)
    (states * weights).sum().backward()
    for network in range(3):
        one = torchs(module, network)
        own = inputs[network].detach().requires_grad_()
        expected, _ = one(own)
        (expected * weights[network]).sum().backward()
        close(states[network], expected)
        assert inputs.grad is not None
        close(inputs.grad[network], own.grad)
        for ours, theirs in (
            (module.recurrent, one.weight_hh_l0),
            (module.input, one.weight_ih_l0),
        ):
            assert ours.grad is not None
            assert theirs.grad is not None
            close(ours.grad[network], theirs.grad.T)
        assert module.bias.grad is not None
        close(module.bias.grad[network], one.bias_ih_l0.grad)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_the_backward_pass_is_the_derivative(nonlinearity: Nonlinearity) -> None:
    module = build(2, nonlinearity, n_units=3)
    inputs = torch.randn(2, 2, 4, 4, dtype=torch.float64, generator=generators(3)[0]).requires_grad_()

    def states(inputs: torch.Tensor, recurrent: torch.Tensor, into: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        values = {"recurrent": recurrent, "input": into, "bias": bias}
        return torch.func.functional_call(module, values, (inputs,))

    assert torch.autograd.gradcheck(states, (inputs, module.recurrent, module.input, module.bias))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_states_are_those_of_the_authors_network(which: int) -> None:
    module = RNN().build(8, 100, generators(0))
    assert isinstance(module, RNNModule)
    with torch.no_grad():
        for ours, theirs in ((module.recurrent, "recurrent"), (module.input, "input"), (module.bias, "hidden_bias")):
            ours[0] = torch.tensor(GOLDEN[f"train{which}__{theirs}_before"])
        states = module(torch.tensor(GOLDEN["task__inputs"])[None])[0]
    # float32 rounding over 50 steps
    np.testing.assert_allclose(states, GOLDEN[f"train{which}__states_before"], rtol=1e-4, atol=1e-5)


def test_a_network_is_the_same_alone_and_among_fifty() -> None:
    many = RNN().build(8, 30, generators(*range(50)))
    alone = RNN().build(8, 30, generators(17))
    inputs = torch.randn(1, 6, 20, 8, generator=generators(1)[0])
    among = many(inputs.expand(50, -1, -1, -1))[17]
    close(among, alone(inputs)[0], rtol=1e-4, atol=1e-5)  # float32 sums in another order


def test_inputs_need_not_be_contiguous() -> None:
    module = build()
    inputs = torch.randn(7, 3, 4, 5, dtype=torch.float64, generator=generators(3)[0]).permute(1, 3, 0, 2)
    close(module(inputs), module(inputs.contiguous()), rtol=0, atol=0)


def test_initial_recurrent_weights_are_orthogonal() -> None:
    matrix = orthogonal(60, 1.5, generators(0)[0])
    # float32 rounding of sums of 60 products
    close(matrix @ matrix.T, 1.5**2 * torch.eye(60), rtol=0, atol=1e-5)


def test_initial_recurrent_weights_favour_no_direction() -> None:
    # without the correction of signs, QR gives a diagonal of one sign
    diagonals = torch.stack([orthogonal(10, 1.0, generator).diagonal() for generator in generators(*range(200))])
    assert abs(float(diagonals.sign().mean())) < 0.1  # 2,000 signs: four standard errors are 0.09


def test_initial_input_weights_are_glorot_uniform() -> None:
    weights = glorot_uniform(200, 100, generators(0)[0])
    limit = (6 / 300) ** 0.5
    assert float(weights.abs().max()) <= limit
    assert abs(float(weights.std()) / (limit / 3**0.5) - 1) < 0.02  # 20,000 draws: 0.3 % standard error


def test_the_total_initial_weight_is_the_papers() -> None:
    module = RNN().build(8, 100, generators(0, 1, 2))
    totals = module.projections()["recurrent"].abs().sum(dim=(1, 2, 3))
    assert bool(((totals > 790) & (totals < 805)).all())  # 797 to 801 in the authors' code; sqrt(2/pi) 100^(3/2) = 798


@pytest.mark.parametrize(("field", "value"), [("nonlinearity", "sigmoid"), ("gain", 0.0), ("n_units", 0)])
def test_a_core_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        RNN(**{field: value})  # type: ignore[arg-type]
