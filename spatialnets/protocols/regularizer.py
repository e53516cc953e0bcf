"""Regularizer: what a network's weights cost, computed from a snapshot of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from spatialnets.aliases import PerNetwork
from spatialnets.rng import Stream
from spatialnets.validation import require_not_negative

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["PricedRegularizer", "Product", "Regularizer", "Snapshot", "Sum", "WiringRegularizer"]


@dataclass(frozen=True)
class Snapshot:
    """One projection of an ensemble at one moment: the argument of every penalty.

    Parameters
    ----------
    weights
        Weights ``(network, gate, pre, post)``, a tensor or array; ``(network, pre, post)`` stands for one gate and
        ``(pre, post)`` for one network with one gate.
    distances
        Distances ``(pre, post)`` or ``(network, pre, post)``, in steps of the paper's grid. In training, those of
        recurrent weights are `Geometry.distances_in_steps`; those from inputs and to outputs are straight lines;
        learned positions give one matrix for each network.
    states
        States of the current batch ``(network, trial, time, unit)``, for penalties on activity.
    positions
        Positions ``(network, unit, d)`` in steps, if positions are learned.
    probes
        Random numbers of each network, from which estimated penalties draw; without them penalties are exact.

    Raises
    ------
    ValueError
        If the shapes or the number of networks do not match.

    Examples
    --------
    >>> from spatialnets.geometries import Sphere
    >>> geometry = Sphere(n=5)
    >>> Snapshot(np.zeros((5, 5)), geometry.distances_in_steps()).weights.shape
    torch.Size([1, 1, 5, 5])
    """

    weights: Tensor
    distances: Tensor | None = None
    states: Tensor | None = None
    positions: Tensor | None = None
    probes: Stream | None = None

    def __post_init__(self) -> None:
        import torch

        weights = torch.as_tensor(self.weights)
        if not 2 <= weights.ndim <= 4:
            raise ValueError(
                f"weights have shape {tuple(weights.shape)}; expected (network, gate, pre, post), "
                "(network, pre, post) or (pre, post)"
            )
        if not weights.is_floating_point():
            weights = weights.to(torch.get_default_dtype())
        if weights.ndim == 2:
            weights = weights[None]
        if weights.ndim == 3:
            weights = weights[:, None]
        object.__setattr__(self, "weights", weights)
        if self.distances is not None:
            distances = torch.as_tensor(self.distances).to(weights)
            pre_post = tuple(weights.shape[2:])
            if tuple(distances.shape) not in (pre_post, (len(weights), *pre_post)):
                raise ValueError(
                    f"distances have shape {tuple(distances.shape)}; these weights require {pre_post} or "
                    f"{(len(weights), *pre_post)}"
                )
            object.__setattr__(self, "distances", distances)
        if self.probes is not None:
            if not isinstance(self.probes, Stream):
                raise ValueError(
                    f"probes must be a spatialnets.rng.Stream, not {type(self.probes).__name__}: "
                    'write Stream.of(seeds, "probes")'
                )
            if len(self.probes) != len(weights):
                raise ValueError(f"probes are needed for each of {len(weights)} networks, not {len(self.probes)}")

    def distances_by_gate(self) -> Tensor | None:
        """Return distances that broadcast to the weights, ``(pre, post)`` or ``(network, 1, pre, post)``."""
        return self.distances[:, None] if self.distances is not None and self.distances.ndim == 3 else self.distances


@dataclass(frozen=True)
class Regularizer(ABC):
    """A penalty added to the loss of each network; a pure function of a `Snapshot`.

    `needs_states` is True if the penalty depends on the states of the batch.

    Parameters
    ----------
    projection
        The weights that are penalized: ``"recurrent"``, ``"input"``, ``"readout"``, or another projection of the core.
    schedule
        Factor by which the penalty is multiplied during training: points ``(epoch, factor)`` in rising order of epoch,
        interpolated linearly and constant before the first and after the last. ``((0, 0), (3, 1))`` is a warm-up over
        three epochs; empty means 1 throughout.

    Raises
    ------
    ValueError
        If the epochs of the schedule do not rise, or a factor is negative.
    """

    references: ClassVar[tuple[str, ...]] = ()
    needs_states: ClassVar[bool] = False

    projection: str = field(default="recurrent", kw_only=True, repr=False)
    schedule: tuple[tuple[float, float], ...] = field(default=(), kw_only=True, repr=False)

    def __post_init__(self) -> None:
        points = tuple((float(epoch), float(factor)) for epoch, factor in self.schedule)
        object.__setattr__(self, "schedule", points)
        epochs = [epoch for epoch, _ in points]
        if any(not math.isfinite(epoch) or epoch < 0 for epoch in epochs) or epochs != sorted(set(epochs)):
            raise ValueError(f"schedule: epochs must be 0 or later and rise, not {epochs}")
        require_not_negative("schedule: factors", [factor for _, factor in points])

    @property
    def estimated(self) -> bool:
        """True if penalties are stochastic estimates, which draw from the probes of the snapshot."""
        return False

    @abstractmethod
    def penalty(self, snapshot: Snapshot) -> Tensor:
        """Return the penalty of each network, ``(network,)``, differentiable in the snapshot's tensors."""

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        """Return the standard error of an estimated penalty, ``(network,)``; 0 where the penalty is exact."""
        return snapshot.weights.new_zeros(len(snapshot.weights))

    def factor_at(self, epoch: float) -> float:
        """Return the factor of the schedule at an epoch, which may be fractional.

        Examples
        --------
        >>> from spatialnets.regularizers import L1
        >>> L1(0.1, schedule=((0, 0), (4, 1))).factor_at(1.0)
        0.25
        """
        if not self.schedule:
            return 1.0
        epochs, factors = zip(*self.schedule, strict=True)
        return float(np.interp(epoch, epochs, factors))

    def addends(self) -> tuple[Regularizer, ...]:
        """Return the regularizers whose penalties are added: the regularizer itself, or the terms of a sum."""
        return (self,)

    def __add__(self, other: Regularizer) -> Sum:
        """Add the penalties of two regularizers."""
        if not isinstance(other, Regularizer):
            return NotImplemented
        return Sum(terms=(*self.addends(), *other.addends()))


