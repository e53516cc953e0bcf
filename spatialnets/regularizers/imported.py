"""A placeholder for the penalty of networks that were trained elsewhere."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialnets.aliases import PerNetwork
from spatialnets.errors import UserError
from spatialnets.protocols import Regularizer, WiringRegularizer

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Imported"]


@dataclass(frozen=True)
class Imported(WiringRegularizer):
    """The unknown penalty of networks that were trained elsewhere.

    Parameters
    ----------
    strength
        Regularization strength, one number or one per network; NaN if unknown.

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
                raise ValueError(f"strength must be finite and not negative, or NaN if unknown, not {value}")

    def price(self, weights: Tensor, distances: Tensor | None) -> Tensor:
        """Raise an error, because the cost of connections is unknown.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError("the penalty of these networks is unknown because they were trained elsewhere")
