"""A price on length."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Distance"]


@dataclass(frozen=True)
class Distance(WiringRegularizer):
    r"""Long connections cost more: :math:`\gamma \sum_{ij} |w_{ij}| D_{ij}^p`.

    Connections of a unit to itself have length zero and are free.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.
    power
        :math:`p`, positive.

    References
    ----------
    Achterberg, Akarca et al. (2023), doi:10.1038/s42256-023-00748-9, eqs 3-4.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> weights, distances = torch.tensor([[0.0, 1.0], [-2.0, 0.0]]), torch.tensor([[0.0, 3.0], [3.0, 0.0]])
    >>> Distance(0.5).penalty(Snapshot(weights=weights, distances=distances))
    tensor([4.5000])
    """

    references: ClassVar[tuple[str, ...]] = ("achterberg2023",)

    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.power) and self.power > 0):
            raise ValueError(f"power must be finite and positive, not {self.power}")

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        if distances is None:
            raise ValueError("this penalty needs distances: write Snapshot(weights=…, distances=…)")
        return distances if self.power == 1 else distances**self.power
