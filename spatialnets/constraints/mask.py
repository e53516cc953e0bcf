"""A fixed mask of connections."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spatialnets.files.matrix import Source, as_source, matrix_of
from spatialnets.protocols import Constraint, Projection
from spatialnets.validation import require_positive

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Mask"]


@dataclass(frozen=True)
class Mask(Constraint):
    """Only connections of a given matrix exist, or only those up to a maximum length, or those that satisfy both.

    Parameters
    ----------
    source
        Connection matrix ``(pre, post)``, such as a connectome: a file (``.csv``, ``.tsv``, ``.txt``, ``.npy``,
        ``.npz``, ``.mat``) or the values. A connection exists where the value is neither zero nor missing.
    radius
        Maximum connection length, in steps of the paper's grid (see `Geometry.rescale`).
    variable
        Name of the array, if an ``.npz`` or ``.mat`` file has several.

    Raises
    ------
    ValueError
        If neither `source` nor `radius` is given, the file cannot be read, or the number of units does not match.

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
            raise ValueError("mask needs source (a connection matrix) or radius (the maximum connection length)")
        if self.radius is not None:
            require_positive("radius", self.radius)
        if self.source is not None:
            object.__setattr__(self, "source", as_source(self.source))
        self._connections  # noqa: B018  reads and validates source

    @cached_property
    def _connections(self) -> NDArray[np.bool_] | None:
        if self.source is None:
            return None
        return np.asarray(np.nan_to_num(matrix_of(self.source, self.variable)) != 0)

    def _allowed(self, projection: Projection) -> NDArray[np.bool_]:
        allowed = np.ones(projection.shape, dtype=bool)
        if self._connections is not None:
            if self._connections.shape != projection.shape:
                raise ValueError(f"source has {len(self._connections)} units; the network has {projection.shape[0]}")
            allowed &= self._connections
        if self.radius is not None:
            if projection.distances is None:
                raise ValueError("radius needs distances, which this projection does not have")
            allowed &= projection.distances.cpu().numpy() <= self.radius
        return allowed

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        import torch

        return free[0] * torch.from_numpy(self._allowed(projection)).to(free[0])

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the cached matrix, which can be read again."""
        return {name: getattr(self, name) for name in ("source", "radius", "variable")}
