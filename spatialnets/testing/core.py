"""What every recurrent core promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spatialnets.protocols import Recurrent, RecurrentCore

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["check_core"]


def check_core(core: RecurrentCore) -> None:
    """Check that a recurrent core keeps its promises.

    States of the right shape that later inputs cannot change; recurrent and input weights as projections, one block for
    each of its gates, which learning reaches; parameters with the network first; a network that depends on its own
    generator alone and that no other one disturbs, not even one that is no longer finite; what the readout sees in the
    shape of the states; and, of cores that take noise, states that it changes.

    Parameters
    ----------
    core
        A blueprint without `n_units`.

    Raises
    ------
    AssertionError
        Naming the promise that is broken.

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
        f"{name}: states must be (network, trial, time, unit), not {tuple(states.shape)}"
    )
    assert bool(torch.isfinite(states).all()), f"{name}: states must be finite"

    later = inputs.clone()
    later[:, :, 3:] += 1
    assert torch.equal(recurrent(later)[:, :, :3], states[:, :, :3]), f"{name}: later inputs must not change the past"
    assert not torch.equal(recurrent(later)[:, :, 3:], states[:, :, 3:]), f"{name}: inputs must matter"

    projections = recurrent.projections()
    for block, n_pre in (("recurrent", n_units), ("input", n_inputs)):
        assert block in projections, f"{name}.projections() must hold '{block}'"
        shape = tuple(projections[block].shape)
        assert len(shape) == 4, f"{name}: projection '{block}' must be (network, gate, pre, post), not {shape}"
        assert (shape[0], *shape[2:]) == (n_networks, n_pre, n_units), f"{name}: projection '{block}' has shape {shape}"
        assert shape[1] == len(core.gates), f"{name}: projection '{block}' must have the gates {', '.join(core.gates)}"
    gradients = _gradients(core, recurrent, inputs)
    for (label, parameter), gradient in zip(recurrent.named_parameters(), gradients, strict=True):
        assert len(parameter) == n_networks, f"{name}: parameter '{label}' must have the network first"
        assert gradient is not None, f"{name}: learning must reach '{label}'"
        assert bool(torch.isfinite(gradient).all()), f"{name}: the gradient by '{label}' must be finite"
    alone = core.build(n_inputs, n_units, generators(6))
    for (label, one), (_, many) in zip(alone.named_parameters(), recurrent.named_parameters(), strict=True):
        assert torch.equal(one[0], many[1]), f"{name}: '{label}' must come from the network's own generator"
    # float32 rounding of sums in another order, over a few steps
    assert torch.allclose(alone(inputs[1:2])[0], states[1], rtol=1e-4, atol=1e-5), (
        f"{name}: a network must be the same alone and among others"
    )
    _check_trace(core, states)
    if core.takes_noise:
        noise = torch.randn(states.shape, generator=generators(1)[0])
        assert torch.equal(recurrent(inputs, torch.zeros_like(noise)), states), f"{name}: no noise must change nothing"
        assert not torch.equal(recurrent(inputs, 3 * noise), states), f"{name}: noise must change states"
    with torch.no_grad():
        for _, parameter in recurrent.named_parameters():
            parameter[0] = torch.nan
    assert torch.equal(recurrent(inputs)[1:], states[1:]), f"{name}: a network that diverged must not disturb others"
    for before, after in zip(gradients, _gradients(core, recurrent, inputs), strict=True):
        assert torch.equal(before[1:], after[1:]), f"{name}: nor must it disturb what they learn"


def _gradients(core: RecurrentCore, recurrent: Recurrent, inputs: Tensor) -> tuple[Tensor, ...]:
    """Return the derivatives of something by every parameter; None where it does not depend on one."""
    import torch

    paid = [block.square().sum() for block in recurrent.projections().values()]
    seen = core.trace(recurrent(inputs)).square().sum()
    parameters = [parameter for _, parameter in recurrent.named_parameters()]
    return torch.autograd.grad(sum(paid, start=seen), parameters, allow_unused=True)


def _check_trace(core: RecurrentCore, states: Tensor) -> None:
    import torch

    name = type(core).__name__
    states = states.detach().clone().requires_grad_()
    seen = core.trace(states)
    assert seen.shape == states.shape, f"{name}.trace() must keep the shape of the states, not {tuple(seen.shape)}"
    later = states.detach().clone()
    later[:, :, 3:] += 1
    assert torch.equal(core.trace(later)[:, :, :3], seen[:, :, :3]), f"{name}: later states must not change the past"
    (gradient,) = torch.autograd.grad(seen[:, :, -1].sum(), states, allow_unused=True)
    assert gradient is not None, f"{name}.trace() must be differentiable"
    assert bool((gradient[:, :, -1] != 0).any()), f"{name}.trace() must be differentiable"
