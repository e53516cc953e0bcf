"""A penalty on redundant paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.graph.communicability import communicability
from spatialnets.protocols import Snapshot, WiringRegularizer
from spatialnets.validation import require_at_least, require_positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Communicability"]


@dataclass(frozen=True)
class Communicability(WiringRegularizer):
    r"""Penalty on connections between units that communicate well anyway: :math:`\gamma \sum_{ij} |w_{ij}| C_{ij}^f`.

    :math:`C` is `spatialnets.graph.communicability.communicability` of the weights themselves, so gradients flow
    through it. It is defined for one set of units only, so the projection must connect units to themselves.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.
    factor
        Exponent :math:`f`, positive (``comms_factor`` in the paper's code).
    detach
        Whether :math:`C` is treated as constant in the gradient. The authors' rate networks learn through it, their
        later spiking networks do not.
    method
        ``"exact"``, which takes time proportional to the cube of the number of units, or ``"stochastic"``, to its
        square: in training, penalty and gradient are unbiased estimates from random signs, drawn again for every update
        (see `spatialnets.graph.stochastic_communicability`). For snapshots without probes, the penalty is exact.
    probes
        Number of random sign vectors, 2 or more, from which a standard error is estimated; the variance is inversely
        proportional to it.

    Raises
    ------
    ValueError
        If a number is out of range, or the stochastic method is combined with `detach` or a `factor` other than 1.

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
        require_positive("factor", self.factor)
        require_at_least("probes", self.probes, 2)
        if self.method not in ("exact", "stochastic"):
            raise ValueError(f"method must be exact or stochastic, not {self.method!r}")
        if self.method == "stochastic" and self.factor != 1:
            raise ValueError(f"method=stochastic needs factor=1, not {self.factor:g}: write factor=1 or method=exact")
        if self.method == "stochastic" and self.detach:
            raise ValueError(
                "method=stochastic cannot be combined with detach, because it does not compute the cost of each "
                "connection: write detach=false or method=exact"
            )

    @property
    def estimated(self) -> bool:
        return self.method == "stochastic"

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        values = communicability(weights.detach() if self.detach else weights)
        if self.factor == 1:
            return values
        connected = values > 0  # the slope of x^f at 0 is infinite for f < 1
        return (values.where(connected, 1) ** self.factor).where(connected, 0)

    def cost(self, snapshot: Snapshot) -> Tensor:
        if self.method == "exact" or snapshot.probes is None:
            return super().cost(snapshot)
        return self.estimates(snapshot, None).mean(dim=1)

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        if self.method == "exact" or snapshot.probes is None:
            return super().standard_error(snapshot)
        return self.strengths(snapshot) * standard_error_of_mean(self.estimates(snapshot, None))

    def estimates(self, snapshot: Snapshot, distances: Tensor | None) -> Tensor:
        """Return one estimate of the cost per probe, ``(network, probe)``; each network has its own probes.

        Parameters
        ----------
        snapshot
            Weights and probes.
        distances
            Factor by which magnitudes are multiplied, ``(pre, post)`` or ``(network, 1, pre, post)``; None for 1.
        """
        from spatialnets.graph.stochastic_communicability import estimate_communicability_cost

        weights = snapshot.weights
        count, gates, n_units, post = weights.shape
        if n_units != post:
            raise ValueError(f"communicability needs weights within one set of units (pre = post), not {n_units, post}")
        if snapshot.probes is None:
            raise ValueError("a stochastic estimate needs a snapshot with probes")
        signs = snapshot.probes.signs((gates, n_units, self.probes), weights.dtype)
        if distances is not None and distances.ndim == 4:
            distances = distances.expand(-1, gates, -1, -1).flatten(0, 1)
        estimates = estimate_communicability_cost(weights.flatten(0, 1), distances, signs.flatten(0, 1))
        return estimates.view(count, gates, self.probes).sum(dim=1)


def standard_error_of_mean(estimates: Tensor) -> Tensor:
    """Return the standard error of the mean of independent estimates, from ``(network, probe)`` to ``(network,)``."""
    return estimates.std(dim=1) / estimates.shape[1] ** 0.5
