"""Many networks of one shape as one batched module; a single network is an ensemble of one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spatialnets.protocols import RecurrentCore
from spatialnets.streams import torch_stream

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Recurrent networks with a linear readout, one per seed.

    A network's initial weights come from its own seed and nothing else, and no operation mixes networks: a network
    is the same alone as among fifty.

    Parameters
    ----------
    core
        Blueprint of the recurrent part.
    n_inputs, n_units, n_outputs
        Sizes of each network.
    seeds
        One seed per network.

    Attributes
    ----------
    readout
        Weights ``(network, unit, output)``, Glorot-uniform at first.
    readout_bias
        ``(network, output)``, zero at first.

    Examples
    --------
    >>> from spatialnets.cores import RNN
    >>> ensemble = Ensemble(RNN(), n_inputs=8, n_units=100, n_outputs=4, seeds=(0, 1, 2))
    >>> ensemble(torch.zeros(3, 16, 50, 8), steps=[49]).shape
    torch.Size([3, 16, 1, 4])
    """

    def __init__(self, core: RecurrentCore, n_inputs: int, n_units: int, n_outputs: int, seeds: Sequence[int]) -> None:
        super().__init__()
        self.recurrent = core.build(
            n_inputs, n_units, [torch_stream(seed, "initial recurrent weights") for seed in seeds]
        )
        limit = (6 / (n_units + n_outputs)) ** 0.5
        self.readout = nn.Parameter(
            torch.stack(
                [
                    torch.empty(n_units, n_outputs).uniform_(
                        -limit, limit, generator=torch_stream(seed, "initial readout weights")
                    )
                    for seed in seeds
                ]
            )
        )
        self.readout_bias = nn.Parameter(torch.zeros(len(seeds), n_outputs))

    def forward(self, inputs: Tensor, steps: Sequence[int]) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to outputs ``(network, trial, step, output)`` at some steps."""
        states = self.recurrent(inputs)
        asked = states[:, :, steps[0]] if len(steps) == 1 else states[:, :, list(steps)].flatten(1, 2)
        outputs = torch.baddbmm(self.readout_bias[:, None], asked, self.readout)
        return outputs.view(len(outputs), inputs.shape[1], len(steps), -1)

    def projections(self) -> dict[str, Tensor]:
        """Return every block of weights ``(network, gate, pre, post)``: recurrent, input, readout."""
        return {**self.recurrent.projections(), "readout": self.readout[:, None]}
