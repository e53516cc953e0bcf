"""PyTorch module of long short-term memory units, batched over networks, with its own backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.gates import concatenate_gates, initial_weights
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.graph.products import add_products, add_summed_products

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
        states: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            concatenate_gates(self.input),
            concatenate_gates(self.recurrent),
            self.bias.flatten(1),
            noise,
        )
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}


class _Unroll(torch.autograd.Function):
    """All time steps in one node of the autograd graph.

    Inputs and states are ``(network, time, trial, …)``, with the weights of all gates side by side. The values of the
    gates overwrite `drive` step by step.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, input_weights: Tensor, recurrent: Tensor, bias: Tensor, noise: Tensor | None
    ) -> Tensor:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units = recurrent.shape[1]
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        drive = torch.baddbmm(bias[:, None], inputs, input_weights).view(n_networks, n_steps, n_trials, -1)
        if noise is not None:
            drive[..., 2 * n_units : 3 * n_units] += noise.permute(0, 2, 1, 3)
        cells = drive.new_empty(n_networks, n_steps, n_trials, n_units)
        tanh_cells, states = torch.empty_like(cells), torch.empty_like(cells)
        for step in range(n_steps):
            gates = drive[:, step]
            if step:
                add_products(gates, states[:, step - 1], recurrent)
            gates[..., : 2 * n_units].sigmoid_()
            gates[..., 2 * n_units : 3 * n_units].tanh_()
            gates[..., 3 * n_units :].sigmoid_()
            input_gate, forget_gate, candidate, output_gate = gates.chunk(4, dim=-1)
            cell = torch.mul(input_gate, candidate, out=cells[:, step])
            if step:
                cell.addcmul_(forget_gate, cells[:, step - 1])
            torch.tanh(cell, out=tanh_cells[:, step])
            torch.mul(output_gate, tanh_cells[:, step], out=states[:, step])
        ctx.save_for_backward(inputs, states, drive, cells, tanh_cells, input_weights, recurrent)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_states: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, drive, cells, tanh_cells, input_weights, recurrent = ctx.saved_tensors
        sigmoid_backward, tanh_backward = NONLINEARITIES["sigmoid"].backward, NONLINEARITIES["tanh"].backward
        n_networks, n_steps, n_trials, n_units = states.shape
        transposed = recurrent.mT.contiguous()
        grad_drive = torch.empty_like(drive)
        grad_state = grad_states[:, -1].clone(memory_format=torch.contiguous_format)
        grad_cell, zeros, grad_tanh = (torch.zeros_like(states[:, 0]) for _ in range(3))
        for step in reversed(range(n_steps)):
            input_gate, forget_gate, candidate, output_gate = drive[:, step].chunk(4, dim=-1)
            grad_in, grad_forget, grad_candidate, grad_out = grad_drive[:, step].chunk(4, dim=-1)
            torch.mul(grad_state, tanh_cells[:, step], out=grad_out)
            sigmoid_backward(grad_out, output_gate)
            torch.mul(grad_state, output_gate, out=grad_tanh)
            tanh_backward(grad_tanh, tanh_cells[:, step])
            grad_cell += grad_tanh
            torch.mul(grad_cell, candidate, out=grad_in)
            torch.mul(grad_cell, cells[:, step - 1] if step else zeros, out=grad_forget)
            sigmoid_backward(grad_drive[:, step, :, : 2 * n_units], drive[:, step, :, : 2 * n_units])
            torch.mul(grad_cell, input_gate, out=grad_candidate)
            tanh_backward(grad_candidate, candidate)
            if step:
                grad_cell *= forget_gate
                add_products(grad_state, grad_drive[:, step], transposed, keep=0).add_(grad_states[:, step - 1])
        flat = grad_drive.view(n_networks, n_steps * n_trials, -1)
        grad_recurrent = torch.zeros_like(recurrent)
        add_summed_products(grad_recurrent, states[:, :-1].flatten(1, 2), flat[:, n_trials:])
        grad_inputs = torch.bmm(flat, input_weights.mT).view(*states.shape[:3], -1) if ctx.needs_input_grad[0] else None
        return grad_inputs, torch.bmm(inputs.mT, flat), grad_recurrent, flat.sum(dim=1), None
