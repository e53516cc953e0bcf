"""PyTorch module of spiking units, batched over networks, with its own backward pass."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal
from spatialnets.cores.modules.unrolling import DriveGradients, arriving_gradients, join_inputs, join_weights
from spatialnets.graph.products import add_products

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
        return self.states_and_trace(inputs, noise, ())[0]

    def states_and_trace(self, inputs: Tensor, noise: Tensor | None, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return spikes, and their trace at some steps, ``(network, step, trial, unit)``."""
        spikes, trace = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            self.input,
            self.recurrent,
            self.bias,
            self.beta.clamp(0, 1),
            noise,
            steps,
            self.core,
            self.adaptation,
        )
        return spikes.permute(0, 2, 1, 3), trace

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

    Inputs and spikes are ``(network, time, trial, …)``. The trace that the readout sees is summed along the way, so
    that neither it nor its gradient is stored for all steps.
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
        steps: Sequence[int],
        core: Spiking,
        adaptation: Adaptation | None,
    ) -> tuple[Tensor, Tensor]:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units, leak = recurrent.shape[2], beta[:, None]
        joint, weights = join_inputs(inputs, n_units), join_weights(recurrent, input_weights, bias)
        spikes, potentials = joint[:, 1:, :, :n_units], joint.new_empty(n_networks, n_steps, n_trials, n_units)
        adaptations = None if adaptation is None else torch.zeros_like(potentials)  # leaky sums of spikes
        jump, decay = adaptation or (0.0, 0.0)
        trace = joint.new_zeros(n_networks, n_trials, n_units)
        seen: dict[int, Tensor] = {}
        each_joint, each_spike = joint.unbind(1), joint[..., :n_units].unbind(1)
        each_noise = None if noise is None else noise.unbind(2)
        for step, potential in enumerate(potentials.unbind(1)):
            previous, spike = each_spike[step], each_spike[step + 1]
            if step:
                torch.mul(leak, potentials[:, step - 1], out=potential)
            add_products(potential, each_joint[step], weights, keep=float(step > 0))
            if each_noise is not None:
                potential += each_noise[step]
            if step and core.reset == "zero":
                potential.addcmul_(potential, previous, value=-1)
            elif step:
                potential.sub_(previous, alpha=core.threshold)
            if adaptations is None:
                torch.gt(potential, core.threshold, out=spike)
            else:
                if step:
                    before = adaptations[:, step - 1]
                    if core.reset == "subtract":
                        potential.addcmul_(before, previous, value=-jump)
                    torch.add(previous, before, alpha=decay, out=adaptations[:, step])
                torch.gt(torch.sub(potential, adaptations[:, step], alpha=jump), core.threshold, out=spike)
            if steps:
                torch.add(spike, trace, alpha=core.readout_decay, out=trace)
                if step in steps:
                    seen[step] = trace.clone()
        ctx.save_for_backward(joint, potentials, adaptations, input_weights, recurrent, beta)
        ctx.steps, ctx.core, ctx.adaptation = steps, core, adaptation
        ctx.set_materialize_grads(False)
        return spikes, torch.stack([seen[step] for step in steps], dim=1) if steps else spikes[:, :0]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_spikes: Tensor | None, grad_seen: Tensor | None) -> tuple[Tensor | None, ...]:
        joint, potentials, adaptations, input_weights, recurrent, beta = ctx.saved_tensors
        core, adaptation = ctx.core, ctx.adaptation
        n_networks, n_steps, n_trials, n_units = potentials.shape
        transposed, leak = recurrent.mT.contiguous(), beta[:, None]
        jump, decay = adaptation or (0.0, 0.0)
        directly = arriving_gradients(n_steps, grad_spikes, None, ())
        of_trace = arriving_gradients(n_steps, None, grad_seen, ctx.steps)
        # with respect to potentials before the reset
        gradients = DriveGradients(joint, n_units, input_weights if ctx.needs_input_grad[0] else None)
        grad_trace, grad_adaptation, surrogate = joint.new_zeros(3, n_networks, n_trials, n_units)
        grad_beta = torch.zeros_like(grad_trace) if ctx.needs_input_grad[4] else None
        each_spike, each_potential = joint[..., :n_units].unbind(1), potentials.unbind(1)
        for step in reversed(range(n_steps)):
            grad, grad_next = gradients[step], gradients[step + 1] if step + 1 < n_steps else None
            if grad_next is None:
                grad.zero_()
            else:
                add_products(grad, grad_next, transposed, keep=0)
            if grad_seen is not None:
                grad_trace *= core.readout_decay
                for gradient in of_trace[step]:
                    grad_trace += gradient
                grad += grad_trace
            for gradient in directly[step]:
                grad += gradient
            if adaptation is not None:
                grad += grad_adaptation
            torch.sub(each_potential[step], core.threshold, out=surrogate)
            if adaptations is not None:
                surrogate.sub_(adaptations[:, step], alpha=jump)
            grad *= _surrogate(surrogate, core.surrogate, core.slope_or_default)
            if core.dampening != 1:
                grad *= core.dampening
            if adaptation is not None:
                grad_adaptation.mul_(decay).sub_(grad, alpha=jump)
            if grad_next is not None:
                grad.addcmul_(grad_next, leak)
            if step and core.reset == "zero":
                grad.addcmul_(grad, each_spike[step], value=-1)
            if step and grad_beta is not None:
                grad_beta.addcmul_(grad, each_potential[step - 1])
            gradients.add(step)
        grad_beta = None if grad_beta is None else grad_beta.sum(dim=1)
        return *gradients.by_argument(n_units), grad_beta, None, None, None, None