@dataclass(frozen=True)
class PricedRegularizer(Regularizer):
    r"""A regularizer whose penalty is a strength times a cost; a subclass implements `cost`.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, not negative: one number, or one for each network.

    Raises
    ------
    ValueError
        If a strength is negative or not finite.
    """

    strength: PerNetwork

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.strength, (Sequence, np.ndarray)):
            object.__setattr__(self, "strength", tuple(float(value) for value in self.strength))
        require_not_negative("strength", self.strength)

    @abstractmethod
    def cost(self, snapshot: Snapshot) -> Tensor:
        """Return the cost of each network, ``(network,)``, differentiable: the penalty at strength 1."""

    def penalty(self, snapshot: Snapshot) -> Tensor:
        """Return the penalty of each network, ``(network,)``: strength times cost.

        Raises
        ------
        ValueError
            If the number of strengths differs from the number of networks.
        """
        return self.strengths(snapshot) * self.cost(snapshot)

    def strengths(self, snapshot: Snapshot) -> Tensor:
        """Return the strength as a tensor of the weights' type and device, ``(network,)`` or ``(1,)``.

        Raises
        ------
        ValueError
            If the number of strengths differs from the number of networks.
        """
        import torch

        weights = snapshot.weights
        values = self.strength if isinstance(self.strength, tuple) else (self.strength,)
        if len(values) not in (1, len(weights)):
            raise ValueError(f"{len(values)} strengths for {len(weights)} networks")
        return torch.tensor(values, dtype=weights.dtype, device=weights.device)


