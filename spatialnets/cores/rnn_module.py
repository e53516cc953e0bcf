"""Many networks of rate units at once, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.initial import glorot_uniform, orthogonal
from spatialnets.cores.nonlinearity import NONLINEARITIES

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

    Inputs and states are ``(network, time, trial, …)``. What units are driven to is written over the drive, step by
    step; the way back needs nothing else. Without a leak these are the states.
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
        n_networks, n_steps, n_trials, _ = inputs.shape
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        driven = torch.baddbmm(bias[:, None], inputs, into).view(n_networks, n_steps, n_trials, -1)
        if noise is not None:
            driven += noise.permute(0, 2, 1, 3)
        states = driven if alpha == 1 else torch.empty_like(driven)
        activate(driven[:, 0])
        if alpha < 1:
            torch.mul(driven[:, 0], alpha, out=states[:, 0])
        for step in range(1, n_steps):
            drive, before = driven[:, step], states[:, step - 1]
            activate(drive.baddbmm_(before, recurrent))
            if alpha < 1:
                torch.lerp(before, drive, alpha, out=states[:, step])
        ctx.save_for_backward(inputs, states, driven, into, recurrent)
        ctx.nonlinearity, ctx.alpha = nonlinearity, alpha
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, states, driven, into, recurrent = ctx.saved_tensors
        derive, alpha = NONLINEARITIES[ctx.nonlinearity].derive, ctx.alpha
        n_networks, n_steps, n_trials, n_units = states.shape
        back = recurrent.mT.contiguous()
        errors = torch.empty_like(states)  # derivative of the loss by what enters each unit
        by_state = torch.empty_like(states[:, 0])  # derivative of the loss by the state of this step
        for step in reversed(range(n_steps)):
            error = errors[:, step]
            if alpha == 1:
                by_state = error
            if step + 1 < n_steps:
                by_state.baddbmm_(errors[:, step + 1], back, beta=1 - alpha).add_(gradient[:, step])
            else:
                by_state.copy_(gradient[:, step])
            if alpha < 1:
                torch.mul(by_state, alpha, out=error)
            derive(error, driven[:, step])
        before = states[:, :-1].reshape(n_networks, -1, n_units)
        after = errors[:, 1:].reshape(n_networks, -1, n_units)
        flat = errors.view(n_networks, n_steps * n_trials, n_units)
        by_input = torch.bmm(flat, into.mT).view(n_networks, n_steps, n_trials, -1) if ctx.needs_input_grad[0] else None
        return by_input, torch.bmm(inputs.mT, flat), torch.bmm(before.mT, after), flat.sum(dim=1), None, None, None
