"""Conversion of weights between the orientation of this toolkit and that of `torch.nn`."""

from __future__ import annotations

import torch
from torch import Tensor

from spatialnets.protocols import Recurrent

__all__ = ["as_projection", "as_weight", "torch_state"]


def as_projection(weight: Tensor, n_gates: int, orientation: str) -> Tensor:
    """Convert a matrix ``(..., gate * post, pre)``, or its transpose if "pre_post", to ``(..., gate, pre, post)``."""
    pre_post = weight.mT if orientation == "post_pre" else weight
    return pre_post.unflatten(-1, (n_gates, -1)).movedim(-2, -3)


def as_weight(projection: Tensor, orientation: str) -> Tensor:
    """Convert weights ``(..., gate, pre, post)`` to a matrix: the inverse of `as_projection`."""
    flat = projection.movedim(-3, -2).flatten(-2)
    return (flat.mT if orientation == "post_pre" else flat).contiguous()


def torch_state(recurrent: Recurrent, bias: Tensor, recurrent_bias: Tensor | None = None) -> dict[str, Tensor]:
    """Return the first network of a core as the ``state_dict`` of `torch.nn.RNN`, `torch.nn.GRU` or `torch.nn.LSTM`.

    Parameters
    ----------
    recurrent
        Networks whose gates are in the order of `torch.nn` (reset, update, candidate; input, forget, cell, output).
    bias
        Biases of all gates, ``(gate * unit,)``.
    recurrent_bias
        The second bias of `torch.nn`, which is added to the recurrent input; by default zero.
    """
    blocks = recurrent.projections()
    return {
        "weight_ih_l0": as_weight(blocks["input"][0], "post_pre"),
        "weight_hh_l0": as_weight(blocks["recurrent"][0], "post_pre"),
        "bias_ih_l0": bias,
        "bias_hh_l0": torch.zeros_like(bias) if recurrent_bias is None else recurrent_bias,
    }
