"""A trained network as a plain module of torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spatialnets import registry
from spatialnets.experiments.blocks import take
from spatialnets.errors import UserError
from spatialnets.protocols import RecurrentCore
from spatialnets.networks.recording import rebuild

if TYPE_CHECKING:
    from spatialnets.runs.run import Run

__all__ = ["PlainNetwork", "to_torch"]


class PlainNetwork(nn.Module):
    """A recurrent module and a linear readout: one network, without `spatialnets`.

    Parameters
    ----------
    core
        Maps inputs ``(trial, time, input)`` to what the readout sees ``(trial, time, unit)``, or to a tuple of which
        that is the first.
    readout
        Maps a state to an output.
    """

    def __init__(self, core: nn.Module, readout: nn.Linear) -> None:
        super().__init__()
        self.core, self.readout = core, readout

    def states(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(trial, time, input)`` to what the readout sees, ``(trial, time, unit)``."""
        answer: Any = self.core(inputs)
        return answer[0] if isinstance(answer, (tuple, list)) else answer

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(trial, time, input)`` to outputs ``(trial, time, output)``, before any nonlinearity."""
        return self.readout(self.states(inputs))


def _has_counterpart(core: type[RecurrentCore]) -> bool:
    """Tell whether networks of a core can be had as plain modules of torch."""
    return core.to_torch is not RecurrentCore.to_torch


def to_torch(run: Run, group: str, network: int, epoch: int | None = None) -> PlainNetwork:
    """Return one network of a run as a plain module of torch, whose outputs are those of the network.

    The cores ``rnn``, ``gru`` and ``lstm`` become `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`; a core
    ``wrapped`` becomes the user's own module again. Its ``state_dict()`` can be saved and loaded where there is no
    `spatialnets`, into a module of the same two parts::

        torch.save(run.to_torch("sernn", 3).state_dict(), "network.pt")

        plain = nn.ModuleDict(
            {"core": nn.RNN(8, 100, nonlinearity="relu", batch_first=True), "readout": nn.Linear(100, 4)}
        )
        plain.load_state_dict(torch.load("network.pt", weights_only=True))
        outputs = plain["readout"](plain["core"](inputs)[0])

    Parameters
    ----------
    run
        Where the network is.
    group, network
        Which network.
    epoch
        When; by default at epoch 9, or the last one before.

    Returns
    -------
    PlainNetwork
        Float32, on the CPU, with parts ``core`` and ``readout``.

    Raises
    ------
    RunError
        If there is no such network or epoch, or the network diverged.
    UserError
        If its core has no counterpart in torch.

    Examples
    --------
    >>> from spatialnets import Run, to_torch
    >>> run = Run.open("runs/sernn_paper-1a2b3c4d")  # doctest: +SKIP
    >>> to_torch(run, "sernn", 3)(torch.zeros(16, 50, 8)).shape  # doctest: +SKIP
    torch.Size([16, 50, 4])
    """
    stored = run.network(group, network, epoch)
    made = run.parts(group, network)
    place = made.numbers.index(network)
    own = slice(place, place + 1)
    core, task = take(made.core, own), take(made.task, own)
    if not _has_counterpart(type(core)):
        able = [name for name in registry.names("core") if _has_counterpart(registry.load("core", name))]
        raise UserError(
            f"the core of group '{group}' is {type(core).__name__}, which has no counterpart in torch; cores that have "
            f"one: {', '.join(able)}"
        )
    ensemble = rebuild(stored, int(stored["epoch"][0]), core, task)
    readout = nn.Linear(*ensemble.readout.shape[1:])
    with torch.no_grad():
        readout.weight.copy_(ensemble.readout[0].mT)
        readout.bias.copy_(ensemble.readout_bias[0])
    return PlainNetwork(core.to_torch(ensemble.recurrent), readout).eval()
