"""Leaky sum of spikes over time: the input of the readout of spiking cores."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["leaky_sum"]


def leaky_sum(spikes: Tensor, decay: float) -> Tensor:
    """Return spikes ``(network, trial, time, unit)`` summed over time, with sums multiplied by `decay` at each step."""
    sums: Tensor = _LeakySum.apply(spikes, decay)  # type: ignore[no-untyped-call]
    return sums


class _LeakySum(torch.autograd.Function):
    """Leaky sum over time; the gradient is the same sum in reverse order."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, decay: float) -> Tensor:
        ctx.decay = decay
        sums = values.clone()
        for step in range(1, sums.shape[2]):
            sums[:, :, step].add_(sums[:, :, step - 1], alpha=decay)
        return sums

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_sums: Tensor) -> tuple[Tensor, None]:
        grad_values = grad_sums.clone()
        for step in reversed(range(grad_values.shape[2] - 1)):
            grad_values[:, :, step].add_(grad_values[:, :, step + 1], alpha=ctx.decay)
        return grad_values, None
