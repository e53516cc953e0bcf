"""Layers: each part of a geometry feeds the next."""

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
    """The parts of a geometry are layers: units connect within their part and to the next one.

    Inputs reach the first part and the readout sees the last. A layer hears of the one before with a delay of one time
    step, as any unit hears of any other. Weights between layers are recurrent weights like others: they pay by the
    distances of the geometry, such as those across the areas of a `union`.

    Parameters
    ----------
    feedback
        Whether units also connect to the part before theirs.
    within
        Whether units connect within their part.

    Raises
    ------
    ValueError
        If the geometry has but one part.

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

    def _open(self, projection: Projection) -> NDArray[np.bool_]:
        part = projection.parts
        if len(np.unique(part)) < 2:
            raise ValueError("layers need a geometry of two or more parts, such as kind: union with areas")
        if projection.name == "input":
            return np.asarray(part == part.min())[None, :]
        if projection.name == "readout":
            return np.asarray(part == part.max())[:, None]
        onward = part[None, :] - part[:, None]
        return np.asarray((onward == 1) | ((onward == 0) & self.within) | ((onward == -1) & self.feedback))

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        import torch

        return free[0] * torch.from_numpy(self._open(projection)).to(free[0])
