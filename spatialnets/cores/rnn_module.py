"""Many plain recurrent networks at once, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from spatialnets.cores.initial import glorot_uniform, orthogonal

__all__ = ["RNNModule"]


class RNNModule(nn.Module):
    """The networks of `RNN`.

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
    ) -> None:
        super().__init__()
        self.nonlinearity = nonlinearity
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
            inputs.permute(0, 2, 1, 3), self.input, self.recurrent, self.bias, self.nonlinearity, noise
        )
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, 1, pre, post)`` each."""
        return {"recurrent": self.recurrent[:, None], "input": self.input[:, None]}


class _Unroll(torch.autograd.Function):
    """All steps in one node: autograd would keep one per step, and a copy of every intermediate.

    Inputs and states are ``(network, time, trial, …)``. States are written over the drive, step by step; the way back
    needs nothing else.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        into: Tensor,
        recurrent: Tensor,
        bias: Tensor,
        nonlinearity: str,
        noise: Tensor | None,
    ) -> Tensor:
        activate = torch.relu_ if nonlinearity == "relu" else torch.tanh_
        n_networks, n_steps, n_trials, _ = inputs.shape
        inputs = inputs.reshape(n_networks, n_steps * n_trials, -1)
        states = torch.baddbmm(bias[:, None], inputs, into).view(n_networks, n_steps, n_trials, -1)
        if noise is not None:
            states += noise.permute(0, 2, 1, 3)
        activate(states[:, 0])
        for step in range(1, n_steps):
            state = states[:, step]
            activate(state.baddbmm_(states[:, step - 1], recurrent))
        ctx.save_for_backward(inputs, states, into, recurrent)
        ctx.nonlinearity = nonlinearity
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, Tensor, Tensor, None, None]:
        inputs, states, into, recurrent = ctx.saved_tensors
        # the derivatives that autograd itself calls for relu and tanh, here in place
        if ctx.nonlinearity == "relu":
            derive: Any = partial(torch.ops.aten.threshold_backward.grad_input, threshold=0)
        else:
            derive = torch.ops.aten.tanh_backward.grad_input
        n_networks, n_steps, n_trials, n_units = states.shape
        back = recurrent.mT.contiguous()
        errors = torch.empty_like(states)  # derivative of the loss by what enters each unit
        for step in reversed(range(n_steps)):
            error = errors[:, step]
            if step + 1 < n_steps:
                error.baddbmm_(errors[:, step + 1], back, beta=0).add_(gradient[:, step])
            else:
                error.copy_(gradient[:, step])
            derive(error, states[:, step], grad_input=error)
        before = states[:, :-1].reshape(n_networks, -1, n_units)
        after = errors[:, 1:].reshape(n_networks, -1, n_units)
        flat = errors.view(n_networks, n_steps * n_trials, n_units)
        by_input = torch.bmm(flat, into.mT).view(n_networks, n_steps, n_trials, -1) if ctx.needs_input_grad[0] else None
        return by_input, torch.bmm(inputs.mT, flat), torch.bmm(before.mT, after), flat.sum(dim=1), None, None
