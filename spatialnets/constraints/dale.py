"""Dale's law: a unit excites or inhibits, never both."""

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
    r"""All outgoing recurrent weights of a unit have one sign: :math:`w_{ij} = s_i |v_{ij}|`.

    The excitatory units (:math:`s_i = 1`) are spread evenly over the numbers of units, so that on a grid or a surface
    both kinds are found everywhere. Initial weights keep their magnitudes, but for those of inhibitory units, which
    are larger by the ratio of both numbers so that excitation and inhibition balance; the whole is then scaled to the
    spectral radius that it had.

    Parameters
    ----------
    excitatory
        Share of the units that excite, above 0 and below 1.

    Raises
    ------
    ValueError
        If `excitatory` is no such share.

    References
    ----------
    Song, Yang & Wang (2016), doi:10.1371/journal.pcbi.1004792, eqs 17-20. There :math:`[v]_+` stands for
    :math:`|v|`; with it a connection that reaches zero gets no gradient and stays there.

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
            raise ValueError(f"excitatory must be a share above 0 and below 1, not {self.excitatory}")

    def signs(self, n_units: int) -> torch.Tensor:
        """Return 1 for every unit that excites and -1 for every one that inhibits, ``(unit,)``.

        Raises
        ------
        ValueError
            If there are too few units for both kinds.
        """
        import torch

        inhibitory = round((1 - self.excitatory) * n_units)
        if not 0 < inhibitory < n_units:
            raise ValueError(f"of {n_units} units {inhibitory} would inhibit; both kinds must be there")
        signs = torch.ones(n_units)
        signs[[math.floor((place + 0.5) * n_units / inhibitory) for place in range(inhibitory)]] = -1
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
