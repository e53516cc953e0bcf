"""Many networks of gated recurrent units at once, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.gates import initial_blocks, side_by_side
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.graph.products import add_products, add_summed_products

__all__ = ["GRUModule"]


class GRUModule(nn.Module):
    """The networks of `GRU`.

    Attributes
    ----------
    recurrent
        ``(network, gate, pre, post)``.
    input
        ``(network, gate, input, post)``.
    bias
        ``(network, gate, post)``.
    candidate_bias
        ``(network, post)``, of what the candidate hears from other units.
    """

    def __init__(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator], gain: float) -> None:
        super().__init__()
        self.recurrent, self.input = initial_blocks(3, n_inputs, n_units, gain, generators)
        self.bias = nn.Parameter(torch.zeros(len(generators), 3, n_units))
        self.candidate_bias = nn.Parameter(torch.zeros(len(generators), n_units))

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        states: Tensor = _Unroll.apply(  # type: ignore[no-untyped-call]
            inputs.permute(0, 2, 1, 3),
            side_by_side(self.input),
            side_by_side(self.recurrent),
            self.bias.flatten(1),
            self.candidate_bias,
            noise,
        )
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, gate, pre, post)`` each."""
        return {"recurrent": self.recurrent, "input": self.input}


class _Unroll(torch.autograd.Function):
    """All steps in one node. Inputs and states are ``(network, time, trial, …)``, weights of all gates side by side.

    What the gates and the candidate come to is written over the drive, step by step.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        into: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        candidate_bias: Tensor,
        noise: Tensor | None,
    ) -> Tensor:
        n_networks, n_steps, n_trials, _ = inputs.shape
        n_units = recurrent.shape[1]
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        driven = torch.baddbmm(bias[:, None], inputs, into).view(n_networks, n_steps, n_trials, -1)
        gates, candidates = driven[..., : 2 * n_units], driven[..., 2 * n_units :]
        if noise is not None:
            candidates += noise.permute(0, 2, 1, 3)
        into_gates, into_candidate = recurrent[..., : 2 * n_units], recurrent[..., 2 * n_units :]
        heard = torch.empty_like(driven[..., :n_units], memory_format=torch.contiguous_format)
        states = torch.empty_like(heard)
        before = torch.zeros_like(heard[:, 0])
        for step in range(n_steps):
            gate, candidate = gates[:, step], candidates[:, step]
            if step:
                add_products(gate, before, into_gates)
            heard[:, step] = candidate_bias[:, None]
            add_products(heard[:, step], before, into_candidate)
            gate.sigmoid_()
            reset, update = gate[..., :n_units], gate[..., n_units:]
            candidate.addcmul_(reset, heard[:, step]).tanh_()
            before = torch.lerp(candidate, before, update, out=states[:, step])
        ctx.save_for_backward(inputs, states, driven, heard, into, recurrent)
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, driven, heard, into, recurrent = ctx.saved_tensors
        derive_sigmoid, derive_tanh = NONLINEARITIES["sigmoid"].derive, NONLINEARITIES["tanh"].derive
        n_networks, n_steps, n_trials, n_units = states.shape
        back = recurrent.mT.contiguous()
        back_gates, back_candidate = back[:, : 2 * n_units], back[:, 2 * n_units :]
        # derivatives of the loss: by what enters gates and candidate, by what the candidate hears, by the state
        errors, heard_errors = torch.empty_like(driven), torch.empty_like(heard)
        by_state = gradient[:, -1].clone(memory_format=torch.contiguous_format)
        nothing = torch.zeros_like(by_state)
        for step in reversed(range(n_steps)):
            reset, update, candidate = driven[:, step].chunk(3, dim=-1)
            by_reset, by_update, by_candidate = errors[:, step].chunk(3, dim=-1)
            by_heard = heard_errors[:, step]
            before = states[:, step - 1] if step else nothing
            torch.sub(before, candidate, out=by_update).mul_(by_state)
            derive_sigmoid(by_update, update)
            torch.addcmul(by_state, by_state, update, value=-1, out=by_candidate)
            derive_tanh(by_candidate, candidate)
            torch.mul(by_candidate, heard[:, step], out=by_reset)
            derive_sigmoid(by_reset, reset)
            torch.mul(by_candidate, reset, out=by_heard)
            if step:
                add_products(by_state.mul_(update), errors[:, step, :, : 2 * n_units], back_gates)
                add_products(by_state, by_heard, back_candidate).add_(gradient[:, step - 1])
        flat = errors.view(n_networks, n_steps * n_trials, -1)
        heard_flat = heard_errors.view(n_networks, n_steps * n_trials, -1)
        earlier = states[:, :-1].flatten(1, 2)
        by_recurrent = torch.zeros_like(recurrent)
        add_summed_products(by_recurrent[..., : 2 * n_units], earlier, flat[:, n_trials:, : 2 * n_units])
        add_summed_products(by_recurrent[..., 2 * n_units :], earlier, heard_flat[:, n_trials:])
        by_input = torch.bmm(flat, into.mT).view(n_networks, n_steps, n_trials, -1) if ctx.needs_input_grad[0] else None
        return by_input, torch.bmm(inputs.mT, flat), by_recurrent, flat.sum(dim=1), heard_flat.sum(dim=1), None
