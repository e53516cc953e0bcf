"""Many networks of spiking units at once, with a backward pass of their own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal
from spatialnets.graph.products import add_products, add_summed_products

if TYPE_CHECKING:
    from spatialnets.cores.spiking import Spiking

__all__ = ["Adaptation", "LIFModule"]


class Adaptation(NamedTuple):
    """How spikes raise the threshold of their unit.

    Parameters
    ----------
    step
        By how much each spike raises it.
    kept
        Which share of what it was raised by is left after a step.
    """

    step: float
    kept: float


class LIFModule(nn.Module):
    """The networks of `LIF`, or of `ALIF` if there is adaptation.

    Attributes
    ----------
    recurrent
        ``(network, pre, post)``.
    input
        ``(network, input, post)``.
    bias
        ``(network, post)``.
    beta
        Which share of a membrane potential is left after a step, ``(network, post)``; taken as 0 below 0 and as 1
        above 1. A parameter, or a buffer if time constants are not learned.
    """

    beta: Tensor

    def __init__(
        self,
        core: Spiking,
        n_inputs: int,
        n_units: int,
        generators: Sequence[torch.Generator],
        adaptation: Adaptation | None = None,
    ) -> None:
        super().__init__()
        self.core, self.adaptation = core, adaptation
        into, recurrent, beta = [], [], []
        for generator in generators:
            into.append(core.input_gain * glorot_uniform(n_inputs, n_units, generator))
            recurrent.append(orthogonal(n_units, core.gain, generator))
            beta.append(initial_beta(core, n_units, generator))
        self.input = nn.Parameter(torch.stack(into))
        self.recurrent = nn.Parameter(torch.stack(recurrent))
        self.bias = nn.Parameter(torch.zeros(len(generators), n_units))
        if core.learn_tau:
            self.beta = nn.Parameter(torch.stack(beta))
        else:
            self.register_buffer("beta", torch.stack(beta))

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to spikes, 0 or 1, ``(network, trial, time, unit)``."""
        spikes: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            self.input,
            self.recurrent,
            self.bias,
            self.beta.clamp(0, 1),
            noise,
            self.core,
            self.adaptation,
        )
        return spikes.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, 1, pre, post)`` each."""
        return {"recurrent": self.recurrent[:, None], "input": self.input[:, None]}


def initial_beta(core: Spiking, n_units: int, generator: torch.Generator) -> Tensor:
    """Return which share of the membrane potential of each unit is left after a step, ``(unit,)``."""
    tau_ms = torch.full((n_units,), core.tau_ms)
    if core.tau_shape is not None:
        # torch draws gamma variates from its global generator alone; numpy's is seeded by ours
        import numpy as np

        seed = int(torch.randint(2**62, (), generator=generator))
        drawn = np.random.default_rng(seed).gamma(core.tau_shape, core.tau_ms / core.tau_shape, n_units)
        tau_ms = torch.from_numpy(drawn).float()
    return torch.exp(-core.dt_ms / tau_ms.clamp(*core.tau_limits_ms))


def _surrogate(distance: Tensor, name: str, slope: float) -> Tensor:
    """Return what stands for the derivative of a spike by the distance to threshold, written over it."""
    if name == "fast_sigmoid":
        return distance.abs_().mul_(slope).add_(1).pow_(-2)
    if name == "arctan":
        return distance.mul_(math.pi / 2 * slope).square_().add_(1).reciprocal_()
    return distance.abs_().mul_(-slope).add_(1).relu_()


class _Unroll(torch.autograd.Function):
    """All steps in one node. Inputs and spikes are ``(network, time, trial, …)``.

    Membrane potentials are written over the drive, step by step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        into: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        beta: Tensor,
        noise: Tensor | None,
        core: Spiking,
        adaptation: Adaptation | None,
    ) -> Tensor:
        n_networks, n_steps, n_trials, _ = inputs.shape
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        potentials = torch.baddbmm(bias[:, None], inputs, into).view(n_networks, n_steps, n_trials, -1)
        if noise is not None:
            potentials += noise.permute(0, 2, 1, 3)
        spikes, left = torch.empty_like(potentials), beta[:, None]
        raised = None if adaptation is None else torch.zeros_like(potentials)  # what spikes have added up to
        rise, kept = adaptation or (0.0, 0.0)
        for step in range(n_steps):
            potential, spike = potentials[:, step], spikes[:, step]
            if step:
                fired = spikes[:, step - 1]
                add_products(potential.addcmul_(left, potentials[:, step - 1]), fired, recurrent)
                if core.reset == "zero":
                    potential.addcmul_(potential, fired, value=-1)
                else:
                    potential.sub_(fired, alpha=core.threshold)
                    if raised is not None:
                        potential.addcmul_(raised[:, step - 1], fired, value=-rise)
                if raised is not None:
                    torch.add(fired, raised[:, step - 1], alpha=kept, out=raised[:, step])
            if raised is None:
                torch.gt(potential, core.threshold, out=spike)
            else:
                torch.gt(torch.sub(potential, raised[:, step], alpha=rise), core.threshold, out=spike)
        ctx.save_for_backward(inputs, spikes, potentials, raised, into, recurrent, beta)
        ctx.core, ctx.adaptation = core, adaptation
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, spikes, potentials, raised, into, recurrent, beta = ctx.saved_tensors
        core, adaptation = ctx.core, ctx.adaptation
        n_networks, n_steps, n_trials, n_units = spikes.shape
        back, left = recurrent.mT.contiguous(), beta[:, None]
        distance = potentials - core.threshold
        rise, kept = adaptation or (0.0, 0.0)
        if raised is not None:
            distance.sub_(raised, alpha=rise)
        slopes = _surrogate(distance, core.surrogate, core.slope_or_default).mul_(core.dampening)
        errors = torch.empty_like(potentials)  # derivative of the loss by the potential before it is reset
        by_raised = None if raised is None else torch.zeros_like(errors[:, 0])
        for step in reversed(range(n_steps)):
            error, ahead = errors[:, step], errors[:, step + 1] if step + 1 < n_steps else None
            if ahead is None:
                error.copy_(gradient[:, step])
            else:
                add_products(error, ahead, back, keep=0).add_(gradient[:, step])
            if by_raised is not None:
                error.add_(by_raised)
            error.mul_(slopes[:, step])
            if by_raised is not None:
                by_raised.mul_(kept).sub_(error, alpha=rise)
            if ahead is not None:
                error.addcmul_(ahead, left)
            if step and core.reset == "zero":
                error.addcmul_(error, spikes[:, step - 1], value=-1)
        flat = errors.view(n_networks, n_steps * n_trials, n_units)
        by_input = torch.bmm(flat, into.mT).view(n_networks, n_steps, n_trials, -1) if ctx.needs_input_grad[0] else None
        by_recurrent = torch.zeros_like(recurrent)
        add_summed_products(by_recurrent, spikes[:, :-1].flatten(1, 2), errors[:, 1:].flatten(1, 2))
        by_beta = (errors[:, 1:] * potentials[:, :-1]).sum(dim=(1, 2)) if ctx.needs_input_grad[4] else None
        return by_input, torch.bmm(inputs.mT, flat), by_recurrent, flat.sum(dim=1), by_beta, None, None, None
