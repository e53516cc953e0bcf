"""The penalties of a shard: each term of its regularizer, evaluated on the ensemble."""

from __future__ import annotations

import re

import torch
from torch import Tensor

from spatialnets.errors import UserError, nearest
from spatialnets.graph.repulsion import euclidean_distances, repulsion
from spatialnets.networks.checks import check_penalty
from spatialnets.networks.ensemble import Ensemble
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.protocols import Regularizer, Snapshot
from spatialnets.rng import Stream
from spatialnets.training.shard import Shard

__all__ = ["EXACT_UNITS", "Penalties"]

EXACT_UNITS = 2000  # up to this size, stored penalties are exact even if those of updates are estimated


class Penalties:
    """The penalties of the networks of a shard.

    Parameters
    ----------
    shard, geometry, ensemble
        Sources of the regularizer, the distances and the weights, respectively.

    Attributes
    ----------
    terms
        The terms of the regularizer by name.

    Raises
    ------
    UserError
        If a term penalizes a projection that the ensemble does not have, or the geometry's positions of inputs or
        outputs do not match those of the task.
    """

    def __init__(self, shard: Shard, geometry: StoredGeometry, ensemble: Ensemble) -> None:
        self.shard, self.geometry, self.ensemble = shard, geometry, ensemble
        blocks = ensemble.projections()
        self.terms = _named_terms(shard.regularizer)
        for term in self.terms.values():
            if term.projection not in blocks:
                raise UserError(
                    f"{type(term).__name__} penalizes the projection '{term.projection}', which these networks do not "
                    f"have: {nearest(term.projection, blocks)}"
                )
        self.distances = {name: self._distances(name, block) for name, block in blocks.items()}
        estimated = [name for name, term in self.terms.items() if term.estimated]
        device = ensemble.readout.device
        self.probes, self.stored_probes = (
            {name: Stream.of(shard.seeds, purpose.format(name), device) for name in estimated}
            for purpose in ("probes of {}", "probes of {} kept")
        )

    @property
    def needs_states(self) -> bool:
        """True if a term depends on the states of the batch."""
        return any(term.needs_states for term in self.terms.values())

    def for_update(self, states: Tensor | None, epoch: float, update: int) -> dict[str, Tensor]:
        """Return the penalties that an update minimizes, by name of the term, each ``(network,)``.

        If positions are learned, ``keeping_apart`` is the penalty that keeps units apart.

        Parameters
        ----------
        states
            States of the batch, ``(network, trial, time, unit)``, for terms that depend on them.
        epoch
            Epochs completed, possibly fractional, which determines the factor of schedules.
        update
            Updates made so far, which determines the probes of estimated penalties.
        """
        return self._penalties(states, epoch, {name: probes.at(update) for name, probes in self.probes.items()})

    def to_store(self, states: Tensor | None, epoch: int) -> dict[str, Tensor]:
        """Return the penalties that are stored after an epoch, by name of the term, each ``(network,)``.

        They are exact for networks of up to 2,000 units; above that, estimated terms use other probes than updates do.
        """
        return self._penalties(states, epoch, self._probes_to_store(epoch))

    def standard_error(self, epoch: int) -> Tensor:
        """Return the standard error of the total penalty as an update estimates it, ``(network,)``."""
        squares = self._zeros()
        for name, probes in self.stored_probes.items():
            term = self.terms[name]
            error = term.factor_at(epoch) * term.standard_error(self._snapshot(term, None, probes.at(0, epoch)))
            squares = squares + error.square()
        return squares.sqrt()

    def check(self, states: Tensor) -> None:
        """Evaluate every term once, whatever its schedule.

        Raises
        ------
        UserError
            If a term fails, or does not return one number for each network.
        """
        probes = self._probes_to_store(0)
        for name, term in self.terms.items():
            check_penalty(term, self._snapshot(term, states, probes.get(name)))

    def _penalties(self, states: Tensor | None, epoch: float, probes: dict[str, Stream]) -> dict[str, Tensor]:
        penalties = {}
        for name, term in self.terms.items():
            factor = term.factor_at(epoch)
            if factor == 0:
                penalties[name] = self._zeros()
                continue
            penalty = term.penalty(self._snapshot(term, states, probes.get(name)))
            penalties[name] = penalty if factor == 1 else penalty * factor
        if self.geometry.learnable and self.geometry.keeping_apart > 0:
            penalties["keeping_apart"] = self.geometry.keeping_apart * repulsion(
                euclidean_distances(self.ensemble.places())
            )
        return penalties

    def _snapshot(self, term: Regularizer, states: Tensor | None, probes: Stream | None) -> Snapshot:
        weights, gates = self.ensemble.projections()[term.projection], self.shard.core.paying_gates
        if gates is not None and weights.shape[1] == len(self.shard.core.gates):
            weights = weights[:, [self.shard.core.gates.index(gate) for gate in gates]]
        distances, positions = self.distances[term.projection], None
        if self.geometry.learnable:
            positions = self.ensemble.places()
            distances = euclidean_distances(positions) if term.projection == "recurrent" else distances
        return Snapshot(weights, distances, states if term.needs_states else None, positions, probes)

    def _distances(self, name: str, block: Tensor) -> Tensor | None:
        distances = self.geometry.projection_distances(name)
        if distances is None:
            return None
        if distances.shape != tuple(block.shape[2:]):
            ends = {"input": "inputs", "readout": "outputs"}[name]
            raise UserError(
                f"the geometry has positions for {distances.shape[name == 'readout']} {ends}, but the task has "
                f"{block.shape[3 if name == 'readout' else 2]}"
            )
        return torch.as_tensor(distances, dtype=block.dtype, device=block.device)

    def _probes_to_store(self, epoch: int) -> dict[str, Stream]:
        """Return the probes of the penalties stored after an epoch; none for networks that are small enough."""
        exact = len(self.geometry.positions) <= EXACT_UNITS
        return {} if exact else {name: probes.at(0, epoch) for name, probes in self.stored_probes.items()}

    def _zeros(self) -> Tensor:
        return self.ensemble.readout.new_zeros(len(self.shard.seeds))


def _named_terms(regularizer: Regularizer) -> dict[str, Regularizer]:
    """Return the terms of a regularizer by name, such as ``both``, ``distance_input`` or, a second time, ``l1_2``."""
    terms: dict[str, Regularizer] = {}
    for term in regularizer.addends():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(term).__name__).lower()
        words += "" if term.projection == "recurrent" else f"_{term.projection}"
        same = sum(re.fullmatch(rf"{words}(_\d+)?", name) is not None for name in terms)
        terms[words if not same else f"{words}_{same + 1}"] = term
    return terms
