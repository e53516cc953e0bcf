"""Layered networks: each area of a geometry feeds the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Constraint, Projection

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Layers"]


@dataclass(frozen=True)
class Layers(Constraint):
    """Layers: units connect only within their area of the geometry and to the next area.

    Inputs reach the first area, and the readout receives the last. Each layer receives the activity of the previous one
    with a delay of one time step, like all recurrent connections. Weights between layers are ordinary recurrent
    weights: their cost depends on the distances of the geometry, such as those between the areas of a `union`.

    Parameters
    ----------
    feedback
        Whether units also connect to the previous area.
    within
        Whether units connect within their area.

    Raises
    ------
    ValueError
        If the geometry has only one area.

    Examples
    --------
    >>> import torch
    >>> import numpy as np
    >>> units = Projection("recurrent", (3, 3), None, np.array([0, 1, 2]))
    >>> Layers().constrained((torch.ones(1, 1, 3, 3),), units)
    tensor([[[[1., 1., 0.],
              [0., 1., 1.],
              [0., 0., 1.]]]])
    """

    projections: ClassVar[tuple[str, ...]] = ("recurrent", "input", "readout")

    feedback: bool = False
    within: bool = True

    def _allowed(self, projection: Projection) -> NDArray[np.bool_]:
        area = projection.parts
        if len(np.unique(area)) < 2:
            raise ValueError("layers need a geometry with two or more areas, such as kind: union")
        if projection.name == "input":
            return np.asarray(area == area.min())[None, :]
        if projection.name == "readout":
            return np.asarray(area == area.max())[:, None]
        step = area[None, :] - area[:, None]
        return np.asarray((step == 1) | ((step == 0) & self.within) | ((step == -1) & self.feedback))

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        import torch

        return free[0] * torch.from_numpy(self._allowed(projection)).to(free[0])
