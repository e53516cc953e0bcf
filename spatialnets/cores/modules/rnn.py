"""Many networks of rate units at once, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal
from spatialnets.cores.modules.nonlinearity import NONLINEARITIES
from spatialnets.graph.products import SAMPLES, add_products, add_summed_products

__all__ = ["LeakyModule", "RNNModule"]


class RNNModule(nn.Module):
    """The networks of `RNN`, or with `alpha` below 1 those of `Leaky` but for their noise.

    Attributes
    ----------
    recurrent
        ``(network, pre, post)``.
    input
        ``(network, input, post)``.
    bias
        ``(network, post)``.
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
        pairs = [
            (glorot_uniform(n_inputs, n_units, generator), orthogonal(n_units, gain, generator))
            for generator in generators
        ]
        self.input = nn.Parameter(torch.stack([pair[0] for pair in pairs]))
        self.recurrent = nn.Parameter(torch.stack([pair[1] for pair in pairs]))
        self.bias = nn.Parameter(torch.zeros(len(pairs), n_units))

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
    """The networks of `Leaky`."""

    def forward(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states; noise is scaled with the length of a step."""
        return super().forward(inputs, None if noise is None else noise * (2 / self.alpha) ** 0.5)


class _Unroll(torch.autograd.Function):
    """All steps in one node: autograd would keep one per step, and a copy of every intermediate.

    Everything is ``(network, time, trial, …)``. What a step begins with lies side by side, states before it, inputs and
    a one for the bias, so that one product with all weights drives it, and one product gives all their gradients. What
    units are driven to is kept for the way back; without a leak these are the states.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        into: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        nonlinearity: str,
        alpha: float,
        noise: Tensor | None,
    ) -> Tensor:
        activate = NONLINEARITIES[nonlinearity].activate
        n_networks, n_steps, n_trials, n_inputs = inputs.shape
        n_units = recurrent.shape[2]
        weights = torch.cat([recurrent, into, bias[:, None]], dim=1)
        given = torch.cat([inputs, inputs.new_ones(n_networks, n_steps, n_trials, 1)], dim=3)
        joined = inputs.new_empty(n_networks, n_steps + 1, n_trials, n_units + n_inputs + 1)
        joined[:, 0, :, :n_units] = 0
        states = joined[:, 1:, :, :n_units]
        driven = states if alpha == 1 else states.new_empty(states.shape)
        for step in range(n_steps):
            joined[:, step, :, n_units:] = given[:, step]  # now, while the states beside it are in the cache
            drive = add_products(driven[:, step], joined[:, step], weights, keep=0)
            if noise is not None:
                drive += noise[:, :, step]
            activate(drive)
            if alpha < 1:
                torch.lerp(joined[:, step, :, :n_units], drive, alpha, out=states[:, step])
        ctx.save_for_backward(joined, driven, into, recurrent)
        ctx.nonlinearity, ctx.alpha = nonlinearity, alpha
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        joined, driven, into, recurrent = ctx.saved_tensors
        derive, alpha = NONLINEARITIES[ctx.nonlinearity].derive, ctx.alpha
        n_networks, n_steps, n_trials, n_units = driven.shape
        back = recurrent.mT.contiguous()
        errors = driven.new_empty(driven.shape)  # derivative of the loss by what enters each unit
        by_state = errors.new_empty(n_networks, n_trials, n_units)  # derivative of the loss by the state of this step
        by_weights = joined.new_zeros(n_networks, joined.shape[3], n_units)
        together = max(1, SAMPLES // max(1, n_trials))
        for step in reversed(range(n_steps)):
            error = errors[:, step]
            if alpha == 1:
                by_state = error
            if step + 1 < n_steps:
                add_products(by_state, errors[:, step + 1], back, keep=1 - alpha).add_(gradient[:, step])
            else:
                by_state.copy_(gradient[:, step])
            if alpha < 1:
                torch.mul(by_state, alpha, out=error)
            derive(error, driven[:, step])
            if step % together == 0:  # while these steps are in the cache
                steps = slice(step, min(step + together, n_steps))
                add_summed_products(by_weights, joined[:, steps].flatten(1, 2), errors[:, steps].flatten(1, 2))
        flat = errors.view(n_networks, n_steps * n_trials, n_units)
        by_input = torch.bmm(flat, into.mT).view(n_networks, n_steps, n_trials, -1) if ctx.needs_input_grad[0] else None
        by_recurrent, by_into, by_bias = by_weights.split([n_units, into.shape[1], 1], dim=1)
        return by_input, by_into, by_recurrent, by_bias.squeeze(1), None, None, None
