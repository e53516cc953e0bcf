"""PyTorch module of gated recurrent units, batched over networks, with its own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.gates import concatenate_gates, initial_weights
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.graph.products import add_products, add_summed_products

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
        states: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            concatenate_gates(self.input),
            concatenate_gates(self.recurrent),
            self.bias.flatten(1),
            self.candidate_bias,
            noise,
        )
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}


class _Unroll(torch.autograd.Function):
    """All time steps in one node of the autograd graph.

    Inputs and states are ``(network, time, trial, …)``, with the weights of all gates side by side. The values of gates
    and candidate overwrite `drive` step by step.
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
    ) -> Tensor:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units = recurrent.shape[1]
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        drive = torch.baddbmm(bias[:, None], inputs, input_weights).view(n_networks, n_steps, n_trials, -1)
        gates, candidates = drive[..., : 2 * n_units], drive[..., 2 * n_units :]
        if noise is not None:
            candidates += noise.permute(0, 2, 1, 3)
        to_gates, to_candidate = recurrent[..., : 2 * n_units], recurrent[..., 2 * n_units :]
        # recurrent input of the candidate, before the reset gate
        recurrent_drive = torch.empty_like(drive[..., :n_units], memory_format=torch.contiguous_format)
        states = torch.empty_like(recurrent_drive)
        previous = torch.zeros_like(recurrent_drive[:, 0])
        for step in range(n_steps):
            gate, candidate = gates[:, step], candidates[:, step]
            if step:
                add_products(gate, previous, to_gates)
            recurrent_drive[:, step] = candidate_bias[:, None]
            add_products(recurrent_drive[:, step], previous, to_candidate)
            gate.sigmoid_()
            reset, update = gate[..., :n_units], gate[..., n_units:]
            candidate.addcmul_(reset, recurrent_drive[:, step]).tanh_()
            previous = torch.lerp(candidate, previous, update, out=states[:, step])
        ctx.save_for_backward(inputs, states, drive, recurrent_drive, input_weights, recurrent)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, drive, recurrent_drive, input_weights, recurrent = ctx.saved_tensors
        sigmoid_backward, tanh_backward = NONLINEARITIES["sigmoid"].backward, NONLINEARITIES["tanh"].backward
        n_networks, n_steps, n_trials, n_units = states.shape
        transposed = recurrent.mT.contiguous()
        from_gates, from_candidate = transposed[:, : 2 * n_units], transposed[:, 2 * n_units :]
        grad_drive, grad_recurrent_drive = torch.empty_like(drive), torch.empty_like(recurrent_drive)
        grad_state = grad_states[:, -1].clone(memory_format=torch.contiguous_format)
        zeros = torch.zeros_like(grad_state)
        for step in reversed(range(n_steps)):
            reset, update, candidate = drive[:, step].chunk(3, dim=-1)
            grad_reset, grad_update, grad_candidate = grad_drive[:, step].chunk(3, dim=-1)
            previous = states[:, step - 1] if step else zeros
            torch.sub(previous, candidate, out=grad_update).mul_(grad_state)
            sigmoid_backward(grad_update, update)
            torch.addcmul(grad_state, grad_state, update, value=-1, out=grad_candidate)
            tanh_backward(grad_candidate, candidate)
            torch.mul(grad_candidate, recurrent_drive[:, step], out=grad_reset)
            sigmoid_backward(grad_reset, reset)
            torch.mul(grad_candidate, reset, out=grad_recurrent_drive[:, step])
            if step:
                add_products(grad_state.mul_(update), grad_drive[:, step, :, : 2 * n_units], from_gates)
                add_products(grad_state, grad_recurrent_drive[:, step], from_candidate).add_(grad_states[:, step - 1])
        flat = grad_drive.view(n_networks, n_steps * n_trials, -1)
        recurrent_flat = grad_recurrent_drive.view(n_networks, n_steps * n_trials, -1)
        previous_states = states[:, :-1].flatten(1, 2)
        grad_recurrent = torch.zeros_like(recurrent)
        add_summed_products(grad_recurrent[..., : 2 * n_units], previous_states, flat[:, n_trials:, : 2 * n_units])
        add_summed_products(grad_recurrent[..., 2 * n_units :], previous_states, recurrent_flat[:, n_trials:])
        grad_inputs = torch.bmm(flat, input_weights.mT).view(*states.shape[:3], -1) if ctx.needs_input_grad[0] else None
        grad_input_weights = torch.bmm(inputs.mT, flat)
        return grad_inputs, grad_input_weights, grad_recurrent, flat.sum(dim=1), recurrent_flat.sum(dim=1), None
