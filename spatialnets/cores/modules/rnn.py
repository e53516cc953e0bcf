"""PyTorch modules of rate units, batched over networks, with their own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.graph.products import BLOCK_SAMPLES, add_products, add_summed_products

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
        states: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3), self.input, self.recurrent, self.bias, self.nonlinearity, self.alpha, noise
        )
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, 1, pre, post)`` each."""
        return {"recurrent": self.recurrent[:, None], "input": self.input[:, None]}


class LeakyModule(RNNModule):
    """Networks built by `Leaky`."""

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states; noise is scaled by ``sqrt(2 / alpha)``."""
        return super().forward(inputs, None if noise is None else noise * (2 / self.alpha) ** 0.5)


class _Unroll(torch.autograd.Function):
    """All time steps in one node; autograd would keep one per step, and a copy of every intermediate.

    Tensors are ``(network, time, trial, …)``. `joint` holds previous states, inputs and a 1 for the bias side by side,
    so that one product with all weights gives the drive of a step, and one product the gradients of all weights.
    `activations` are kept for the backward pass; without a leak they are the states.
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
    ) -> Tensor:
        activate = NONLINEARITIES[nonlinearity].activate
        n_networks, n_steps, n_trials, n_inputs = inputs.shape
        n_units = recurrent.shape[2]
        weights = torch.cat([recurrent, input_weights, bias[:, None]], dim=1)
        inputs_and_one = torch.cat([inputs, inputs.new_ones(n_networks, n_steps, n_trials, 1)], dim=3)
        joint = inputs.new_empty(n_networks, n_steps + 1, n_trials, n_units + n_inputs + 1)
        joint[:, 0, :, :n_units] = 0
        states = joint[:, 1:, :, :n_units]
        activations = states if alpha == 1 else states.new_empty(states.shape)
        for step in range(n_steps):
            joint[:, step, :, n_units:] = inputs_and_one[:, step]  # now, while the states beside it are in the cache
            drive = add_products(activations[:, step], joint[:, step], weights, keep=0)
            if noise is not None:
                drive += noise[:, :, step]
            activate(drive)
            if alpha < 1:
                torch.lerp(joint[:, step, :, :n_units], drive, alpha, out=states[:, step])
        ctx.save_for_backward(joint, activations, input_weights, recurrent)
        ctx.nonlinearity, ctx.alpha = nonlinearity, alpha
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        joint, activations, input_weights, recurrent = ctx.saved_tensors
        backward, alpha = NONLINEARITIES[ctx.nonlinearity].backward, ctx.alpha
        n_networks, n_steps, n_trials, n_units = activations.shape
        transposed = recurrent.mT.contiguous()
        grad_drive = activations.new_empty(activations.shape)
        grad_state = grad_drive.new_empty(n_networks, n_trials, n_units)
        grad_weights = joint.new_zeros(n_networks, joint.shape[3], n_units)
        chunk = max(1, BLOCK_SAMPLES // max(1, n_trials))
        for step in reversed(range(n_steps)):
            grad = grad_drive[:, step]
            if alpha == 1:
                grad_state = grad
            if step + 1 < n_steps:
                add_products(grad_state, grad_drive[:, step + 1], transposed, keep=1 - alpha).add_(grad_states[:, step])
            else:
                grad_state.copy_(grad_states[:, step])
            if alpha < 1:
                torch.mul(grad_state, alpha, out=grad)
            backward(grad, activations[:, step])
            if step % chunk == 0:  # while these steps are in the cache
                steps = slice(step, min(step + chunk, n_steps))
                add_summed_products(grad_weights, joint[:, steps].flatten(1, 2), grad_drive[:, steps].flatten(1, 2))
        grad_inputs = None
        if ctx.needs_input_grad[0]:
            grad_inputs = torch.bmm(grad_drive.flatten(1, 2), input_weights.mT).unflatten(1, (n_steps, n_trials))
        grad_recurrent, grad_input_weights, grad_bias = grad_weights.split([n_units, input_weights.shape[1], 1], dim=1)
        return grad_inputs, grad_input_weights, grad_recurrent, grad_bias.squeeze(1), None, None, None
