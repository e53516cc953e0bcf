"""Gated cores, compared with those of torch.nn."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spatialnets.cores import GRU, LSTM
from spatialnets.protocols import RecurrentCore

CORES = [pytest.param(GRU(), id="gru"), pytest.param(LSTM(), id="lstm")]


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def build(core: RecurrentCore, n_networks: int = 2, n_inputs: int = 4, n_units: int = 9) -> Any:
    module: Any = core.build(n_inputs, n_units, generators(n_networks))
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(generator=torch.Generator().manual_seed(9))
    return module.double()


def torch_module(core: RecurrentCore, module: Any, network: int) -> Any:
    """Return `torch.nn.GRU` or `torch.nn.LSTM`, which store (gate * post, pre), with the weights of one network."""
    n_inputs, n_units = module.input.shape[2:]
    one: Any = getattr(nn, type(core).__name__)(n_inputs, n_units, batch_first=True).double()
    with torch.no_grad():
        one.weight_hh_l0.copy_(module.recurrent[network].mT.flatten(0, 1))
        one.weight_ih_l0.copy_(module.input[network].mT.flatten(0, 1))
        one.bias_ih_l0.copy_(module.bias[network].flatten())
        one.bias_hh_l0.zero_()
        if hasattr(module, "candidate_bias"):
            one.bias_hh_l0[2 * n_units :] = module.candidate_bias[network]
    return one


@pytest.mark.parametrize(("n_networks", "last_step_only"), [*product([1, 50], [True, False])])
@pytest.mark.parametrize("core", CORES)
def test_states_and_gradients_equal_those_of_torch(core: RecurrentCore, n_networks: int, last_step_only: bool) -> None:
    module = build(core, n_networks)
    inputs, weights = draw(n_networks, 5, 7, 4).requires_grad_(), draw(n_networks, 5, 7, 9)
    if last_step_only:
        weights[:, :, :-1] = 0
    states = module(inputs)
    (states * weights).sum().backward()
    assert inputs.grad is not None
    for network in range(n_networks):
        one, one_inputs = torch_module(core, module, network), inputs[network].detach().requires_grad_()
        expected, _ = one(one_inputs)
        (expected * weights[network]).sum().backward()
        pairs = [
            (states[network], expected),
            (inputs.grad[network], one_inputs.grad),
            (module.recurrent.grad[network].mT.flatten(0, 1), one.weight_hh_l0.grad),
            (module.input.grad[network].mT.flatten(0, 1), one.weight_ih_l0.grad),
            (module.bias.grad[network].flatten(), one.bias_ih_l0.grad),
        ]
        if hasattr(module, "candidate_bias"):
            pairs.append((module.candidate_bias.grad[network], one.bias_hh_l0.grad[-9:]))
        for ours, theirs in pairs:
            torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)  # float64 rounding over 7 steps


@pytest.mark.parametrize("core", CORES)
def test_the_backward_pass_passes_a_gradient_check(core: RecurrentCore) -> None:
    module = build(core, n_inputs=2, n_units=3)
    names = [name for name, _ in module.named_parameters()]

    def states(inputs: Tensor, noise: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(module, dict(zip(names, values, strict=True)), (inputs, noise))

    inputs = draw(2, 2, 4, 2).requires_grad_()
    assert torch.autograd.gradcheck(states, (inputs, draw(2, 2, 4, 3), *module.parameters()))


@pytest.mark.parametrize("core", CORES)
def test_a_trial_of_one_step_works(core: RecurrentCore) -> None:
    module = build(core)
    inputs = draw(2, 3, 6, 4)
    torch.testing.assert_close(module(inputs[:, :, :1]), module(inputs)[:, :, :1], rtol=1e-12, atol=1e-12)
    module(inputs[:, :, :1]).sum().backward()
    assert bool((module.recurrent.grad == 0).all())


@pytest.mark.parametrize("core", CORES)
def test_noise_is_added_to_the_input_of_the_candidate(core: RecurrentCore) -> None:
    module = build(core)
    inputs, noise = draw(2, 3, 6, 4), draw(2, 3, 6, 9)
    wider = build(core, n_inputs=4 + 9)  # noise as additional inputs to the candidate alone
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name != "input":
                getattr(wider, name).copy_(parameter)
        wider.input.zero_()[:, :, :4] = module.input
        wider.input[:, 2, 4:] = torch.eye(9)
    expected = wider(torch.cat([inputs, noise], dim=-1))
    torch.testing.assert_close(module(inputs, noise), expected, rtol=1e-10, atol=1e-12)


def test_the_forget_gate_is_initially_open() -> None:
    bias = LSTM(forget_bias=2.0).build(4, 9, generators(2)).bias  # type: ignore[attr-defined]
    assert LSTM.gates.index("forget") == 1
    assert bias.sum(dim=-1).tolist() == [[0.0, 18.0, 0.0, 0.0]] * 2


@pytest.mark.parametrize("core", CORES)
def test_initial_weights_of_every_gate_are_orthogonal(core: RecurrentCore) -> None:
    blocks = core.build(4, 20, generators(2)).projections()["recurrent"]
    # float32 rounding of sums of 20 products
    torch.testing.assert_close(blocks @ blocks.mT, torch.eye(20).expand(blocks.shape), rtol=0, atol=1e-5)
    flat = blocks.flatten(0, 1)
    assert not any(torch.equal(one, other) for index, one in enumerate(flat) for other in flat[:index])


@pytest.mark.parametrize(
    ("core", "field", "value"),
    [(GRU, "gain", 0.0), (LSTM, "gain", -1.0), (LSTM, "forget_bias", float("inf")), (GRU, "paying_gates", ("forget",))],
)
def test_invalid_fields_are_refused(core: Any, field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        core(**{field: value})
