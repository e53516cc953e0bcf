"""Ensemble: many networks of one shape as one batched module."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from spatialnets.graph.repulsion import euclidean_distances
from spatialnets.networks.checks import check_projections, component_errors
from spatialnets.networks.parametrization import constrain
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Projection, RecurrentCore, SteppedRecurrent
from spatialnets.rng import torch_stream

__all__ = ["Ensemble"]


class Ensemble(nn.Module):
    """Recurrent networks with a linear readout, one per seed.

    The initial weights of a network depend only on its seed, and no operation mixes networks: a network is the same
    alone as in an ensemble of fifty.

    Parameters
    ----------
    core
        Blueprint of the recurrent module.
    n_inputs, n_units, n_outputs
        Sizes of each network.
    seeds
        One seed per network.
    geometry
        Positions and distances, for constraints that depend on them and for learned positions.

    Attributes
    ----------
    readout
        Weights ``(network, unit, output)``, initially Glorot-uniform.
    readout_bias
        ``(network, output)``, initially zero.
    positions
        ``(network, unit, d)`` in the geometry's unit of length, if they are learned; otherwise None.

    Raises
    ------
    UserError
        If the core lacks weights, or its constraints cannot be satisfied.

    Examples
    --------
    >>> from spatialnets.cores import RNN
    >>> ensemble = Ensemble(RNN(), n_inputs=8, n_units=100, n_outputs=4, seeds=(0, 1, 2))
    >>> ensemble(torch.zeros(3, 16, 50, 8), steps=[49]).shape
    torch.Size([3, 16, 1, 4])
    """

    def __init__(
        self,
        core: RecurrentCore,
        n_inputs: int,
        n_units: int,
        n_outputs: int,
        seeds: Sequence[int],
        geometry: StoredGeometry | None = None,
    ) -> None:
        super().__init__()
        self.core, self.geometry = core, geometry
        generators = [torch_stream(seed, "initial recurrent weights") for seed in seeds]
        with component_errors(f"{type(core).__name__}.build()", "check_core"):
            self.recurrent = core.build(n_inputs, n_units, generators)
        check_projections(core, self.recurrent, (len(seeds), n_inputs, n_units))
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
        self.register_parameter("positions", None)
        if geometry is not None and geometry.learnable:
            start = torch.tensor(geometry.positions, dtype=torch.get_default_dtype())
            self.positions = nn.Parameter(start.repeat(len(seeds), 1, 1))
        if core.constraints:
            self._constrain(n_units)

    def _constrain(self, n_units: int) -> None:
        for name, block in self.projections().items():
            distances = self.geometry.projection_distances(name) if self.geometry is not None else None
            parts = self.geometry.parts if self.geometry is not None else np.empty(0, dtype=np.int64)
            projection = Projection(
                name,
                (block.shape[2], block.shape[3]),
                None if distances is None else torch.tensor(distances),
                parts if len(parts) else np.zeros(n_units, dtype=np.int64),
            )
            owner = self if name == "readout" else cast(nn.Module, self.recurrent)
            constrain(owner, self.core.constraints, projection)

    def states(self, inputs: Tensor, noise: Tensor | None = None) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to states ``(network, trial, time, unit)``.

        `noise`, of the shape of the states, is added to the input of each unit.
        """
        return self.recurrent(inputs) if noise is None else self.recurrent(inputs, noise)

    def states_and_outputs(
        self, inputs: Tensor, steps: Sequence[int], noise: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return all states, and the outputs ``(network, trial, step, output)`` at some steps.

        Parameters
        ----------
        inputs
            ``(network, trial, time, input)``.
        steps
            The steps at which outputs are computed.
        noise
            As for `states`.
        """
        steps = [range(inputs.shape[2])[step] for step in steps]  # negative ones count from the end
        if self.core.takes_steps:
            states, seen = cast(SteppedRecurrent, self.recurrent).states_and_trace(inputs, noise, steps)
        else:
            states = self.states(inputs, noise)
            trace = self.core.trace(states).transpose(1, 2)
            seen = torch.stack([trace[:, step] for step in steps], dim=1) if steps else trace[:, :0]
        outputs = torch.baddbmm(self.readout_bias[:, None], seen.flatten(1, 2), self.readout)
        # contiguous, because the losses of tasks may use view()
        return states, outputs.unflatten(1, seen.shape[1:3]).transpose(1, 2).contiguous()

    def forward(self, inputs: Tensor, steps: Sequence[int]) -> Tensor:
        """Map inputs ``(network, trial, time, input)`` to outputs ``(network, trial, step, output)`` at some steps."""
        return self.states_and_outputs(inputs, steps)[1]

    def projections(self) -> dict[str, Tensor]:
        """Return every block of weights ``(network, gate, pre, post)``: recurrent, input, readout."""
        return {**self.recurrent.projections(), "readout": self.readout[:, None]}

    def own_parameters(self) -> dict[str, Tensor]:
        """Return all parameters other than projections and positions, by the last part of their name.

        Raises
        ------
        ValueError
            If two parameters share a name, because a run could store only one of them.
        """
        excluded = {*self.projections(), "positions"}
        others = [
            (name.rpartition(".")[2], parameter)
            for name, parameter in self.named_parameters()
            if "parametrizations." not in name
        ]
        others = [(name, parameter) for name, parameter in others if name not in excluded]
        if len(dict(others)) < len(others):
            names = ", ".join(sorted(name for name, _ in others))
            raise ValueError(f"two parameters share a name, and a run can store only one of them: {names}")
        return dict(others)

    def places(self) -> Tensor:
        """Return learned positions as penalties see them, ``(network, unit, d)``, in steps of the paper's grid.

        They are rescaled to keep the initial mean distance, so that a network cannot lower its penalty by shrinking.
        """
        assert self.geometry is not None
        mean = self.geometry.mean_distance * self.geometry.steps_per_unit
        n_units = self.positions.shape[1]
        between = euclidean_distances(self.positions).sum(dim=(1, 2)) / (n_units * (n_units - 1))
        return self.positions * (mean / between)[:, None, None]
