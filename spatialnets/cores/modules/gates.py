"""Weights of gated cores: initial values, and all gates side by side for one matrix product."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal

__all__ = ["concatenate_gates", "initial_weights"]


def initial_weights(
    n_gates: int, n_inputs: int, n_units: int, gain: float, generators: Sequence[torch.Generator]
) -> tuple[nn.Parameter, nn.Parameter]:
    """Return recurrent weights ``(network, gate, pre, post)``, orthogonal, and input weights, Glorot-uniform.

    Every gate of every network is drawn independently.
    """
    inputs, recurrent = [], []
    for generator in generators:
        inputs.append(torch.stack([glorot_uniform(n_inputs, n_units, generator) for _ in range(n_gates)]))
        recurrent.append(torch.stack([orthogonal(n_units, gain, generator) for _ in range(n_gates)]))
    return nn.Parameter(torch.stack(recurrent)), nn.Parameter(torch.stack(inputs))


def concatenate_gates(weights: Tensor) -> Tensor:
    """Return weights ``(network, gate, pre, post)`` as ``(network, pre, gate * post)``: one product for all gates."""
    return weights.transpose(1, 2).flatten(2)
