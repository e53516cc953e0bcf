"""Gated recurrent units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import Recurrent, RecurrentCore

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["GRU"]


@dataclass(frozen=True)
class GRU(RecurrentCore):
    r"""Units whose gates say how much of their state to forget and to renew.

    .. math::
        r_t &= \sigma(x_t W_x^r + h_{t-1} W^r + b^r) \\
        z_t &= \sigma(x_t W_x^z + h_{t-1} W^z + b^z) \\
        c_t &= \tanh(x_t W_x^c + b^c + r_t \circ (h_{t-1} W^c + b')) \\
        h_t &= (1 - z_t) \circ c_t + z_t \circ h_{t-1}, \qquad h_0 = 0.

    The reset gate acts after the product with the recurrent weights, as in `torch.nn.GRU`; so the candidate has a
    second bias :math:`b'`, ``candidate_bias``. Weights are ``(network, gate, pre, post)`` in the order of `gates`:
    reset, update, candidate.

    Input weights start Glorot-uniform and recurrent weights orthogonal, gate by gate; biases start at zero. Noise is
    added to what enters the candidate.

    Parameters
    ----------
    gain
        Factor of the initial orthogonal recurrent weights of every gate.

    Raises
    ------
    ValueError
        If the gain is not positive.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179, eqs 5-8, where the reset gate acts before the product and
    :math:`z` and :math:`1 - z` change places.

    Examples
    --------
    >>> import torch
    >>> recurrent = GRU().build(n_inputs=8, n_units=100, generators=[torch.Generator().manual_seed(0)])
    >>> recurrent(torch.zeros(1, 16, 50, 8)).shape, recurrent.projections()["recurrent"].shape
    (torch.Size([1, 16, 50, 100]), torch.Size([1, 3, 100, 100]))
    """

    references: ClassVar[tuple[str, ...]] = ("cho2014", "saxe2014", "glorot2010")
    gates: ClassVar[tuple[str, ...]] = ("reset", "update", "candidate")
    takes_noise: ClassVar[bool] = True

    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise ValueError(f"gain must be finite and positive, not {self.gain}")

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.gru import GRUModule

        return GRUModule(n_inputs, n_units, generators, self.gain)

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        import torch
        from torch import nn

        from spatialnets.cores.modules.orientation import torch_state

        n_inputs, n_units = recurrent.projections()["input"].shape[2:]
        own = dict(recurrent.named_parameters())
        bias, heard = own["bias"][0].flatten(), own["candidate_bias"][0]
        module = nn.GRU(n_inputs, n_units, batch_first=True)
        module.load_state_dict(torch_state(recurrent, bias, torch.cat([torch.zeros_like(bias)[:-n_units], heard])))
        return module
