"""PyTorch module of long short-term memory units, batched over networks, with its own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.gates import concatenate_gates, initial_weights
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.cores.modules.unrolling import (
    DriveGradients,
    arriving_gradients,
    join_inputs,
    join_weights,
    select_steps,
)
from spatialnets.graph.products import add_products

__all__ = ["LSTMModule"]


class LSTMModule(nn.Module):
    """Networks built by `LSTM`.

    Attributes
    ----------
    recurrent
        Recurrent weights, ``(network, gate, pre, post)``.
    input
        Input weights, ``(network, gate, input, post)``.
    bias
        Biases, ``(network, gate, post)``.
    """

    def __init__(
        self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator], gain: float, forget_bias: float
    ) -> None:
        super().__init__()
        self.recurrent, self.input = initial_weights(4, n_inputs, n_units, gain, generators)
        bias = torch.zeros(len(generators), 4, n_units)
        bias[:, 1] = forget_bias
        self.bias = nn.Parameter(bias)

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        return self.states_and_trace(inputs, noise, ())[0]

    def states_and_trace(self, inputs: Tensor, noise: Tensor | None, steps: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Return states, and what the readout sees at some steps, ``(network, step, trial, unit)``."""
        states, seen = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            concatenate_gates(self.input),
            concatenate_gates(self.recurrent),
            self.bias.flatten(1),
            noise,
            steps,
        )
        return states.permute(0, 2, 1, 3), seen

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}


class _Unroll(torch.autograd.Function):
    r"""All time steps in one node of the autograd graph.

    Inputs and states are ``(network, time, trial, …)``, with the weights of all gates side by side. In place of each
    :math:`\tanh x`, of candidates and of cells (`outers`), :math:`s = \sigma(-2x) = (1 - \tanh x) / 2` is stored,
    because `torch.sigmoid` is faster than `torch.tanh`; all gates and candidates of a step, which are contiguous, are
    then one call. The weights of candidates are multiplied by -2, which is exact.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weights: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        noise: Tensor | None,
        steps: Sequence[int],
    ) -> tuple[Tensor, Tensor]:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units = recurrent.shape[1]
        joint, weights = join_inputs(inputs, n_units), join_weights(recurrent, input_weights, bias)
        weights[..., 2 * n_units : 3 * n_units] *= -2
        states, each_joint = joint[:, 1:, :, :n_units], joint.unbind(1)
        gates = joint.new_empty(n_networks, n_steps, n_trials, 4 * n_units)
        cells, outers = joint.new_empty(2, n_networks, n_steps, n_trials, n_units)
        each_state, each_cell, each_outer = states.unbind(1), cells.unbind(1), outers.unbind(1)
        each_step, each_gate = gates.unbind(1), zip(*(gate.unbind(1) for gate in gates.chunk(4, dim=-1)), strict=True)
        each_noise = None if noise is None else noise.unbind(2)
        for step, (input_gate, forget_gate, candidate, output_gate) in enumerate(each_gate):
            gate = add_products(each_step[step], each_joint[step], weights, keep=0)
            if each_noise is not None:
                candidate.sub_(each_noise[step], alpha=2)
            gate.sigmoid_()
            cell = torch.addcmul(input_gate, input_gate, candidate, value=-2, out=each_cell[step])
            if step:
                cell.addcmul_(forget_gate, each_cell[step - 1])
            outer = torch.mul(cell, -2, out=each_outer[step]).sigmoid_()
            torch.addcmul(output_gate, output_gate, outer, value=-2, out=each_state[step])
        ctx.save_for_backward(joint, gates, cells, outers, input_weights, recurrent)
        ctx.steps = steps
        ctx.set_materialize_grads(False)
        return states, select_steps(states, steps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor | None, grad_seen: Tensor | None) -> tuple[Tensor | None, ...]:
        joint, gates, cells, outers, input_weights, recurrent = ctx.saved_tensors
        sigmoid_backward = NONLINEARITIES["sigmoid"].backward
        n_networks, n_steps, n_trials, n_units = cells.shape
        # d tanh(x) / dx = 4 s (1 - s), and the gradients of candidates are computed without the 4
        scale = recurrent.new_ones(4, n_units)
        scale[2] = 4
        scale = scale.flatten()
        transposed = (recurrent * scale).mT.contiguous()
        gradients = DriveGradients(joint, 4 * n_units, input_weights * scale if ctx.needs_input_grad[0] else None)
        arriving = arriving_gradients(n_steps, grad_states, grad_seen, ctx.steps)
        each_step, each_cell, each_outer = gates.unbind(1), cells.unbind(1), outers.unbind(1)
        each_gate = list(zip(*(gate.unbind(1) for gate in gates.chunk(4, dim=-1)), strict=True))
        grad_state, grad_cell, grad_outer = joint.new_zeros(3, n_networks, n_trials, n_units)
        for step in reversed(range(n_steps)):
            grad, outer = gradients[step], each_outer[step]
            if step + 1 < n_steps:
                add_products(grad_state, gradients[step + 1], transposed, keep=0)
            for gradient in arriving[step]:
                grad_state += gradient
            input_gate, forget_gate, candidate, output_gate = each_gate[step]
            grad_in, grad_forget, grad_candidate, grad_out = grad.chunk(4, dim=-1)
            torch.addcmul(grad_state, grad_state, outer, value=-2, out=grad_out)
            torch.mul(grad_state, output_gate, out=grad_outer)
            sigmoid_backward(grad_outer, outer)
            grad_cell.add_(grad_outer, alpha=4)
            torch.addcmul(grad_cell, grad_cell, candidate, value=-2, out=grad_in)
            if step:
                torch.mul(grad_cell, each_cell[step - 1], out=grad_forget)
            else:
                grad_forget.zero_()
            torch.mul(grad_cell, input_gate, out=grad_candidate)
            sigmoid_backward(grad, each_step[step])
            grad_cell *= forget_gate
            gradients.add(step)
        gradients.weights *= scale
        return *gradients.by_argument(n_units), None, None
