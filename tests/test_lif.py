"""Spiking cores, against snntorch and a plain loop."""

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import snntorch
import torch
from snntorch import surrogate
from torch import Tensor

from spatialnets.cores import ALIF, LIF
from spatialnets.cores.modules.lif import initial_beta
from spatialnets.cores.spiking import Spiking
from spatialnets.tasks import OneChoice

SURROGATES: dict[str, Callable[[Tensor, float], Tensor]] = {
    "fast_sigmoid": lambda v, k: 1 / (1 + k * v.abs()) ** 2,
    "triangular": lambda v, k: torch.clamp(1 - k * v.abs(), min=0),
    "arctan": lambda v, k: 1 / (1 + (torch.pi / 2 * k * v) ** 2),
}


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def build(core: Spiking, n_networks: int = 2, n_inputs: int = 4, n_units: int = 9) -> Any:
    module: Any = core.build(n_inputs, n_units, generators(n_networks))
    module = module.double()
    with torch.no_grad():
        module.bias.normal_(generator=torch.Generator().manual_seed(9)).mul_(0.2)
    return module


def snntorchs(core: Spiking, module: Any, network: int, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return spikes of `snntorch.RLeaky` with the weights of one of ours, and its parameters; it stores (post, pre)."""
    spike = {"fast_sigmoid": surrogate.fast_sigmoid(slope=25), "arctan": surrogate.atan(alpha=2.0)}[core.surrogate]
    n_units = module.recurrent.shape[-1]
    one = snntorch.RLeaky(
        beta=module.beta[network].detach().clone(),
        learn_beta=True,
        linear_features=n_units,
        threshold=core.threshold,
        spike_grad=spike,
        reset_mechanism=core.reset,
    ).double()
    first = torch.nn.Linear(inputs.shape[-1], n_units).double()
    with torch.no_grad():
        one.recurrent.weight.copy_(module.recurrent[network].T)
        one.recurrent.bias.zero_()
        first.weight.copy_(module.input[network].T)
        first.bias.copy_(module.bias[network])
    spikes, potential = one.reset_mem()
    found = []
    for step in range(inputs.shape[1]):
        spikes, potential = one(first(inputs[:, step]), spikes.double(), potential)
        found.append(spikes)
    parameters = {"recurrent": one.recurrent.weight, "input": first.weight, "bias": first.bias, "beta": one.beta}
    return torch.stack(found, 1), parameters


@pytest.mark.parametrize(
    ("n_networks", "reset", "name"), [*product([1, 50], ["subtract", "zero"], ["fast_sigmoid", "arctan"])]
)
def test_spikes_and_gradients_are_those_of_snntorch(n_networks: int, reset: Any, name: Any) -> None:
    core = LIF(reset=reset, surrogate=name, gain=3.0)
    module = build(core, n_networks)
    inputs, weights = draw(n_networks, 5, 30, 4).requires_grad_(), draw(n_networks, 5, 30, 9)
    spikes = module(inputs)
    assert 0.1 < float(spikes.detach().mean()) < 0.6  # or nothing would be compared
    (spikes * weights).sum().backward()
    assert inputs.grad is not None
    for network in range(n_networks):
        own = inputs[network].detach().requires_grad_()
        expected, theirs = snntorchs(core, module, network, own)
        (expected * weights[network]).sum().backward()
        assert torch.equal(spikes[network], expected.double())
        # snntorch's spikes, and so what comes back through them, are float32 always
        torch.testing.assert_close(inputs.grad[network], own.grad, rtol=1e-5, atol=1e-5)
        for label, parameter in theirs.items():
            ours = getattr(module, label).grad[network]
            assert parameter.grad is not None
            torch.testing.assert_close(ours.T if ours.ndim == 2 else ours, parameter.grad, rtol=1e-5, atol=1e-5)


class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, distance: Tensor, core: Spiking) -> Tensor:
        ctx.save_for_backward(distance)
        ctx.core = core
        return (distance > 0).to(distance)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (distance,), core = ctx.saved_tensors, ctx.core
        return gradient * core.dampening * SURROGATES[core.surrogate](distance, core.slope_or_default), None


def plain_loop(core: Spiking, module: Any, inputs: Tensor, noise: Tensor) -> Tensor:
    """Return spikes by the equations, one network and step at a time."""
    raise_by, left = 0.0, 0.0
    if isinstance(core, ALIF):
        raise_by, left = core.adaptation, math.exp(-core.dt_ms / core.adaptation_tau_ms)
    networks = []
    for network in range(len(inputs)):
        potential = spikes = raised = inputs.new_zeros(inputs.shape[1], module.bias.shape[1])
        found = []
        for step in range(inputs.shape[2]):
            threshold = core.threshold + raise_by * raised
            base = module.beta[network].clamp(0, 1) * potential + inputs[network, :, step] @ module.input[network]
            base = base + spikes @ module.recurrent[network] + module.bias[network] + noise[network, :, step]
            to_zero = core.reset == "zero"
            potential = base * (1 - spikes.detach()) if to_zero else base - (threshold * spikes).detach()
            raised = left * raised + spikes
            spikes = Spike.apply(potential - core.threshold - raise_by * raised, core)  # type: ignore[no-untyped-call]
            found.append(spikes)
        networks.append(torch.stack(found, 1))
    return torch.stack(networks)


@pytest.mark.parametrize("n_networks", [1, 50])
@pytest.mark.parametrize(
    "core",
    [
        LIF(surrogate="triangular", dampening=0.3, gain=3.0),
        LIF(reset="zero", slope=5.0, threshold=0.7, learn_tau=False),
        ALIF(gain=3.0),
        ALIF(reset="zero", surrogate="arctan", adaptation=0.7, adaptation_tau_ms=5.0, gain=3.0),
        ALIF(surrogate="triangular", adaptation=0.05, threshold=0.5),
    ],
    ids=lambda core: f"{type(core).__name__}-{core.reset}-{core.surrogate}",
)
def test_spikes_and_gradients_are_those_of_a_plain_loop(core: Spiking, n_networks: int) -> None:
    module = build(core, n_networks)
    inputs, noise = draw(n_networks, 5, 30, 4).requires_grad_(), 0.3 * draw(n_networks, 5, 30, 9)
    learned = [inputs, *module.parameters()]
    found, expected = module(inputs, noise), plain_loop(core, module, inputs, noise)
    assert 0.05 < float(found.detach().mean()) < 0.6
    assert torch.equal(found, expected)
    weights = draw(*found.shape)
    gradients = (torch.autograd.grad((spikes * weights).sum(), learned) for spikes in (found, expected))
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)  # float64 rounding over 30 steps


def test_without_adaptation_it_is_the_plain_spiking_network() -> None:
    inputs, found = draw(3, 5, 30, 4), []
    for core in (LIF(gain=3.0), ALIF(gain=3.0, adaptation=0.0)):
        module = build(core, 3)
        spikes = module(inputs)
        found.append([spikes, *torch.autograd.grad(core.trace(spikes).square().sum(), [*module.parameters()])])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_adaptation_slows_a_unit_down() -> None:
    core = ALIF(adaptation=0.2, adaptation_tau_ms=50.0, tau_shape=None, threshold=1.0)
    module = build(core, 1, 1, 1)
    with torch.no_grad():
        module.recurrent.zero_()
        module.input.fill_(0.3)
        spikes = module(torch.ones(1, 1, 400, 1, dtype=torch.float64)).flatten()
    intervals = spikes.nonzero().flatten().diff()
    assert float(intervals[-3:].double().mean()) > 1.5 * float(intervals[0])


@pytest.mark.parametrize("readout_tau_ms", [20.0, None])
def test_the_readout_sees_a_leaky_sum_of_spikes(readout_tau_ms: float | None) -> None:
    core = LIF(dt_ms=2.0, readout_tau_ms=readout_tau_ms)
    spikes = (draw(2, 3, 20, 4) > 0).double()
    trace = core.trace(spikes)
    if readout_tau_ms is None:
        assert torch.equal(trace, spikes.cumsum(dim=2))
    else:
        readout = snntorch.Leaky(beta=math.exp(-0.1), reset_mechanism="none").double()
        potential = readout.reset_mem()
        for step in range(20):
            _, potential = readout(spikes[:, :, step], potential)
            torch.testing.assert_close(trace[:, :, step], potential, rtol=1e-6, atol=0)  # its beta is float32
    assert torch.autograd.gradcheck(core.trace, draw(2, 2, 5, 3).requires_grad_())
    assert torch.equal(core.trace(spikes.transpose(1, 2).contiguous().transpose(1, 2)), trace)


def betas(core: Spiking, n_units: int) -> Tensor:
    return initial_beta(core, n_units, generators(1)[0])


def test_time_constants_are_those_of_the_spiking_sernn() -> None:
    core = LIF()
    beta = betas(core, 20_000)
    assert float(beta.min()) == pytest.approx(0.7165, abs=1e-4)
    assert float(beta.max()) == pytest.approx(0.9950, abs=2e-4)
    tau_ms = -0.5 / beta.double().log()
    assert float(tau_ms.mean()) == pytest.approx(20.0, rel=0.02)  # 20,000 draws: 0.4 % standard error
    assert float(tau_ms.std()) == pytest.approx(20 / 3**0.5, rel=0.03)
    assert torch.equal(betas(core, 50), betas(core, 50))
    assert torch.equal(betas(replace(core, tau_shape=None), 3), torch.tensor([-0.5 / 20]).exp().expand(3))


def test_time_constants_are_learned_or_not() -> None:
    assert "beta" in dict(build(LIF()).named_parameters())
    fixed = build(LIF(learn_tau=False))
    assert "beta" not in dict(fixed.named_parameters())
    assert torch.equal(fixed.beta, build(LIF()).beta)


def test_networks_fire_at_first_neither_never_nor_always() -> None:
    inputs = torch.from_numpy(OneChoice().each_problem().inputs)
    for core in (LIF(), ALIF()):
        rates = core.build(8, 100, generators(20))(inputs.expand(20, -1, -1, -1)).detach().mean(dim=(1, 2))
        of_networks = rates.mean(dim=1)
        assert float(of_networks.min()) > 0.02
        assert float(of_networks.max()) < 0.3
        assert float((rates > 0).float().mean()) > 0.5


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tau_ms", 0.0),
        ("tau_shape", -1.0),
        ("threshold", float("nan")),
        ("reset", "none"),
        ("surrogate", "sigmoid"),
        ("tau_limits_ms", (5.0, 2.0)),
        ("readout_tau_ms", 0.0),
        ("adaptation", -0.1),
        ("adaptation_tau_ms", 0.0),
    ],
)
def test_a_core_that_cannot_be_is_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        ALIF(**{field: value})  # type: ignore[arg-type]
