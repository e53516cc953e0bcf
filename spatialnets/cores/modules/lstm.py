"""Many networks of long short-term memory at once, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.gates import initial_blocks, side_by_side
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.graph.products import add_products, add_summed_products

__all__ = ["LSTMModule"]


class LSTMModule(nn.Module):
    """The networks of `LSTM`.

    Attributes
    ----------
    recurrent
        ``(network, gate, pre, post)``.
    input
        ``(network, gate, input, post)``.
    bias
        ``(network, gate, post)``.
    """

    def __init__(
        self,
        n_inputs: int,
        n_units: int,
        generators: Sequence[torch.Generator],
        gain: float,
        forget_bias: float,
    ) -> None:
        super().__init__()
        self.recurrent, self.input = initial_blocks(4, n_inputs, n_units, gain, generators)
        bias = torch.zeros(len(generators), 4, n_units)
        bias[:, 1] = forget_bias
        self.bias = nn.Parameter(bias)

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        states: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            side_by_side(self.input),
            side_by_side(self.recurrent),
            self.bias.flatten(1),
            noise,
        )
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}


class _Unroll(torch.autograd.Function):
    """All steps in one node. Inputs and states are ``(network, time, trial, …)``, weights of all gates side by side.

    What the gates come to is written over the drive, step by step.
    """

    @staticmethod
    def forward(
        ctx: Any, inputs: Tensor, into: Tensor, recurrent: Tensor, bias: Tensor, noise: Tensor | None
    ) -> Tensor:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units = recurrent.shape[1]
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        driven = torch.baddbmm(bias[:, None], inputs, into).view(n_networks, n_steps, n_trials, -1)
        if noise is not None:
            driven[..., 2 * n_units : 3 * n_units] += noise.permute(0, 2, 1, 3)
        cells = driven.new_empty(n_networks, n_steps, n_trials, n_units)
        squashed, states = torch.empty_like(cells), torch.empty_like(cells)
        for step in range(n_steps):
            drive = driven[:, step]
            if step:
                add_products(drive, states[:, step - 1], recurrent)
            drive[..., : 2 * n_units].sigmoid_()
            drive[..., 2 * n_units : 3 * n_units].tanh_()
            drive[..., 3 * n_units :].sigmoid_()
            let_in, keep, new, let_out = drive.chunk(4, dim=-1)
            cell = torch.mul(let_in, new, out=cells[:, step])
            if step:
                cell.addcmul_(keep, cells[:, step - 1])
            torch.tanh(cell, out=squashed[:, step])
            torch.mul(let_out, squashed[:, step], out=states[:, step])
        ctx.save_for_backward(inputs, states, driven, cells, squashed, into, recurrent)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, driven, cells, squashed, into, recurrent = ctx.saved_tensors
        derive_sigmoid, derive_tanh = NONLINEARITIES["sigmoid"].derive, NONLINEARITIES["tanh"].derive
        n_networks, n_steps, n_trials, n_units = states.shape
        back = recurrent.mT.contiguous()
        errors = torch.empty_like(driven)  # derivative of the loss by what enters each gate
        by_state, by_cell = gradient[:, -1].clone(memory_format=torch.contiguous_format), torch.zeros_like(states[:, 0])
        nothing, by_squashed = torch.zeros_like(by_cell), torch.empty_like(by_cell)
        for step in reversed(range(n_steps)):
            let_in, keep, new, let_out = driven[:, step].chunk(4, dim=-1)
            by_in, by_keep, by_new, by_out = errors[:, step].chunk(4, dim=-1)
            torch.mul(by_state, squashed[:, step], out=by_out)
            derive_sigmoid(by_out, let_out)
            torch.mul(by_state, let_out, out=by_squashed)
            derive_tanh(by_squashed, squashed[:, step])
            by_cell += by_squashed
            torch.mul(by_cell, new, out=by_in)
            torch.mul(by_cell, cells[:, step - 1] if step else nothing, out=by_keep)
            derive_sigmoid(errors[:, step, :, : 2 * n_units], driven[:, step, :, : 2 * n_units])
            torch.mul(by_cell, let_in, out=by_new)
            derive_tanh(by_new, new)
            if step:
                by_cell *= keep
                add_products(by_state, errors[:, step], back, keep=0).add_(gradient[:, step - 1])
        flat = errors.view(n_networks, n_steps * n_trials, -1)
        by_recurrent = torch.zeros_like(recurrent)
        add_summed_products(by_recurrent, states[:, :-1].flatten(1, 2), flat[:, n_trials:])
        by_input = torch.bmm(flat, into.mT).view(n_networks, n_steps, n_trials, -1) if ctx.needs_input_grad[0] else None
        return by_input, torch.bmm(inputs.mT, flat), by_recurrent, flat.sum(dim=1), None
