"""Dale's law: each unit is either excitatory or inhibitory."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from spatialnets.protocols import Constraint, Projection

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Dale"]


@dataclass(frozen=True)
class Dale(Constraint):
    """Dale's law, one sign for all outgoing recurrent weights of a unit: :math:`w_{ij} = s_i |v_{ij}|`.

    Excitatory units (:math:`s_i = 1`) are spread evenly over the unit indices, so that both types occur everywhere on a
    grid or a surface. Initial weights keep their magnitudes, except that those of inhibitory units are multiplied by
    the ratio of excitatory to inhibitory units, so that excitation and inhibition balance. All weights are then scaled
    to restore the spectral radius.

    Parameters
    ----------
    excitatory
        Fraction of excitatory units, more than 0 and less than 1.

    Raises
    ------
    ValueError
        If `excitatory` is out of range.

    References
    ----------
    Song, Yang & Wang (2016), doi:10.1371/journal.pcbi.1004792, eqs 17-20. They use :math:`[v]_+` instead of
    :math:`|v|`, with which a connection that reaches zero has no gradient and stays there.

    Examples
    --------
    >>> import torch
    >>> import numpy as np
    >>> units = Projection("recurrent", (5, 5), None, np.zeros(5, dtype=int))
    >>> Dale().constrained((-torch.ones(1, 1, 5, 5),), units)[0, 0, :, 0]
    tensor([ 1.,  1., -1.,  1.,  1.])
    """

    references: ClassVar[tuple[str, ...]] = ("song2016",)

    excitatory: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.excitatory < 1:
            raise ValueError(f"excitatory must be more than 0 and less than 1, not {self.excitatory}")

    def signs(self, n_units: int) -> torch.Tensor:
        """Return the sign of each unit, 1 if excitatory and -1 if inhibitory, ``(unit,)``.

        Raises
        ------
        ValueError
            If there are too few units for both types.
        """
        import torch

        inhibitory = round((1 - self.excitatory) * n_units)
        if not 0 < inhibitory < n_units:
            raise ValueError(f"{inhibitory} of {n_units} units would be inhibitory; both types of units are needed")
        signs = torch.ones(n_units)
        signs[[math.floor((index + 0.5) * n_units / inhibitory) for index in range(inhibitory)]] = -1
        return signs

    def constrained(self, free: tuple[Tensor, ...], projection: Projection) -> Tensor:
        return free[0].abs() * self.signs(projection.shape[0]).to(free[0])[:, None]

    def initial(self, weights: Tensor, projection: Projection) -> Tensor:
        import torch

        signs = self.signs(projection.shape[0]).to(weights)
        ratio = float((signs > 0).sum() / (signs < 0).sum())
        signed = weights.abs() * torch.where(signs > 0, signs, ratio * signs)[:, None]
        before, after = (torch.linalg.eigvals(matrix).abs().amax(dim=-1) for matrix in (weights, signed))
        factor = torch.where(after > 0, before / after, 1)
        return signed * factor[..., None, None]
