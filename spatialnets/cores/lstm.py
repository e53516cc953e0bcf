"""Long short-term memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import Recurrent, RecurrentCore

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["LSTM"]


@dataclass(frozen=True)
class LSTM(RecurrentCore):
    r"""Units with a memory cell, and gates that let in, keep and let out.

    .. math::
        i_t &= \sigma(x_t W_x^i + h_{t-1} W^i + b^i) \\
        f_t &= \sigma(x_t W_x^f + h_{t-1} W^f + b^f) \\
        g_t &= \tanh(x_t W_x^g + h_{t-1} W^g + b^g) \\
        o_t &= \sigma(x_t W_x^o + h_{t-1} W^o + b^o) \\
        c_t &= f_t \circ c_{t-1} + i_t \circ g_t, \qquad h_t = o_t \circ \tanh c_t, \qquad h_0 = c_0 = 0.

    States are the :math:`h_t`; the cells :math:`c_t` stay within. It is `torch.nn.LSTM`, whose two biases are added
    here into one. Weights are ``(network, gate, pre, post)`` in the order of `gates`: input, forget, cell, output.

    Input weights start Glorot-uniform and recurrent weights orthogonal, gate by gate; biases start at zero, but for
    the forget gate's. Noise is added to what enters :math:`g_t`.

    Parameters
    ----------
    gain
        Factor of the initial orthogonal recurrent weights of every gate.
    forget_bias
        Initial bias of the forget gate; at 1 cells begin by remembering, as in Keras.

    Raises
    ------
    ValueError
        If the gain is not positive, or the bias not finite.

    References
    ----------
    Hochreiter & Schmidhuber (1997), doi:10.1162/neco.1997.9.8.1735; Gers, Schmidhuber & Cummins (2000),
    doi:10.1162/089976600300015015, for the forget gate.

    Examples
    --------
    >>> import torch
    >>> recurrent = LSTM().build(n_inputs=8, n_units=100, generators=[torch.Generator().manual_seed(0)])
    >>> recurrent(torch.zeros(1, 16, 50, 8)).shape, recurrent.projections()["recurrent"].shape
    (torch.Size([1, 16, 50, 100]), torch.Size([1, 4, 100, 100]))
    """

    references: ClassVar[tuple[str, ...]] = ("hochreiter1997", "gers2000", "saxe2014", "glorot2010")
    gates: ClassVar[tuple[str, ...]] = ("input", "forget", "cell", "output")
    takes_noise: ClassVar[bool] = True

    gain: float = 1.0
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.gain) and self.gain > 0):
            raise ValueError(f"gain must be finite and positive, not {self.gain}")
        if not math.isfinite(self.forget_bias):
            raise ValueError(f"forget_bias must be finite, not {self.forget_bias}")

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.lstm import LSTMModule

        return LSTMModule(n_inputs, n_units, generators, self.gain, self.forget_bias)

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        from torch import nn

        from spatialnets.cores.modules.orientation import torch_state

        n_inputs, n_units = recurrent.projections()["input"].shape[2:]
        module = nn.LSTM(n_inputs, n_units, batch_first=True)
        module.load_state_dict(torch_state(recurrent, dict(recurrent.named_parameters())["bias"][0].flatten()))
        return module
