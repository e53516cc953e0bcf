"""PyTorch modules of rate units, batched over networks, with their own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.cores.modules.unrolling import (
    DriveGradients,
    arriving_gradients,
    join_inputs,
    join_weights,
    select_steps,
)
from spatialnets.graph.products import add_products

__all__ = ["LeakyModule", "RNNModule"]


class RNNModule(nn.Module):
    """Networks built by `RNN`; with `alpha` below 1, leaky units.

    Attributes
    ----------
    recurrent
        Recurrent weights, ``(network, pre, post)``.
    input
        Input weights, ``(network, input, post)``.
    bias
        Biases, ``(network, post)``.
    """

    def __init__(
        self,
        n_inputs: int,
        n_units: int,
        generators: Sequence[torch.Generator],
        nonlinearity: str,
        gain: float,
        alpha: float = 1.0,
    ) -> None:
        super().__init__()
        self.nonlinearity, self.alpha = nonlinearity, alpha
        weights = [(glorot_uniform(n_inputs, n_units, one), orthogonal(n_units, gain, one)) for one in generators]
        self.input, self.recurrent = (nn.Parameter(torch.stack(block)) for block in zip(*weights, strict=True))
        self.bias = nn.Parameter(torch.zeros(len(weights), n_units))

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        return self.states_and_trace(inputs, noise, ())[0]

    def states_and_trace(self, inputs: Tensor, noise: Tensor | None, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return states, and what the readout sees at some steps, ``(network, step, trial, unit)``."""
        states, seen = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            self.input,
            self.recurrent,
            self.bias,
            self.nonlinearity,
            self.alpha,
            noise,
            steps,
        )
        return states.permute(0, 2, 1, 3), seen

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, 1, pre, post)`` each."""
        return {"recurrent": self.recurrent[:, None], "input": self.input[:, None]}


class LeakyModule(RNNModule):
    """Networks built by `Leaky`."""

    def states_and_trace(self, inputs: Tensor, noise: Tensor | None, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return states and what the readout sees; noise is scaled by ``sqrt(2 / alpha)``."""
        return super().states_and_trace(inputs, None if noise is None else noise * (2 / self.alpha) ** 0.5, steps)


class _Unroll(torch.autograd.Function):
    """All time steps in one node; autograd would keep one per step, and a copy of every intermediate.

    Tensors are ``(network, time, trial, …)``. `activations` are kept for the backward pass; without a leak they are the
    states. The result at the steps that the loss sees is separate, so that the gradient with respect to all states,
    mostly zeros, is never stored unless the loss uses all states.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weights: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        nonlinearity: str,
        alpha: float,
        noise: Tensor | None,
        steps: Sequence[int],
    ) -> tuple[Tensor, Tensor]:
        activate, n_units = NONLINEARITIES[nonlinearity].activate, recurrent.shape[2]
        weights, joint = join_weights(recurrent, input_weights, bias), join_inputs(inputs, n_units)
        states = joint[:, 1:, :, :n_units]
        activations = states if alpha == 1 else states.new_empty(states.shape)
        each_joint, each_state, each_drive = joint.unbind(1), joint[..., :n_units].unbind(1), activations.unbind(1)
        each_noise = None if noise is None else noise.unbind(2)
        for step, drive in enumerate(each_drive):
            add_products(drive, each_joint[step], weights, keep=0)
            if each_noise is not None:
                drive += each_noise[step]
            activate(drive)
            if alpha < 1:
                torch.lerp(each_state[step], drive, alpha, out=each_state[step + 1])
        ctx.save_for_backward(joint, activations, input_weights, recurrent)
        ctx.nonlinearity, ctx.alpha, ctx.steps = nonlinearity, alpha, steps
        ctx.set_materialize_grads(False)
        return states, select_steps(states, steps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor | None, grad_seen: Tensor | None) -> tuple[Tensor | None, ...]:
        joint, activations, input_weights, recurrent = ctx.saved_tensors
        backward, alpha = NONLINEARITIES[ctx.nonlinearity].backward, ctx.alpha
        n_networks, n_steps, n_trials, n_units = activations.shape
        arriving = arriving_gradients(n_steps, grad_states, grad_seen, ctx.steps)
        transposed, outputs = recurrent.mT.contiguous(), activations.unbind(1)
        gradients = DriveGradients(joint, n_units, input_weights if ctx.needs_input_grad[0] else None)
        grad_state = joint.new_zeros(n_networks, n_trials, n_units)
        for step in reversed(range(n_steps)):
            grad = gradients[step]
            if alpha == 1:
                grad_state = grad
            if step + 1 < n_steps:
                add_products(grad_state, gradients[step + 1], transposed, keep=1 - alpha)
            else:
                grad_state.zero_()
            for gradient in arriving[step]:
                grad_state += gradient
            if alpha < 1:
                torch.mul(grad_state, alpha, out=grad)
            backward(grad, outputs[step])
            gradients.add(step)
        return *gradients.by_argument(n_units), None, None, None, None
