"""The simple recurrent network (Elman RNN) of the paper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.protocols import Recurrent, RecurrentCore
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["RNN"]


@dataclass(frozen=True)
class RNN(RecurrentCore):
    r"""Simple recurrent network: :math:`h_t = f(x_t W_x + h_{t-1} W_h + b)`, :math:`h_0 = 0`.

    As in Keras, initial input weights are Glorot-uniform, recurrent weights orthogonal and biases zero.

    Parameters
    ----------
    nonlinearity
        :math:`f`: ``"relu"`` (the paper) or ``"tanh"``.
    gain
        Scale of the initial orthogonal recurrent weights.
    n_units
        Number of units; by default the number of positions of the geometry.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 7-8; Saxe et al. (2014), arXiv:1312.6120;
    Glorot & Bengio (2010).

    Examples
    --------
    >>> import torch
    >>> generators = [torch.Generator().manual_seed(seed) for seed in range(3)]
    >>> recurrent = RNN(nonlinearity="tanh").build(n_inputs=8, n_units=100, generators=generators)
    >>> recurrent(torch.zeros(3, 16, 50, 8)).shape
    torch.Size([3, 16, 50, 100])
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "saxe2014", "glorot2010")
    takes_noise: ClassVar[bool] = True
    takes_steps: ClassVar[bool] = True

    nonlinearity: Literal["relu", "tanh"] = "relu"
    gain: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nonlinearity not in ("relu", "tanh"):
            raise ValueError(f"nonlinearity must be relu or tanh, not {self.nonlinearity!r}")
        require_positive("gain", self.gain)

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        from spatialnets.cores.modules.rnn import RNNModule

        return RNNModule(n_inputs, n_units, generators, self.nonlinearity, self.gain)

    def to_torch(self, recurrent: Recurrent) -> nn.Module:
        from torch import nn

        from spatialnets.cores.modules.orientation import torch_state

        n_inputs, n_units = recurrent.projections()["input"].shape[2:]
        module = nn.RNN(n_inputs, n_units, nonlinearity=self.nonlinearity, batch_first=True)
        module.load_state_dict(torch_state(recurrent, dict(recurrent.named_parameters())["bias"][0]))
        return module
