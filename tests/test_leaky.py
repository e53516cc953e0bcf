from typing import Any

import pytest
import torch
from torch import Tensor

from spatialnets.cores import RNN, Leaky
from spatialnets.cores.modules.rnn import LeakyModule

FUNCTIONS = {
    "relu": torch.relu,
    "tanh": torch.tanh,
    "softplus": torch.nn.functional.softplus,
    "sigmoid": torch.sigmoid,
}


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def build(core: Leaky, n_networks: int = 2, n_inputs: int = 4, n_units: int = 9) -> LeakyModule:
    module = core.build(n_inputs, n_units, generators(n_networks))
    assert isinstance(module, LeakyModule)
    with torch.no_grad():
        module.bias.normal_(generator=torch.Generator().manual_seed(9))
    return module.double()


def plain_loop(module: LeakyModule, inputs: Tensor, noise: Tensor, alpha: float) -> Tensor:
    """Return states by the equation of Yang et al. (2019), one network and one step at a time."""
    function, networks = FUNCTIONS[module.nonlinearity], []
    for network in range(len(inputs)):
        state, states = inputs.new_zeros(inputs.shape[1], module.bias.shape[1]), []
        for step in range(inputs.shape[2]):
            current = inputs[network, :, step] @ module.input[network] + module.bias[network]
            current = current + state @ module.recurrent[network] + (2 / alpha) ** 0.5 * noise[network, :, step]
            state = (1 - alpha) * state + alpha * function(current)
            states.append(state)
        networks.append(torch.stack(states, 1))
    return torch.stack(networks)


@pytest.mark.parametrize("n_networks", [1, 50])
@pytest.mark.parametrize("nonlinearity", list(FUNCTIONS))
def test_states_and_gradients_equal_those_of_a_plain_loop(nonlinearity: Any, n_networks: int) -> None:
    core = Leaky(nonlinearity, tau_ms=100.0, dt_ms=30.0)
    module = build(core, n_networks)
    inputs, noise = draw(n_networks, 5, 7, 4).requires_grad_(), draw(n_networks, 5, 7, 9)
    leaves = [inputs, *module.parameters()]
    actual, expected = module(inputs, noise), plain_loop(module, inputs, noise, 0.3)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)  # float64 rounding over 7 steps
    weights = draw(*actual.shape)
    gradients = (torch.autograd.grad((states * weights).sum(), leaves) for states in (actual, expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nonlinearity", ["relu", "tanh"])
def test_without_a_leak_it_equals_the_simple_network(nonlinearity: Any) -> None:
    leaky: Any = Leaky(nonlinearity, tau_ms=20.0, dt_ms=20.0).build(4, 9, generators(3))
    plain: Any = RNN(nonlinearity).build(4, 9, generators(3))
    inputs, gradients = draw(3, 5, 7, 4), []
    for module in (leaky.double(), plain.double()):
        parameters = [parameter for _, parameter in module.named_parameters()]
        gradients.append(torch.autograd.grad(module(inputs).square().sum(), parameters))
    torch.testing.assert_close(leaky(inputs), plain(inputs), rtol=1e-10, atol=1e-12)  # float64 rounding over 7 steps
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("nonlinearity", list(FUNCTIONS))
def test_the_backward_pass_passes_a_gradient_check(nonlinearity: Any) -> None:
    module = build(Leaky(nonlinearity, tau_ms=50.0), n_inputs=2, n_units=3)

    def states(inputs: Tensor, *values: Tensor) -> Tensor:
        parameters = dict(zip(("recurrent", "input", "bias"), values, strict=True))
        return torch.func.functional_call(module, parameters, (inputs,))

    inputs = draw(2, 2, 4, 2).requires_grad_()
    assert torch.autograd.gradcheck(states, (inputs, module.recurrent, module.input, module.bias))


def test_a_unit_without_input_decays_with_its_time_constant() -> None:
    module = build(Leaky(tau_ms=100.0, dt_ms=1.0), 1, 1, 1)
    with torch.no_grad():
        for parameter, value in ((module.recurrent, 0.0), (module.input, 1.0), (module.bias, 0.0)):
            parameter.fill_(value)
        inputs = torch.zeros(1, 1, 201, 1, dtype=torch.float64)
        inputs[:, :, 0] = 1
        states = module(inputs).flatten()
    # Euler steps of 1 % of the time constant: (1 - 0.01)^100 is 0.366, exp(-1) is 0.368
    assert float(states[100] / states[0]) == pytest.approx(0.99**100, rel=1e-12)
    assert float(states[200] / states[0]) == pytest.approx(float(torch.exp(torch.tensor(-2.0))), rel=0.02)


def test_fluctuations_of_a_unit_do_not_depend_on_the_time_step() -> None:
    # a linear unit is an Ornstein-Uhlenbeck process with standard deviation sigma
    for dt_ms in (2.0, 10.0):
        module = build(Leaky(tau_ms=100.0, dt_ms=dt_ms), 1, 1, 1)
        with torch.no_grad():
            module.recurrent.zero_()
            module.input.zero_()
            module.bias.fill_(100)  # far from the threshold of the rectifier
            noise = 0.5 * draw(1, 4000, 400, 1)
            states = module(torch.zeros(1, 4000, 400, 1, dtype=torch.float64), noise)[0, :, -1]
        # sigma / sqrt(1 - alpha / 2); 4,000 trials: 1.1 % standard error
        assert float(states.std()) == pytest.approx(0.5 / (1 - dt_ms / 200) ** 0.5, rel=0.04)


@pytest.mark.parametrize(
    ("field", "value"), [("nonlinearity", "step"), ("tau_ms", 0.0), ("dt_ms", 200.0), ("dt_ms", 0.0), ("gain", -1.0)]
)
def test_invalid_fields_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        Leaky(**{field: value})  # type: ignore[arg-type]
