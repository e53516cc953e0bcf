"""The penalty of the seRNN paper: distance times communicability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from spatialnets.protocols import Snapshot, WiringRegularizer
from spatialnets.regularizers.communicability import Communicability, standard_error_of_mean
from spatialnets.regularizers.distance import Distance

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Both"]


@dataclass(frozen=True)
class Both(WiringRegularizer):
    r"""The seRNN penalty on distance and communicability: :math:`\gamma \sum_{ij} |w_{ij}| D_{ij}^p C_{ij}^f`.

    Equal to ``Distance(…) * Communicability(…)``. It is a sum over connections, not a mean. Distances :math:`D` are in
    steps of the paper's grid (see `Geometry.rescale`). Self-connections cost nothing (:math:`D = C = 0`), but
    contribute to :math:`C` through the out-strengths.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.
    power
        Exponent :math:`p` of distance, positive.
    factor
        Exponent :math:`f` of communicability, positive.
    detach
        Whether to stop the gradient through communicability; see `Communicability`.
    method, probes
        Whether penalty and gradient are exact or estimated, and from how many probes; see `Communicability`.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 5-6.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> weights, distances = torch.tensor([[0.0, 1.0], [-1.0, 0.0]]), torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    >>> Both(0.5).penalty(Snapshot(weights=weights, distances=distances))
    tensor([2.3504])
    """

    references: ClassVar[tuple[str, ...]] = Communicability.references

    power: float = 1.0
    factor: float = 1.0
    detach: bool = False
    method: Literal["exact", "stochastic"] = "exact"
    probes: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        self._distance, self._communicability  # noqa: B018  validates power, factor, method and probes

    @property
    def _distance(self) -> Distance:
        return Distance(strength=1.0, power=self.power)

    @property
    def _communicability(self) -> Communicability:
        return Communicability(1.0, self.factor, self.detach, self.method, self.probes)

    @property
    def estimated(self) -> bool:
        return self._communicability.estimated

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        return self._distance.price(weights, distances) * self._communicability.price(weights, distances)

    def cost(self, snapshot: Snapshot) -> Tensor:
        if self.method == "exact" or snapshot.probes is None:
            return super().cost(snapshot)
        return self._estimates(snapshot).mean(dim=1)

    def standard_error(self, snapshot: Snapshot) -> Tensor:
        if self.method == "exact" or snapshot.probes is None:
            return super().standard_error(snapshot)
        return self.strengths(snapshot) * standard_error_of_mean(self._estimates(snapshot))

    def _estimates(self, snapshot: Snapshot) -> Tensor:
        lengths = self._distance.price(snapshot.weights, snapshot.distances_by_gate())
        return self._communicability.estimates(snapshot, lengths)
