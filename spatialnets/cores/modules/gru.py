"""PyTorch module of gated recurrent units, batched over networks, with its own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.gates import concatenate_gates, initial_weights
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES, tanh
from spatialnets.cores.modules.unrolling import (
    DriveGradients,
    arriving_gradients,
    join_inputs,
    join_weights,
    select_steps,
)
from spatialnets.graph.products import add_products

__all__ = ["GRUModule"]


class GRUModule(nn.Module):
    """Networks built by `GRU`.

    Attributes
    ----------
    recurrent
        Recurrent weights, ``(network, gate, pre, post)``.
    input
        Input weights, ``(network, gate, input, post)``.
    bias
        Biases of the input, ``(network, gate, post)``.
    candidate_bias
        Bias of the recurrent input of the candidate, ``(network, post)``.
    """

    def __init__(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator], gain: float) -> None:
        super().__init__()
        self.recurrent, self.input = initial_weights(3, n_inputs, n_units, gain, generators)
        self.bias = nn.Parameter(torch.zeros(len(generators), 3, n_units))
        self.candidate_bias = nn.Parameter(torch.zeros(len(generators), n_units))

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
            self.candidate_bias,
            noise,
            steps,
        )
        return states.permute(0, 2, 1, 3), seen

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}


class _Unroll(torch.autograd.Function):
    """All time steps in one node of the autograd graph.

    Inputs and states are ``(network, time, trial, …)``, with the weights of all gates side by side. The candidate's
    recurrent input, which the reset gate multiplies, is computed apart from its input.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        input_weights: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        candidate_bias: Tensor,
        noise: Tensor | None,
        steps: Sequence[int],
    ) -> tuple[Tensor, Tensor]:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units = recurrent.shape[1]
        n_gates = 2 * n_units  # columns of the reset and the update gate; the candidate's follow
        joint, weights = join_inputs(inputs, n_units), join_weights(recurrent, input_weights, bias)
        weights[:, n_units:-1, n_gates:] = 0
        weights[:, -1, n_gates:] = candidate_bias
        to_gates, to_candidate = weights[..., :n_gates], weights[..., n_gates:]
        candidates = torch.baddbmm(bias[:, None, n_gates:], inputs.flatten(1, 2), input_weights[..., n_gates:])
        candidates = candidates.view(n_networks, n_steps, n_trials, n_units)
        if noise is not None:
            candidates += noise.permute(0, 2, 1, 3)
        gates, recurrent_drive = candidates.new_empty(*candidates.shape[:3], n_gates), torch.empty_like(candidates)
        states, each_joint, each_state = joint[:, 1:, :, :n_units], joint.unbind(1), joint[..., :n_units].unbind(1)
        each_gate, each_drive, each_candidate = gates.unbind(1), recurrent_drive.unbind(1), candidates.unbind(1)
        for step in range(n_steps):
            reset, update = add_products(each_gate[step], each_joint[step], to_gates, keep=0).sigmoid_().chunk(2, -1)
            drive = add_products(each_drive[step], each_joint[step], to_candidate, keep=0)
            candidate = each_candidate[step].addcmul_(reset, drive)
            torch.lerp(tanh(candidate, out=candidate), each_state[step], update, out=each_state[step + 1])
        ctx.save_for_backward(joint, gates, candidates, recurrent_drive, input_weights, recurrent)
        ctx.steps = steps
        ctx.set_materialize_grads(False)
        return states, select_steps(states, steps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor | None, grad_seen: Tensor | None) -> tuple[Tensor | None, ...]:
        joint, gates, candidates, recurrent_drive, input_weights, recurrent = ctx.saved_tensors
        sigmoid_backward, tanh_backward = NONLINEARITIES["sigmoid"].backward, NONLINEARITIES["tanh"].backward
        n_networks, n_steps, n_trials, n_units = candidates.shape
        n_gates, transposed = 2 * n_units, recurrent.mT.contiguous()
        to_gates, to_candidate = input_weights.split([n_gates, n_units], dim=2)
        wants_inputs = ctx.needs_input_grad[0]
        # with respect to the drive of the gates and the recurrent input of candidates, and to the input of candidates
        padded = torch.nn.functional.pad(to_gates, (0, n_units)) if wants_inputs else None
        gradients = DriveGradients(joint, 3 * n_units, padded)
        of_candidates = DriveGradients(joint[..., n_units:], n_units, to_candidate if wants_inputs else None)
        arriving = arriving_gradients(n_steps, grad_states, grad_seen, ctx.steps)
        each_gate, each_drive, each_candidate = gates.unbind(1), recurrent_drive.unbind(1), candidates.unbind(1)
        each_state = joint[..., :n_units].unbind(1)
        grad_state = joint.new_zeros(n_networks, n_trials, n_units)
        for step in reversed(range(n_steps)):
            grad, grad_candidate = gradients[step], of_candidates[step]
            if step + 1 < n_steps:
                add_products(grad_state, gradients[step + 1], transposed)
            for gradient in arriving[step]:
                grad_state += gradient
            reset, update = each_gate[step].chunk(2, dim=-1)
            grad_reset, grad_update, grad_drive = grad.chunk(3, dim=-1)
            torch.sub(each_state[step], each_candidate[step], out=grad_update).mul_(grad_state)
            torch.addcmul(grad_state, grad_state, update, value=-1, out=grad_candidate)
            tanh_backward(grad_candidate, each_candidate[step])
            torch.mul(grad_candidate, each_drive[step], out=grad_reset)
            sigmoid_backward(grad[..., :n_gates], each_gate[step])
            torch.mul(grad_candidate, reset, out=grad_drive)
            grad_state *= update
            gradients.add(step)
            of_candidates.add(step)
        grad_recurrent, others = gradients.weights.split([n_units, joint.shape[3] - n_units], dim=1)
        grad_input_and_bias = torch.cat([others[..., :n_gates], of_candidates.weights], dim=2)
        grad_inputs = None
        if gradients.inputs is not None and of_candidates.inputs is not None:
            grad_inputs = gradients.inputs.add_(of_candidates.inputs)
        return (
            grad_inputs,
            grad_input_and_bias[:, :-1],
            grad_recurrent,
            grad_input_and_bias[:, -1],
            others[:, -1, n_gates:],
            None,
            None,
        )
