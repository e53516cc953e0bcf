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


def assert_close(actual: torch.Tensor, expected: object, rtol: float = 1e-11, atol: float = 1e-12) -> None:
    """Compare, by default up to float64 rounding over a few steps."""
    torch.testing.assert_close(actual, expected, rtol=rtol, atol=atol)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def build(n_networks: int = 3, nonlinearity: Nonlinearity = "relu", n_units: int = 9) -> RNNModule:
    module = RNN(nonlinearity=nonlinearity).build(4, n_units, generators(*range(n_networks)))
    assert isinstance(module, RNNModule)
    with torch.no_grad():
        module.bias.normal_(generator=torch.Generator().manual_seed(9))
    return module.double()


def torch_rnn(module: RNNModule, network: int) -> torch.nn.RNN:
    """Return `torch.nn.RNN`, which stores (post, pre), with the weights of one network."""
    reference = torch.nn.RNN(4, module.recurrent.shape[-1], nonlinearity=module.nonlinearity, batch_first=True).double()
    with torch.no_grad():
        for theirs, ours in (
            (reference.weight_hh_l0, module.recurrent[network].T),
            (reference.weight_ih_l0, module.input[network].T),
            (reference.bias_ih_l0, module.bias[network]),
            (reference.bias_hh_l0, torch.zeros(module.bias.shape[1])),
        ):
            assert isinstance(theirs, torch.Tensor)
            theirs.copy_(ours)
    return reference


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
@pytest.mark.parametrize("last_step_only", [True, False])
def test_states_and_gradients_equal_those_of_torch(nonlinearity: Nonlinearity, last_step_only: bool) -> None:
    module = build(nonlinearity=nonlinearity)
    inputs = torch.randn(3, 5, 7, 4, dtype=torch.float64, generator=generators(3)[0]).requires_grad_()
    weights = torch.randn(3, 5, 7, 9, dtype=torch.float64, generator=generators(4)[0])
    if last_step_only:
        weights[:, :, :-1] = 0
    states = module(inputs)
    (states * weights).sum().backward()
    for network in range(3):
        reference = torch_rnn(module, network)
        reference_inputs = inputs[network].detach().requires_grad_()
        expected, _ = reference(reference_inputs)
        (expected * weights[network]).sum().backward()
        assert_close(states[network], expected)
        assert inputs.grad is not None
        assert_close(inputs.grad[network], reference_inputs.grad)
        for ours, theirs in (
            (module.recurrent, reference.weight_hh_l0),
            (module.input, reference.weight_ih_l0),
        ):
            assert ours.grad is not None
            assert theirs.grad is not None
            assert_close(ours.grad[network], theirs.grad.T)
        assert module.bias.grad is not None
        assert_close(module.bias.grad[network], reference.bias_ih_l0.grad)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_the_backward_pass_passes_a_gradient_check(nonlinearity: Nonlinearity) -> None:
    module = build(2, nonlinearity, n_units=3)
    inputs = torch.randn(2, 2, 4, 4, dtype=torch.float64, generator=generators(3)[0]).requires_grad_()

    def states(inputs: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        parameters = dict(zip(("recurrent", "input", "bias"), values, strict=True))
        return torch.func.functional_call(module, parameters, (inputs,))

    assert torch.autograd.gradcheck(states, (inputs, module.recurrent, module.input, module.bias))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_states_equal_those_of_the_authors_code(which: int) -> None:
    module = RNN().build(8, 100, generators(0))
    assert isinstance(module, RNNModule)
    with torch.no_grad():
        for ours, theirs in ((module.recurrent, "recurrent"), (module.input, "input"), (module.bias, "hidden_bias")):
            ours[0] = torch.tensor(GOLDEN[f"train{which}__{theirs}_before"])
        states = module(torch.tensor(GOLDEN["task__inputs"])[None])[0]
    # float32 rounding over 50 steps
    np.testing.assert_allclose(states, GOLDEN[f"train{which}__states_before"], rtol=1e-4, atol=1e-5)


def test_a_network_computes_the_same_alone_and_in_a_batch_of_fifty() -> None:
    many = RNN().build(8, 30, generators(*range(50)))
    alone = RNN().build(8, 30, generators(17))
    inputs = torch.randn(1, 6, 20, 8, generator=generators(1)[0])
    batched = many(inputs.expand(50, -1, -1, -1))[17]
    assert_close(batched, alone(inputs)[0], rtol=1e-4, atol=1e-5)  # float32 sums in a different order


def test_inputs_need_not_be_contiguous() -> None:
    module = build()
    inputs = torch.randn(7, 3, 4, 5, dtype=torch.float64, generator=generators(3)[0]).permute(1, 3, 0, 2)
    assert_close(module(inputs), module(inputs.contiguous()), rtol=0, atol=0)


def test_initial_recurrent_weights_are_orthogonal() -> None:
    matrix = orthogonal(60, 1.5, generators(0)[0])
    # float32 rounding of sums of 60 products
    assert_close(matrix @ matrix.T, 1.5**2 * torch.eye(60), rtol=0, atol=1e-5)


def test_initial_recurrent_weights_have_no_preferred_sign() -> None:
    # without the correction of signs, the diagonals from QR would have mostly one sign
    diagonals = torch.stack([orthogonal(10, 1.0, generator).diagonal() for generator in generators(*range(200))])
    assert abs(float(diagonals.sign().mean())) < 0.1  # 2,000 signs: four standard errors are 0.09


def test_initial_input_weights_are_glorot_uniform() -> None:
    weights = glorot_uniform(200, 100, generators(0)[0])
    limit = (6 / 300) ** 0.5
    assert float(weights.abs().max()) <= limit
    assert abs(float(weights.std()) / (limit / 3**0.5) - 1) < 0.02  # 20,000 draws: 0.3 % standard error


def test_the_total_initial_weight_matches_the_authors_code() -> None:
    module = RNN().build(8, 100, generators(0, 1, 2))
    totals = module.projections()["recurrent"].abs().sum(dim=(1, 2, 3))
    assert bool(((totals > 790) & (totals < 805)).all())  # 797 to 801 in the authors' code; sqrt(2/pi) 100^(3/2) = 798


@pytest.mark.parametrize(("field", "value"), [("nonlinearity", "sigmoid"), ("gain", 0.0), ("n_units", 0)])
def test_invalid_fields_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=field):
        RNN(**{field: value})  # type: ignore[arg-type]
