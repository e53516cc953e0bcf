"""A price on redundant routes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.graph.communicability import communicability
from spatialnets.protocols import Snapshot, WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Communicability"]


@dataclass(frozen=True)
class Communicability(WiringRegularizer):
    r"""Connections between units that can already communicate cost more: :math:`\gamma \sum_{ij} |w_{ij}| C_{ij}^f`.

    :math:`C` is `spatialnets.graph.communicability.communicability` of the weights themselves, so the gradient flows
    through it. It is a quantity of one network: only a projection of units onto themselves has one.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.
    factor
        The exponent :math:`f`, positive (``comms_factor`` in the paper's code).
    detach
        Whether prices are taken as given while learning, so that no gradient flows through :math:`C`: the authors'
        rate networks learn through it, their later spiking ones do not.
    method
        ``"exact"``, whose time grows with the cube of the number of units, or ``"stochastic"``, with its square: while
        learning, penalty and gradient are unbiased estimates from random signs, drawn anew for every update (see
        `spatialnets.graph.stochastic_communicability`). Where no random numbers are given, the exact price is paid.
    probes
        How many vectors of random signs, 2 or more; the variance falls as one over their number.

    Raises
    ------
    ValueError
        If a number is out of range, or the stochastic method is asked for what it cannot do: another `factor` than 1,
        and `detach`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 5-6; Crofts & Higham (2009),
    doi:10.1098/rsif.2008.0484; Hutchinson (1990), doi:10.1080/03610919008812866.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> Communicability(1.0).penalty(Snapshot(weights=torch.tensor([[0.0, 1.0], [-1.0, 0.0]])))
    tensor([2.3504])
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023", "estrada2008", "crofts2009", "paterson1973")

    factor: float = 1.0
    detach: bool = False
    method: Literal["exact", "stochastic"] = "exact"
    probes: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.factor) and self.factor > 0):
            raise ValueError(f"factor must be finite and positive, not {self.factor}")
        if self.method not in ("exact", "stochastic"):
            raise ValueError(f"method must be exact or stochastic, not {self.method!r}")
        if self.probes < 2:
            raise ValueError(f"probes must be 2 or more, not {self.probes}: a single one does not tell its error")
        if self.method == "stochastic" and self.factor != 1:
            raise ValueError(
                f"method=stochastic estimates a sum in which communicability stands as it is, and not to the power of "
                f"factor={self.factor:g}: write factor=1 or method=exact"
            )
        if self.method == "stochastic" and self.detach:
            raise ValueError(
                "method=stochastic never has the price of a single connection, which detach takes as given: write "
                "detach=false or method=exact"
            )

    @property
    def estimated(self) -> bool:
        return self.method == "stochastic"

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        price = communicability(weights.detach() if self.detach else weights)
        if self.factor == 1:
            return price
        reachable = price > 0  # the slope of x^f at 0 is infinite for f < 1
        return (price.where(reachable, 1) ** self.factor).where(reachable, 0)

    def cost(self, snapshot: Snapshot) -> Tensor:
        if self.method == "exact" or snapshot.probes is None:
            return super().cost(snapshot)
        return self.estimates(snapshot, None).mean(dim=1)

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        if self.method == "exact" or snapshot.probes is None:
            return super().standard_error(snapshot)
        return self.strengths(snapshot) * error_of_mean(self.estimates(snapshot, None))

    def estimates(self, snapshot: Snapshot, distances: Tensor | None) -> Tensor:
        """Return what each probe makes of the cost, ``(network, probe)``; each network draws from its own generator.

        Parameters
        ----------
        snapshot
            Weights, and where to draw from.
        distances
            By what magnitudes are multiplied: ``(pre, post)`` or ``(network, 1, pre, post)``; None for 1.
        """
        import torch

        from spatialnets.graph.stochastic_communicability import estimated_price

        weights = snapshot.weights
        count, gates, n_units, post = weights.shape
        if n_units != post:
            raise ValueError(f"communicability needs weights among one set of units (pre = post), not {n_units, post}")
        if snapshot.probes is None or len(snapshot.probes) != count:
            given = "no" if snapshot.probes is None else len(snapshot.probes)
            raise ValueError(f"a stochastic penalty needs one generator for each of {count} networks, not {given}")
        shape = (gates, n_units, self.probes)
        signs = torch.stack([torch.randint(0, 2, shape, generator=own) for own in snapshot.probes])
        signs = (2 * signs - 1).to(weights)
        if distances is not None and distances.ndim == 4:
            distances = distances.expand(-1, gates, -1, -1).flatten(0, 1)
        found = estimated_price(weights.flatten(0, 1), distances, signs.flatten(0, 1))
        return found.view(count, gates, self.probes).sum(dim=1)


def error_of_mean(estimates: Tensor) -> Tensor:
    """Return the standard error of the mean of independent estimates, ``(network, probe)`` to ``(network,)``."""
    return estimates.std(dim=1) / estimates.shape[1] ** 0.5
