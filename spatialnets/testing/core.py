"""The contract of recurrent cores."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from spatialnets.protocols import Recurrent, RecurrentCore, SteppedRecurrent

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_core"]


def check_core(core: RecurrentCore) -> None:
    """Check that a recurrent core satisfies its contract.

    - States have the right shape, depend on inputs, and do not depend on later inputs.
    - Recurrent and input weights are projections, with one block for each gate.
    - Parameters have the network as first dimension, and gradients reach all of them.
    - A network depends only on its own generator, and not on other networks, even if their weights are NaN.
    - The trace of states, which the readout sees, is causal, differentiable and of the same shape.
    - If the core takes noise, noise changes the states.
    - If the core takes steps, states and trace at some steps are the same as those of all steps, and so are gradients.

    Parameters
    ----------
    core
        A blueprint without `n_units`.

    Raises
    ------
    AssertionError
        Names the rule that is violated.

    Examples
    --------
    >>> from spatialnets.cores import RNN
    >>> check_core(RNN())
    """
    import torch

    name = type(core).__name__
    n_networks, n_trials, n_steps, n_inputs, n_units = 3, 4, 6, 2, 7

    def generators(*seeds: int) -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in seeds]

    recurrent = core.build(n_inputs, n_units, generators(5, 6, 7))
    inputs = torch.randn(n_networks, n_trials, n_steps, n_inputs, generator=generators(0)[0])
    states = recurrent(inputs)
    assert states.shape == (n_networks, n_trials, n_steps, n_units), (
        f"{name}: states must have shape (network, trial, time, unit), not {tuple(states.shape)}"
    )
    assert bool(torch.isfinite(states).all()), f"{name}: states must be finite"

    later = inputs.clone()
    later[:, :, 3:] += 1
    assert torch.equal(recurrent(later)[:, :, :3], states[:, :, :3]), f"{name}: states must not depend on later inputs"
    assert not torch.equal(recurrent(later)[:, :, 3:], states[:, :, 3:]), f"{name}: states must depend on inputs"

    projections = recurrent.projections()
    for block, n_pre in (("recurrent", n_units), ("input", n_inputs)):
        assert block in projections, f"{name}.projections() must contain '{block}'"
        shape = tuple(projections[block].shape)
        assert len(shape) == 4, f"{name}: projection '{block}' must be (network, gate, pre, post), not {shape}"
        assert (shape[0], *shape[2:]) == (n_networks, n_pre, n_units), f"{name}: projection '{block}' has shape {shape}"
        gates = f"{len(core.gates)} gates ({', '.join(core.gates)})"
        assert shape[1] == len(core.gates), f"{name}: projection '{block}' must have {gates}, not {shape[1]}"
    gradients = _gradients(core, recurrent, inputs)
    for (label, parameter), gradient in zip(recurrent.named_parameters(), gradients, strict=True):
        assert len(parameter) == n_networks, f"{name}: parameter '{label}' must have the network as first dimension"
        assert gradient is not None, f"{name}: the gradient must reach '{label}'"
        assert bool(torch.isfinite(gradient).all()), f"{name}: the gradient of '{label}' must be finite"
    alone = core.build(n_inputs, n_units, generators(6))
    for (label, one), (_, many) in zip(alone.named_parameters(), recurrent.named_parameters(), strict=True):
        assert torch.equal(one[0], many[1]), f"{name}: '{label}' must depend only on the network's own generator"
    # float32 rounding of sums in a different order, over a few steps
    assert torch.allclose(alone(inputs[1:2])[0], states[1], rtol=1e-4, atol=1e-5), (
        f"{name}: the states of a network must not depend on other networks"
    )
    _check_trace(core, states)
    if core.takes_noise:
        noise = torch.randn(states.shape, generator=generators(1)[0])
        assert torch.equal(recurrent(inputs, torch.zeros_like(noise)), states), (
            f"{name}: noise of 0 must not change states"
        )
        assert not torch.equal(recurrent(inputs, 3 * noise), states), f"{name}: noise must change states"
    if core.takes_steps:
        _check_steps(core, cast(SteppedRecurrent, recurrent), inputs)
    with torch.no_grad():
        for _, parameter in recurrent.named_parameters():
            parameter[0] = torch.nan
    assert torch.equal(recurrent(inputs)[1:], states[1:]), f"{name}: a network with NaN must not affect others"
    for before, after in zip(gradients, _gradients(core, recurrent, inputs), strict=True):
        assert torch.equal(before[1:], after[1:]), f"{name}: a network with NaN must not affect gradients"


def _gradients(core: RecurrentCore, recurrent: Recurrent, inputs: Tensor) -> tuple[Tensor, ...]:
    """Return the gradient of a sum over weights and trace for each parameter; None where there is none."""
    import torch

    weights = [block.square().sum() for block in recurrent.projections().values()]
    trace = core.trace(recurrent(inputs)).square().sum()
    parameters = [parameter for _, parameter in recurrent.named_parameters()]
    return torch.autograd.grad(sum(weights, start=trace), parameters, allow_unused=True)


def _check_trace(core: RecurrentCore, states: Tensor) -> None:
    import torch

    name = type(core).__name__
    states = states.detach().clone().requires_grad_()
    trace = core.trace(states)
    assert trace.shape == states.shape, f"{name}.trace() must keep the shape of the states, not {tuple(trace.shape)}"
    later = states.detach().clone()
    later[:, :, 3:] += 1
    assert torch.equal(core.trace(later)[:, :, :3], trace[:, :, :3]), f"{name}.trace() must not depend on later states"
    (gradient,) = torch.autograd.grad(trace[:, :, -1].sum(), states, allow_unused=True)
    assert gradient is not None, f"{name}.trace() must be differentiable"
    assert bool((gradient[:, :, -1] != 0).any()), f"{name}.trace() must be differentiable"


def _check_steps(core: RecurrentCore, recurrent: SteppedRecurrent, inputs: Tensor) -> None:
    import torch

    name, steps = type(core).__name__, [1, 4]
    parameters = [parameter for _, parameter in recurrent.named_parameters()]
    states, seen = recurrent.states_and_trace(inputs, None, steps)
    expected = recurrent(inputs)
    trace = core.trace(expected).transpose(1, 2)[:, steps]
    assert torch.equal(states, expected), f"{name}.states_and_trace() must return the same states as a call"
    # float32 rounding of sums in a different order, over a few steps
    same = seen.shape == trace.shape and torch.allclose(seen, trace, rtol=1e-4, atol=1e-5)
    assert same, f"{name}.states_and_trace() must return the trace at the steps, (network, step, trial, unit)"
    # through states, trace and both, because a backward pass may treat them differently
    for states_matter, trace_matters in ((1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
        pairs = ((states, seen), (expected, trace))
        ours, theirs = (
            torch.autograd.grad(
                states_matter * of_states.square().mean() + trace_matters * at_steps.square().mean(),
                parameters,
                retain_graph=True,
                allow_unused=True,
            )
            for of_states, at_steps in pairs
        )
        for one, other in zip(ours, theirs, strict=True):
            close = one is not None and other is not None and torch.allclose(one, other, rtol=1e-4, atol=1e-5)
            assert close, f"{name}.states_and_trace() must have the same gradients as a call"
