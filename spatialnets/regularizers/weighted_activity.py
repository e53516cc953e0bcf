"""A penalty on activity that is sent along long connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import PricedRegularizer, Snapshot
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WeightedActivity"]


@dataclass(frozen=True)
class WeightedActivity(PricedRegularizer):
    r"""Penalty on activity sent over distance: :math:`\gamma \sum_{ij} \langle |h_i| \rangle \, |w_{ij}| \, D_{ij}^p`.

    :math:`\langle |h_i| \rangle` is the mean magnitude of the source unit's state over trials and time, so a connection
    costs more the more active its source is. Distances :math:`D` are in steps of the paper's grid (see
    `Geometry.rescale`). Gates are summed. Gradients flow through weights and states.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.
    power
        Exponent :math:`p` of distance, positive.

    Raises
    ------
    ValueError
        If `power` is not positive.

    References
    ----------
    Laughlin & Sejnowski (2003), doi:10.1126/science.1089662: signals cost energy, the more so the farther they travel.
    The formula is not theirs.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> weights, distances = torch.tensor([[0.0, -2.0], [0.0, 0.0]]), torch.tensor([[0.0, 3.0], [3.0, 0.0]])
    >>> states = torch.tensor([[[[1.0, 5.0], [0.0, 5.0]]]])
    >>> WeightedActivity(0.5).penalty(Snapshot(weights=weights, distances=distances, states=states))
    tensor([1.5000])
    """

    references: ClassVar[tuple[str, ...]] = ("laughlin2003",)
    needs_states: ClassVar[bool] = True

    power: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive("power", self.power)
        if self.projection == "input":
            raise ValueError("inputs have no states: projection must be recurrent or readout")

    def cost(self, snapshot: Snapshot) -> Tensor:
        distances = snapshot.distances_by_gate()
        if snapshot.states is None or distances is None:
            raise ValueError("this penalty needs distances and states: write Snapshot(weights, distances=…, states=…)")
        sent = snapshot.states.abs().mean(dim=(1, 2))
        lengths = distances if self.power == 1 else distances**self.power
        return (sent[:, None, :, None] * snapshot.weights.abs() * lengths).sum(dim=(1, 2, 3))
