"""Many plain recurrent networks at once, with a backward pass of their own."""

from __future__ import annotations

from collections.abc import Sequence
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

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``."""
        n_networks, n_trials, n_steps, n_inputs = inputs.shape
        by_step = inputs.permute(0, 2, 1, 3).reshape(n_networks, n_steps * n_trials, n_inputs)
        drive = torch.baddbmm(self.bias[:, None], by_step, self.input)
        drive = drive.view(n_networks, n_steps, n_trials, -1)
        states: Tensor = _Unroll.apply(drive, self.recurrent, self.nonlinearity)  # type: ignore[no-untyped-call]
        return states.permute(0, 2, 1, 3)

    def projections(self) -> dict[str, Tensor]:
        """Return recurrent and input weights, ``(network, 1, pre, post)`` each."""
        return {"recurrent": self.recurrent[:, None], "input": self.input[:, None]}


class _Unroll(torch.autograd.Function):
    """h_t = f(drive_t + h_{t-1} W) for drive ``(network, time, trial, unit)``; autograd would keep a node per step."""

    @staticmethod
    def forward(ctx: Any, drive: Tensor, weights: Tensor, nonlinearity: str) -> Tensor:
        activate = torch.relu_ if nonlinearity == "relu" else torch.tanh_
        states = torch.empty_like(drive)
        activate(states[:, 0].copy_(drive[:, 0]))
        for step in range(1, drive.shape[1]):
            torch.baddbmm(drive[:, step], states[:, step - 1], weights, out=states[:, step])
            activate(states[:, step])
        ctx.save_for_backward(states, weights)
        ctx.nonlinearity = nonlinearity
        return states

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        states, weights = ctx.saved_tensors
        back = weights.mT.contiguous()
        errors = torch.empty_like(states)  # derivative of the loss by the drive
        for step in reversed(range(states.shape[1])):
            error, state = errors[:, step], states[:, step]
            if step + 1 < states.shape[1]:
                torch.baddbmm(gradient[:, step], errors[:, step + 1], back, out=error)
            else:
                error.copy_(gradient[:, step])
            error.mul_(state > 0 if ctx.nonlinearity == "relu" else 1 - state.square())
        unit = states.shape[-1]
        before = states[:, :-1].reshape(len(states), -1, unit)
        after = errors[:, 1:].reshape(len(states), -1, unit)
        return errors, torch.bmm(before.mT, after), None
