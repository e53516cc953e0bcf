"""A penalty on activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import PricedRegularizer, Snapshot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Activity"]


@dataclass(frozen=True)
class Activity(PricedRegularizer):
    r"""Penalty on activity, the mean magnitude of unit states: :math:`\gamma \langle |h| \rangle`.

    The mean is over trials, time and units; connections play no role.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.

    Raises
    ------
    ValueError
        If `projection` is given: states belong to units, not to a projection.

    References
    ----------
    Attwell & Laughlin (2001), doi:10.1097/00004647-200110000-00001: activity is the largest energy cost of the brain.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> states = torch.tensor([[[[1.0, -3.0], [0.0, 4.0]]]])
    >>> Activity(0.5).penalty(Snapshot(weights=torch.zeros(2, 2), states=states))
    tensor([1.])
    """

    references: ClassVar[tuple[str, ...]] = ("attwell2001",)
    needs_states: ClassVar[bool] = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.projection != "recurrent":
            raise ValueError(f"states do not belong to a projection: leave out projection={self.projection}")

    def cost(self, snapshot: Snapshot) -> Tensor:
        if snapshot.states is None:
            raise ValueError("this penalty needs states: write Snapshot(weights=…, states=…)")
        return snapshot.states.abs().mean(dim=(1, 2, 3))
