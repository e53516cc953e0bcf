"""What cores with gates share: weights of all gates side by side, and how they begin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spatialnets.cores.modules.initial import glorot_uniform, orthogonal

__all__ = ["initial_blocks", "side_by_side"]


def initial_blocks(
    n_gates: int, n_inputs: int, n_units: int, gain: float, generators: Sequence[torch.Generator]
) -> tuple[nn.Parameter, nn.Parameter]:
    """Return recurrent weights ``(network, gate, pre, post)``, orthogonal, and input weights, Glorot-uniform.

    Every gate of every network is drawn by itself.
    """
    into, recurrent = [], []
    for generator in generators:
        into.append(torch.stack([glorot_uniform(n_inputs, n_units, generator) for _ in range(n_gates)]))
        recurrent.append(torch.stack([orthogonal(n_units, gain, generator) for _ in range(n_gates)]))
    return nn.Parameter(torch.stack(recurrent)), nn.Parameter(torch.stack(into))


def side_by_side(weights: Tensor) -> Tensor:
    """Return weights ``(network, gate, pre, post)`` as ``(network, pre, gate and post)``: one product for all gates."""
    return weights.transpose(1, 2).flatten(2)
