"""The penalty of networks that were trained elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialnets.errors import UserError
from spatialnets.protocols import PerNetwork, Regularizer, WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Imported"]


@dataclass(frozen=True)
class Imported(WiringRegularizer):
    """What networks that were trained elsewhere paid for their connections: not known here.

    Parameters
    ----------
    strength
        Of the penalty, one number or one per network; NaN where it is not known.

    Examples
    --------
    >>> Imported((0.1, 0.2)).strength
    (0.1, 0.2)
    """

    strength: PerNetwork = math.nan

    def __post_init__(self) -> None:
        Regularizer.__post_init__(self)
        if isinstance(self.strength, Sequence):
            object.__setattr__(self, "strength", tuple(float(value) for value in self.strength))
        for value in self.strength if isinstance(self.strength, tuple) else (self.strength,):
            if value < 0 or math.isinf(value):
                raise ValueError(f"strength must be finite and not negative, or NaN where it is not known, not {value}")

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        """Refuse.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError("these networks were trained elsewhere; what they paid for connections is not known here")
