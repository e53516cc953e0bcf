"""Spiking cores, compared with a plain float64 loop and with snntorch."""

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


def assert_gradients_close(actual: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare gradients to a fraction of the largest entry: where terms cancel, an entry is less accurate than that."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


def run_snntorch(core: Spiking, module: Any, network: int, inputs: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the spikes of `snntorch.RLeaky` with the weights of one network, and its parameters, ``(post, pre)``."""
    spike = {"fast_sigmoid": surrogate.fast_sigmoid(slope=25), "arctan": surrogate.atan(alpha=2.0)}[core.surrogate]
    n_units = module.recurrent.shape[-1]
    layer = snntorch.RLeaky(
        beta=module.beta[network].detach().clone(),
        learn_beta=True,
        linear_features=n_units,
        threshold=core.threshold,
        spike_grad=spike,
        reset_mechanism=core.reset,
    ).double()
    encoder = torch.nn.Linear(inputs.shape[-1], n_units).double()
    with torch.no_grad():
        layer.recurrent.weight.copy_(module.recurrent[network].T)
        layer.recurrent.bias.zero_()
        encoder.weight.copy_(module.input[network].T)
        encoder.bias.copy_(module.bias[network])
    spikes, potential = layer.reset_mem()
    steps = []
    for step in range(inputs.shape[1]):
        spikes, potential = layer(encoder(inputs[:, step]), spikes.double(), potential)
        steps.append(spikes)
    parameters = {
        "recurrent": layer.recurrent.weight,
        "input": encoder.weight,
        "bias": encoder.bias,
        "beta": layer.beta,
    }
    return torch.stack(steps, 1), parameters


@pytest.mark.parametrize(
    ("n_networks", "reset", "name"), [*product([1, 50], ["subtract", "zero"], ["fast_sigmoid", "arctan"])]
)
def test_spikes_and_gradients_match_snntorch(n_networks: int, reset: Any, name: Any) -> None:
    core = LIF(reset=reset, surrogate=name, gain=3.0)
    module = build(core, n_networks)
    inputs, weights = draw(n_networks, 5, 30, 4).requires_grad_(), draw(n_networks, 5, 30, 9)
    spikes = module(inputs)
    assert 0.1 < float(spikes.detach().mean()) < 0.6  # otherwise there would be little to compare
    (spikes * weights).sum().backward()
    assert inputs.grad is not None
    # snntorch computes membrane potentials in float64, so spikes are equal, but returns spikes as float32: every step
    # back in time rounds the gradient to 6e-8 of itself. Over 30 steps that is 2e-6 of the largest gradient
    # (measured: 1.3e-6); the rest allows for terms of opposite sign.
    tolerance = 2e-5
    for network in range(n_networks):
        theirs = inputs[network].detach().requires_grad_()
        expected, parameters = run_snntorch(core, module, network, theirs)
        (expected * weights[network]).sum().backward()
        assert torch.equal(spikes[network], expected.double())
        assert theirs.grad is not None
        assert_gradients_close(inputs.grad[network], theirs.grad, tolerance)
        for label, parameter in parameters.items():
            gradient = getattr(module, label).grad[network]
            assert parameter.grad is not None
            assert_gradients_close(gradient.T if gradient.ndim == 2 else gradient, parameter.grad, tolerance)


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
    """Return spikes by the equations, one network and step at a time; autograd differentiates them."""
    rise, decay = 0.0, 0.0
    if isinstance(core, ALIF):
        rise, decay = core.adaptation, math.exp(-core.dt_ms / core.adaptation_tau_ms)
    networks = []
    for network in range(len(inputs)):
        potential = spikes = adaptation = inputs.new_zeros(inputs.shape[1], module.bias.shape[1])
        steps = []
        for step in range(inputs.shape[2]):
            threshold = core.threshold + rise * adaptation
            base = module.beta[network].clamp(0, 1) * potential + inputs[network, :, step] @ module.input[network]
            base = base + spikes @ module.recurrent[network] + module.bias[network] + noise[network, :, step]
            to_zero = core.reset == "zero"
            potential = base * (1 - spikes.detach()) if to_zero else base - (threshold * spikes).detach()
            adaptation = decay * adaptation + spikes
            spikes = Spike.apply(potential - core.threshold - rise * adaptation, core)  # type: ignore[no-untyped-call]
            steps.append(spikes)
        networks.append(torch.stack(steps, 1))
    return torch.stack(networks)


@pytest.mark.parametrize("n_networks", [1, 50])
@pytest.mark.parametrize(
    "core",
    [
        LIF(gain=3.0),
        LIF(reset="zero", surrogate="arctan", gain=3.0),
        LIF(surrogate="triangular", dampening=0.3, gain=3.0),
        LIF(reset="zero", slope=5.0, threshold=0.7, learn_tau=False),
        ALIF(gain=3.0),
        ALIF(reset="zero", surrogate="arctan", adaptation=0.7, adaptation_tau_ms=5.0, gain=3.0),
        ALIF(surrogate="triangular", adaptation=0.05, threshold=0.5),
    ],
    ids=lambda core: f"{type(core).__name__}-{core.reset}-{core.surrogate}",
)
def test_spikes_and_gradients_match_a_plain_loop(core: Spiking, n_networks: int) -> None:
    module = build(core, n_networks)
    inputs, noise = draw(n_networks, 5, 30, 4).requires_grad_(), 0.3 * draw(n_networks, 5, 30, 9)
    learned = [inputs, *module.parameters()]
    actual, expected = module(inputs, noise), plain_loop(core, module, inputs, noise)
    assert 0.05 < float(actual.detach().mean()) < 0.6
    # equal although sums differ in order: of 67,500 potentials none comes within 1e-12 of the threshold by chance
    assert torch.equal(actual, expected)
    weights = draw(*actual.shape)
    gradients = (torch.autograd.grad((spikes * weights).sum(), learned) for spikes in (actual, expected))
    for ours, theirs in zip(*gradients, strict=True):
        # float64 rounding, 1e-16, over 30 steps and 150 terms; a slope of 25 near the threshold multiplies it
        assert_gradients_close(ours, theirs, 1e-10)


def test_alif_without_adaptation_equals_lif() -> None:
    inputs, results = draw(3, 5, 30, 4), []
    for core in (LIF(gain=3.0), ALIF(gain=3.0, adaptation=0.0)):
        module = build(core, 3)
        spikes = module(inputs)
        results.append([spikes, *torch.autograd.grad(core.trace(spikes).square().sum(), [*module.parameters()])])
    for lif, alif in zip(*results, strict=True):
        assert torch.equal(lif, alif)  # the additional terms are exact zeros


def test_adaptation_lengthens_the_intervals_between_spikes() -> None:
    core = ALIF(adaptation=0.2, adaptation_tau_ms=50.0, tau_shape=None, threshold=1.0)
    module = build(core, 1, 1, 1)
    with torch.no_grad():
        module.recurrent.zero_()
        module.input.fill_(0.3)
        spikes = module(torch.ones(1, 1, 400, 1, dtype=torch.float64)).flatten()
    intervals = spikes.nonzero().flatten().diff()
    assert float(intervals[-3:].double().mean()) > 1.5 * float(intervals[0])


@pytest.mark.parametrize("readout_tau_ms", [20.0, None])
def test_the_readout_receives_a_leaky_sum_of_spikes(readout_tau_ms: float | None) -> None:
    core = LIF(dt_ms=2.0, readout_tau_ms=readout_tau_ms)
    spikes = (draw(2, 3, 20, 4) > 0).double()
    trace = core.trace(spikes)
    if readout_tau_ms is None:
        assert torch.equal(trace, spikes.cumsum(dim=2))  # whole numbers: no rounding
    else:
        readout = snntorch.Leaky(
            beta=torch.tensor(math.exp(-0.1), dtype=torch.float64), reset_mechanism="none"
        ).double()
        potential = readout.reset_mem()
        for step in range(20):
            _, potential = readout(spikes[:, :, step], potential)
            torch.testing.assert_close(trace[:, :, step], potential, rtol=1e-12, atol=0)  # float64, 20 steps
    assert torch.autograd.gradcheck(core.trace, draw(2, 2, 5, 3).requires_grad_())
    assert torch.equal(core.trace(spikes.transpose(1, 2).contiguous().transpose(1, 2)), trace)


def betas(core: Spiking, n_units: int) -> Tensor:
    return initial_beta(core, n_units, generators(1)[0])


def test_initial_time_constants_have_the_distribution_of_the_spiking_sernn() -> None:
    core = LIF()
    beta = betas(core, 20_000)
    assert float(beta.min()) == pytest.approx(0.7165, abs=1e-4)
    assert float(beta.max()) == pytest.approx(0.9950, abs=2e-4)
    tau_ms = -0.5 / beta.double().log()
    assert float(tau_ms.mean()) == pytest.approx(20.0, rel=0.02)  # 20,000 draws: 0.4 % standard error
    assert float(tau_ms.std()) == pytest.approx(20 / 3**0.5, rel=0.03)
    assert torch.equal(betas(core, 50), betas(core, 50))
    torch.testing.assert_close(betas(replace(core, tau_shape=None), 3), torch.full((3,), math.exp(-0.5 / 20)))


def test_time_constants_are_parameters_only_if_they_are_learned() -> None:
    assert "beta" in dict(build(LIF()).named_parameters())
    fixed = build(LIF(learn_tau=False))
    assert "beta" not in dict(fixed.named_parameters())
    assert torch.equal(fixed.beta, build(LIF()).beta)


def test_untrained_networks_fire_at_moderate_rates() -> None:
    inputs = torch.from_numpy(OneChoice().each_problem().inputs)
    for core in (LIF(), ALIF()):
        rates = core.build(8, 100, generators(20))(inputs.expand(20, -1, -1, -1)).detach().mean(dim=(1, 2))
        network_rates = rates.mean(dim=1)
        assert float(network_rates.min()) > 0.02
        assert float(network_rates.max()) < 0.3
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
def test_invalid_fields_are_rejected(field: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{field} must"):
        ALIF(**{field: value})  # type: ignore[arg-type]