@dataclass(frozen=True)
class WiringRegularizer(PricedRegularizer):
    r"""A regularizer that charges every connection a cost per unit of weight.

    The penalty of a network is :math:`\gamma \sum_{ij} |w_{ij}| \, p_{ij}`, summed over gates, with strength
    :math:`\gamma` and cost per unit of weight :math:`p`; a subclass implements `price`, which returns :math:`p`.
    """

    @abstractmethod
    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        """Return the cost per unit of weight of each connection, broadcastable to the shape of the weights.

        Parameters
        ----------
        weights
            Magnitudes :math:`|w|`, ``(network, gate, pre, post)``.
        distances
            Distances ``(pre, post)`` or ``(network, 1, pre, post)``, in steps of the paper's grid (see `Snapshot`).
        """

    def cost(self, snapshot: Snapshot) -> Tensor:
        """Return the sum over connections of magnitude times cost per unit of weight, ``(network,)``."""
        magnitudes = snapshot.weights.abs()
        return (magnitudes * self.price(magnitudes, snapshot.distances_by_gate())).sum(dim=(1, 2, 3))

    def __mul__(self, other: WiringRegularizer) -> Product:
        """Multiply the costs per unit of weight (and the strengths) of two wiring regularizers."""
        if not isinstance(other, WiringRegularizer):
            return NotImplemented
        if (self.projection, self.schedule) != (other.projection, other.schedule):
            raise ValueError("regularizers can be multiplied only if their projection and schedule are the same")
        return Product(
            strength=_multiply(self.strength, other.strength),
            factors=(self, other),
            projection=self.projection,
            schedule=self.schedule,
        )


def _multiply(one: PerNetwork, other: PerNetwork) -> PerNetwork:
    if isinstance(one, tuple) and isinstance(other, tuple):
        if len(one) != len(other):
            raise ValueError(f"cannot multiply {len(one)} strengths by {len(other)}: give one for each network")
        return tuple(a * b for a, b in zip(one, other, strict=True))
    if isinstance(one, tuple):
        return tuple(a * float(other) for a in one)  # type: ignore[arg-type]
    if isinstance(other, tuple):
        return tuple(one * b for b in other)
    return one * other


@dataclass(frozen=True)
class Product(WiringRegularizer):
    """A regularizer whose cost per unit of weight is the product of those of its factors; written ``a * b``.

    Parameters
    ----------
    strength
        The strength of the product; ``a * b`` takes the product of both strengths.
    factors
        The regularizers that are multiplied; their own strengths are not used.
    """

    factors: tuple[WiringRegularizer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.factors or not all(isinstance(factor, WiringRegularizer) for factor in self.factors):
            raise ValueError("factors must be one or more wiring regularizers")
        if any(factor.estimated for factor in self.factors):
            raise ValueError(
                "a product needs the cost of each connection, which method=stochastic does not compute: write "
                "method=exact, or, for distance times communicability, kind: both with method: stochastic"
            )

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        prices = [factor.price(weights, distances) for factor in self.factors]
        return math.prod(prices[1:], start=prices[0])


@dataclass(frozen=True)
class Sum(Regularizer):
    """A regularizer whose penalty is the sum of those of its terms; written ``a + b``.

    In training each term sees its own projection, has its own probes and follows its own schedule, and its penalty is
    stored under its name; `penalty` adds all terms for one snapshot.

    Parameters
    ----------
    terms
        The regularizers whose penalties are added, each with its own strength.
    """

    terms: tuple[Regularizer, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule or self.projection != "recurrent":
            raise ValueError("set projection and schedule on the terms of a sum, not on the sum")
        if not self.terms or not all(isinstance(term, Regularizer) for term in self.terms):
            raise ValueError("terms must be one or more regularizers")

    def addends(self) -> tuple[Regularizer, ...]:
        """Return all terms, with nested sums expanded."""
        return tuple(addend for term in self.terms for addend in term.addends())

    @property
    def estimated(self) -> bool:
        return any(term.estimated for term in self.terms)

    def penalty(self, snapshot: Snapshot) -> Tensor:
        penalties = [term.penalty(snapshot) for term in self.terms]
        return sum(penalties[1:], start=penalties[0])

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        squares = [term.standard_error(snapshot).square() for term in self.terms]
        return sum(squares[1:], start=squares[0]).sqrt()
