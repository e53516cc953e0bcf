"""Gated recurrent units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import Recurrent, RecurrentCore
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["GRU"]


@dataclass(frozen=True)
class GRU(RecurrentCore):
    r"""Gated recurrent units (GRU), whose gates control how much of the state is reset and how much is updated.

    .. math::
        r_t &= \sigma(x_t W_x^r + h_{t-1} W^r + b^r) \\
        z_t &= \sigma(x_t W_x^z + h_{t-1} W^z + b^z) \\
        c_t &= \tanh(x_t W_x^c + b^c + r_t \circ (h_{t-1} W^c + b')) \\
        h_t &= (1 - z_t) \circ c_t + z_t \circ h_{t-1}, \qquad h_0 = 0.

    As in `torch.nn.GRU`, the reset gate acts after the product with the recurrent weights, so the candidate has a
    second bias :math:`b'` (``candidate_bias``). Weights are ``(network, gate, pre, post)`` with the gates in the order
    reset, update, candidate.

    In every gate, initial input weights are Glorot-uniform and recurrent weights orthogonal; biases start at zero.
    Noise is added to the input of the candidate.

    Parameters
    ----------
    gain
        Scale of the initial orthogonal recurrent weights of every gate.

    Raises
    ------
    ValueError
        If `gain` is not positive.

    References
    ----------
    Cho et al. (2014), doi:10.3115/v1/D14-1179, eqs 5-8; there the reset gate acts before the product, and
    :math:`z` and :math:`1 - z` are swapped.

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
    takes_steps: ClassVar[bool] = True

    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("gain", self.gain)

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.gru import GRUModule

        return GRUModule(n_inputs, n_units, generators, self.gain)

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        import torch
        from torch import nn

        from spatialnets.cores.modules.orientation import torch_state

        n_inputs, n_units = recurrent.projections()["input"].shape[2:]
        parameters = dict(recurrent.named_parameters())
        bias, candidate_bias = parameters["bias"][0].flatten(), parameters["candidate_bias"][0]
        recurrent_bias = torch.cat([torch.zeros_like(bias)[:-n_units], candidate_bias])
        module = nn.GRU(n_inputs, n_units, batch_first=True)
        module.load_state_dict(torch_state(recurrent, bias, recurrent_bias))
        return module
