"""A price on being unlike a given connectome."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialnets.files.matrix import Source, as_source, matrix_of
from spatialnets.protocols import FloatArray, PricedRegularizer, Snapshot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TargetConnectome"]


@dataclass(frozen=True)
class TargetConnectome(PricedRegularizer):
    r"""Weights cost the more, the less their pattern is that of a given connectome.

    With magnitudes :math:`|W|` and target :math:`T`, both scaled to length 1,

    .. math:: \gamma \; \sum_{ij} \left( \frac{|w_{ij}|}{\lVert W \rVert} - \frac{t_{ij}}{\lVert T \rVert} \right)^2,

    which is 0 where weights are the target times any number, 2 where they share no connection, and 1 where there are
    none. Without normalising it is :math:`\gamma \sum_{ij} (|w_{ij}| - t_{ij})^2`. Those of several gates are added.

    Parameters
    ----------
    strength
        :math:`\gamma`, one number or one per network.
    source
        The target ``(pre, post)``: a file (``.csv``, ``.tsv``, ``.txt``, ``.npy``, ``.npz``, ``.mat``) or the values,
        not negative. Missing values (NaN) are not compared, and the weights there are left out of the length.
    variable
        Which of several arrays of an ``.npz`` or ``.mat`` file.
    normalise
        Whether the pattern counts alone, and not the total.

    Raises
    ------
    ValueError
        If the file cannot be read, values are negative or infinite, or nothing is above zero.

    Examples
    --------
    >>> import torch
    >>> from spatialnets import Snapshot
    >>> target = TargetConnectome(1.0, source=[[0, 3], [4, 0]])
    >>> target.penalty(Snapshot(weights=torch.tensor([[0.0, -6.0], [8.0, 0.0]])))
    tensor([0.])
    >>> target.penalty(Snapshot(weights=torch.tensor([[2.0, 0.0], [0.0, 0.0]])))
    tensor([2.])
    """

    source: Source
    variable: str | None = None
    normalise: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "source", as_source(self.source))
        self._target  # noqa: B018  it is read and checked

    @cached_property
    def _target(self) -> FloatArray:
        target = matrix_of(self.source, self.variable)
        known = target[~np.isnan(target)]
        if not (np.isfinite(known).all() and (known >= 0).all() and (known > 0).any()):
            raise ValueError("the target must be finite and not negative, with something above zero")
        return target

    def cost(self, snapshot: Snapshot) -> Tensor:
        import torch

        if self._target.shape != tuple(snapshot.weights.shape[2:]):
            raise ValueError(
                f"source has shape {self._target.shape}; the weights are {tuple(snapshot.weights.shape[2:])}"
            )
        target = torch.from_numpy(self._target).to(snapshot.weights)
        known = ~target.isnan()
        magnitudes, target = snapshot.weights.abs().where(known, 0), target.where(known, 0)
        if self.normalise:
            squares = magnitudes.square().sum(dim=(2, 3), keepdim=True)
            there = squares > 0
            magnitudes = magnitudes * squares.where(there, 1).rsqrt().where(there, 0)
            target = target / target.norm()
        return (magnitudes - target).square().sum(dim=(1, 2, 3))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what can be read again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
