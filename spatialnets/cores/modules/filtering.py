"""What a readout with a membrane of its own sees of spikes."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["filtered"]


def filtered(spikes: Tensor, kept: float) -> Tensor:
    """Return spikes ``(network, trial, time, unit)`` summed over time, of which a share is kept at every step."""
    traces: Tensor = _Filter.apply(spikes, kept)  # type: ignore[no-untyped-call]
    return traces


class _Filter(torch.autograd.Function):
    """A sum over time that leaks; the way back is the same sum from the end."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, kept: float) -> Tensor:
        ctx.kept = kept
        traces = values.clone()
        for step in range(1, traces.shape[2]):
            traces[:, :, step].add_(traces[:, :, step - 1], alpha=kept)
        return traces

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        errors = gradient.clone()
        for step in reversed(range(errors.shape[2] - 1)):
            errors[:, :, step].add_(errors[:, :, step + 1], alpha=ctx.kept)
        return errors, None
