"""Long short-term memory units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import Recurrent, RecurrentCore
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["LSTM"]


@dataclass(frozen=True)
class LSTM(RecurrentCore):
    r"""Long short-term memory (LSTM): units with a memory cell and input, forget and output gates.

    .. math::
        i_t &= \sigma(x_t W_x^i + h_{t-1} W^i + b^i) \\
        f_t &= \sigma(x_t W_x^f + h_{t-1} W^f + b^f) \\
        g_t &= \tanh(x_t W_x^g + h_{t-1} W^g + b^g) \\
        o_t &= \sigma(x_t W_x^o + h_{t-1} W^o + b^o) \\
        c_t &= f_t \circ c_{t-1} + i_t \circ g_t, \qquad h_t = o_t \circ \tanh c_t, \qquad h_0 = c_0 = 0.

    States are the :math:`h_t`; the cells :math:`c_t` are internal. The dynamics are those of `torch.nn.LSTM`, with its
    two biases merged into one. Weights are ``(network, gate, pre, post)`` with the gates in the order input, forget,
    cell, output.

    In every gate, initial input weights are Glorot-uniform and recurrent weights orthogonal. Biases start at zero,
    except in the forget gate. Noise is added to the input of :math:`g_t`.

    Parameters
    ----------
    gain
        Scale of the initial orthogonal recurrent weights of every gate.
    forget_bias
        Initial bias of the forget gate; at 1, the default of Keras, cells initially retain their content.

    Raises
    ------
    ValueError
        If `gain` is not positive, or `forget_bias` is not finite.

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
    takes_steps: ClassVar[bool] = True

    gain: float = 1.0
    forget_bias: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("gain", self.gain)
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
