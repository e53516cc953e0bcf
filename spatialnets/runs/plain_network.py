"""A trained network as an ordinary PyTorch module."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from spatialnets import registry
from spatialnets.errors import UserError
from spatialnets.experiments.blocks import select_networks
from spatialnets.networks.recording import rebuild
from spatialnets.protocols import RecurrentCore

if TYPE_CHECKING:
    from spatialnets.runs.run import Run

__all__ = ["PlainNetwork", "to_torch"]


class PlainNetwork(nn.Module):
    """One network as a recurrent module and a linear readout.

    Parameters
    ----------
    core
        Maps inputs ``(trial, time, input)`` to states ``(trial, time, unit)``, or to a tuple that begins with them.
    readout
        Maps states to outputs.
    """

    def __init__(self, core: nn.Module, readout: nn.Linear) -> None:
        super().__init__()
        self.core, self.readout = core, readout

    def states(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(trial, time, input)`` to the states that the readout sees, ``(trial, time, unit)``."""
        result: Any = self.core(inputs)
        return result[0] if isinstance(result, (tuple, list)) else result

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs ``(trial, time, input)`` to outputs ``(trial, time, output)``, before any nonlinearity."""
        return self.readout(self.states(inputs))


def _has_counterpart(core: type[RecurrentCore]) -> bool:
    """Tell whether networks of a core can be converted to PyTorch modules."""
    return core.to_torch is not RecurrentCore.to_torch


def to_torch(run: Run, group: str, network: int, epoch: int | None = None) -> PlainNetwork:
    """Return one network of a run as an ordinary PyTorch module with the same outputs.

    The cores ``rnn``, ``gru`` and ``lstm`` become `torch.nn.RNN`, `torch.nn.GRU` and `torch.nn.LSTM`; the core
    ``wrapped`` becomes the user's module again. The module's ``state_dict()`` can be saved and loaded without
    `spatialnets`, into a module that has the same two submodules::

        torch.save(run.to_torch("sernn", 3).state_dict(), "network.pt")

        plain = nn.ModuleDict(
            {"core": nn.RNN(8, 100, nonlinearity="relu", batch_first=True), "readout": nn.Linear(100, 4)}
        )
        plain.load_state_dict(torch.load("network.pt", weights_only=True))
        outputs = plain["readout"](plain["core"](inputs)[0])

    Parameters
    ----------
    run
        The run.
    group, network
        Name of the group, and number of the network in it.
    epoch
        The epoch; by default 9, or the last one stored before it.

    Returns
    -------
    PlainNetwork
        The network in float32, on the CPU, with submodules ``core`` and ``readout``.

    Raises
    ------
    RunError
        If there is no such network or epoch, or the network diverged.
    UserError
        If its core has no PyTorch counterpart.

    Examples
    --------
    >>> from spatialnets import Run, to_torch
    >>> run = Run.open("runs/sernn_paper-1a2b3c4d")  # doctest: +SKIP
    >>> to_torch(run, "sernn", 3)(torch.zeros(16, 50, 8)).shape  # doctest: +SKIP
    torch.Size([16, 50, 4])
    """
    stored = run.network(group, network, epoch)
    ensemble_spec = run.parts(group, network)
    index = ensemble_spec.numbers.index(network)
    one = slice(index, index + 1)
    core, task = select_networks(ensemble_spec.core, one), select_networks(ensemble_spec.task, one)
    if not _has_counterpart(type(core)):
        convertible = [name for name in registry.names("core") if _has_counterpart(registry.load("core", name))]
        raise UserError(
            f"the core of group '{group}' is {type(core).__name__}, which cannot be converted to a PyTorch module; "
            f"cores that can: {', '.join(convertible)}"
        )
    ensemble = rebuild(stored, int(stored["epoch"][0]), core, task)
    readout = nn.Linear(*ensemble.readout.shape[1:])
    with torch.no_grad():
        readout.weight.copy_(ensemble.readout[0].mT)
        readout.bias.copy_(ensemble.readout_bias[0])
    return PlainNetwork(core.to_torch(ensemble.recurrent), readout).eval()
