"""A fixed mask: only some connections exist."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.matrix import Source, as_source, matrix_of
from spatialnets.protocols import Constraint, Projection

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Mask"]


@dataclass(frozen=True)
class Mask(Constraint):
    """Only connections of a given matrix exist, or those that are not too long, or both.

    Parameters
    ----------
    source
        A matrix of connections ``(pre, post)``, such as a connectome: a file (``.csv``, ``.tsv``, ``.txt``, ``.npy``,
        ``.npz``, ``.mat``) or the values. A connection exists where the value is neither zero nor missing.
    radius
        The longest connection, in steps of the paper's grid (see `Geometry.rescale`).
    variable
        Which of several arrays of an ``.npz`` or ``.mat`` file.

    Raises
    ------
    ValueError
        If neither is given, the file cannot be read, or the matrix is of another number of units.

    Examples
    --------
    >>> import torch
    >>> import numpy as np
    >>> units = Projection("recurrent", (2, 2), None, np.zeros(2, dtype=int))
    >>> Mask(source=[[0, 1], [0, 0]]).constrained((torch.ones(1, 1, 2, 2),), units)
    tensor([[[[0., 1.],
              [0., 0.]]]])
    """

    source: Source | None = None
    radius: float | None = None
    variable: str | None = None

    def __post_init__(self) -> None:
        if self.source is None and self.radius is None:
            raise ValueError("write source: a matrix of connections, or radius: the longest connection")
        if self.radius is not None and not (math.isfinite(self.radius) and self.radius > 0):
            raise ValueError(f"radius must be finite and positive, not {self.radius}")
        if self.source is not None:
            object.__setattr__(self, "source", as_source(self.source))
        self._connections  # noqa: B018  it is read and checked

    @cached_property
    def _connections(self) -> NDArray[np.bool_] | None:
        if self.source is None:
            return None
        return np.asarray(np.nan_to_num(matrix_of(self.source, self.variable)) != 0)

    def _open(self, projection: Projection) -> NDArray[np.bool_]:
        open_ = np.ones(projection.shape, dtype=bool)
        if self._connections is not None:
            if self._connections.shape != projection.shape:
                raise ValueError(
                    f"source is of {len(self._connections)} units, but there are {projection.shape[0]} here"
                )
            open_ &= self._connections
        if self.radius is not None:
            if projection.distances is None:
                raise ValueError("radius needs distances")
            open_ &= projection.distances.cpu().numpy() <= self.radius
        return open_

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        import torch

        return free[0] * torch.from_numpy(self._open(projection)).to(free[0])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be read again."""
        return {name: getattr(self, name) for name in ("source", "radius", "variable")}
