"""The paper's price: length times communicability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import WiringRegularizer
from spatialnets.regularizers.communicability import Communicability
from spatialnets.regularizers.distance import Distance

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Both"]


@dataclass(frozen=True)
class Both(WiringRegularizer):
    r"""The seRNN penalty: :math:`\gamma \sum_{ij} |w_{ij}| D_{ij}^p C_{ij}^f`.

    The same as ``Distance(…) * Communicability(…)``. A sum, not a mean; self-connections (:math:`D = C = 0`) are not
    priced, but take part in :math:`C` through the out-strengths.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.
    power
        The exponent :math:`p` of distance, positive.
    factor
        The exponent :math:`f` of communicability, positive.
    detach
        Whether no gradient flows through communicability; see `Communicability`.

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

    def __post_init__(self) -> None:
        super().__post_init__()
        self._distance, self._communicability  # noqa: B018  they check power and factor

    @property
    def _distance(self) -> Distance:
        return Distance(strength=1.0, power=self.power)

    @property
    def _communicability(self) -> Communicability:
        return Communicability(strength=1.0, factor=self.factor, detach=self.detach)

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        return self._distance.price(weights, distances) * self._communicability.price(weights, distances)
