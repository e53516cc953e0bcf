"""PyTorch module of spiking units, batched over networks, with its own backward pass."""

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
    """Adaptation of the threshold of a unit to its own spikes.

    Parameters
    ----------
    jump
        Increase of the threshold per spike.
    decay
        Factor by which the increase shrinks in one step.
    """

    jump: float
    decay: float


class LIFModule(nn.Module):
    """Networks built by `LIF`, or by `ALIF` if there is adaptation.

    Attributes
    ----------
    recurrent
        Recurrent weights, ``(network, pre, post)``.
    input
        Input weights, ``(network, input, post)``.
    bias
        Biases, ``(network, post)``.
    beta
        Decay factor of the membrane potential per step, ``(network, post)``, clipped to [0, 1] where it is used. A
        parameter, or a buffer if time constants are not learned.
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
        inputs, recurrent, beta = [], [], []
        for generator in generators:
            inputs.append(core.input_gain * glorot_uniform(n_inputs, n_units, generator))
            recurrent.append(orthogonal(n_units, core.gain, generator))
            beta.append(initial_beta(core, n_units, generator))
        self.input = nn.Parameter(torch.stack(inputs))
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
    """Return initial decay factors of the membrane potential per step, ``(unit,)``."""
    tau_ms = torch.full((n_units,), core.tau_ms)
    if core.tau_shape is not None:
        # PyTorch draws gamma variates only from its global generator, so NumPy draws them
        import numpy as np

        seed = int(torch.randint(2**62, (), generator=generator))
        samples = np.random.default_rng(seed).gamma(core.tau_shape, core.tau_ms / core.tau_shape, n_units)
        tau_ms = torch.from_numpy(samples).float()
    return torch.exp(-core.dt_ms / tau_ms.clamp(*core.tau_limits_ms))


def _surrogate(distance: Tensor, name: str, slope: float) -> Tensor:
    """Replace distances to threshold, in place, by the surrogate derivative of a spike."""
    if name == "fast_sigmoid":
        return distance.abs_().mul_(slope).add_(1).pow_(-2)
    if name == "arctan":
        return distance.mul_(math.pi / 2 * slope).square_().add_(1).reciprocal_()
    return distance.abs_().mul_(-slope).add_(1).relu_()


class _Unroll(torch.autograd.Function):
    """All time steps in one node of the autograd graph.

    Inputs and spikes are ``(network, time, trial, …)``. Membrane potentials overwrite the drive step by step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weights: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        beta: Tensor,
        noise: Tensor | None,
        core: Spiking,
        adaptation: Adaptation | None,
    ) -> Tensor:
        n_networks, n_steps, n_trials, _ = inputs.shape
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        potentials = torch.baddbmm(bias[:, None], inputs, input_weights).view(n_networks, n_steps, n_trials, -1)
        if noise is not None:
            potentials += noise.permute(0, 2, 1, 3)
        spikes, leak = torch.empty_like(potentials), beta[:, None]
        traces = None if adaptation is None else torch.zeros_like(potentials)  # leaky sums of spikes
        jump, decay = adaptation or (0.0, 0.0)
        for step in range(n_steps):
            potential, spike = potentials[:, step], spikes[:, step]
            if step:
                previous = spikes[:, step - 1]
                add_products(potential.addcmul_(leak, potentials[:, step - 1]), previous, recurrent)
                if core.reset == "zero":
                    potential.addcmul_(potential, previous, value=-1)
                else:
                    potential.sub_(previous, alpha=core.threshold)
                    if traces is not None:
                        potential.addcmul_(traces[:, step - 1], previous, value=-jump)
                if traces is not None:
                    torch.add(previous, traces[:, step - 1], alpha=decay, out=traces[:, step])
            if traces is None:
                torch.gt(potential, core.threshold, out=spike)
            else:
                torch.gt(torch.sub(potential, traces[:, step], alpha=jump), core.threshold, out=spike)
        ctx.save_for_backward(inputs, spikes, potentials, traces, input_weights, recurrent, beta)
        ctx.core, ctx.adaptation = core, adaptation
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor) -> tuple[Tensor | None, ...]:
        inputs, spikes, potentials, traces, input_weights, recurrent, beta = ctx.saved_tensors
        core, adaptation = ctx.core, ctx.adaptation
        n_steps = spikes.shape[1]
        transposed, leak = recurrent.mT.contiguous(), beta[:, None]
        distance = potentials - core.threshold
        jump, decay = adaptation or (0.0, 0.0)
        if traces is not None:
            distance.sub_(traces, alpha=jump)
        surrogate = _surrogate(distance, core.surrogate, core.slope_or_default).mul_(core.dampening)
        grad_potentials = torch.empty_like(potentials)  # with respect to potentials before the reset
        grad_trace = None if traces is None else torch.zeros_like(grad_potentials[:, 0])
        for step in reversed(range(n_steps)):
            grad, grad_next = grad_potentials[:, step], grad_potentials[:, step + 1] if step + 1 < n_steps else None
            if grad_next is None:
                grad.copy_(grad_spikes[:, step])
            else:
                add_products(grad, grad_next, transposed, keep=0).add_(grad_spikes[:, step])
            if grad_trace is not None:
                grad.add_(grad_trace)
            grad.mul_(surrogate[:, step])
            if grad_trace is not None:
                grad_trace.mul_(decay).sub_(grad, alpha=jump)
            if grad_next is not None:
                grad.addcmul_(grad_next, leak)
            if step and core.reset == "zero":
                grad.addcmul_(grad, spikes[:, step - 1], value=-1)
        flat = grad_potentials.flatten(1, 2)
        grad_inputs = torch.bmm(flat, input_weights.mT).view(*spikes.shape[:3], -1) if ctx.needs_input_grad[0] else None
        grad_recurrent = torch.zeros_like(recurrent)
        add_summed_products(grad_recurrent, spikes[:, :-1].flatten(1, 2), grad_potentials[:, 1:].flatten(1, 2))
        grad_beta = (grad_potentials[:, 1:] * potentials[:, :-1]).sum(dim=(1, 2)) if ctx.needs_input_grad[4] else None
        grad_input_weights, grad_bias = torch.bmm(inputs.mT, flat), flat.sum(dim=1)
        return grad_inputs, grad_input_weights, grad_recurrent, grad_bias, grad_beta, None, None, None
