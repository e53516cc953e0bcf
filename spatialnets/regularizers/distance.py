"""A penalty on connection length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import WiringRegularizer
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Distance"]


@dataclass(frozen=True)
class Distance(WiringRegularizer):
    r"""Penalty on connection length: :math:`\gamma \sum_{ij} |w_{ij}| D_{ij}^p`.

    Distances :math:`D` are in steps of the paper's grid (see `Geometry.rescale`). Self-connections have length zero and
    cost nothing.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.
    power
        Exponent :math:`p`, positive.

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
        require_positive("power", self.power)

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        if distances is None:
            raise ValueError("this penalty needs distances: write Snapshot(weights=…, distances=…)")
        return distances if self.power == 1 else distances**self.power
