"""A penalty on the deviation from a given connectome."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.files.matrix import Source, as_source, matrix_of
from spatialnets.protocols import PricedRegularizer, Snapshot

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TargetConnectome"]


@dataclass(frozen=True)
class TargetConnectome(PricedRegularizer):
    r"""Penalty on the deviation of weights from a given connectome.

    With weight magnitudes :math:`|W|` and target :math:`T`, both normalized to length 1, the penalty is

    .. math:: \gamma \; \sum_{ij} \left( \frac{|w_{ij}|}{\lVert W \rVert} - \frac{t_{ij}}{\lVert T \rVert} \right)^2,

    which is 0 if weights are proportional to the target, :math:`2 \gamma` if they share no connection, and
    :math:`\gamma` if all weights are zero. Without normalization it is :math:`\gamma \sum_{ij} (|w_{ij}| - t_{ij})^2`.
    Gates are summed.

    Parameters
    ----------
    strength
        Regularization strength :math:`\gamma`, one number or one per network.
    source
        Target ``(pre, post)``: a file (``.csv``, ``.tsv``, ``.txt``, ``.npy``, ``.npz``, ``.mat``) or the values, not
        negative. Missing values (NaN) are not compared, and the weights there are left out of the normalization.
    variable
        Name of the array, if an ``.npz`` or ``.mat`` file has several.
    normalise
        Whether to compare only the pattern of weights and not their total.

    Raises
    ------
    ValueError
        If the file cannot be read, a value is negative or infinite, or no value is positive.

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
        self._target  # noqa: B018  reads and validates source

    @cached_property
    def _target(self) -> FloatArray:
        target = matrix_of(self.source, self.variable)
        values = target[~np.isnan(target)]
        if not (np.isfinite(values).all() and (values >= 0).all() and (values > 0).any()):
            raise ValueError("source must be finite and not negative, with at least one value above zero")
        return target

    def cost(self, snapshot: Snapshot) -> Tensor:
        import torch

        if self._target.shape != tuple(snapshot.weights.shape[2:]):
            raise ValueError(
                f"source has shape {self._target.shape}; the weights have shape {tuple(snapshot.weights.shape[2:])}"
            )
        target = torch.from_numpy(self._target).to(snapshot.weights)
        present = ~target.isnan()
        magnitudes, target = snapshot.weights.abs().where(present, 0), target.where(present, 0)
        if self.normalise:
            squares = magnitudes.square().sum(dim=(2, 3), keepdim=True)
            nonzero = squares > 0
            magnitudes = magnitudes * squares.where(nonzero, 1).rsqrt().where(nonzero, 0)
            target = target / target.norm()
        return (magnitudes - target).square().sum(dim=(1, 2, 3))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the cached target, which can be read again."""
        return {field.name: getattr(self, field.name) for field in fields(self)}
