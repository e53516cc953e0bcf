"""A placeholder for the task of networks that were trained elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from spatialnets.errors import UserError
from spatialnets.protocols import Task, Trials

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

__all__ = ["Imported"]


@dataclass(frozen=True)
class Imported(Task):
    """The unknown task of networks that were trained elsewhere.

    Examples
    --------
    >>> Imported()
    Imported()
    """

    @property
    def n_inputs(self) -> int:
        return self._refuse()

    @property
    def n_outputs(self) -> int:
        return self._refuse()

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        self._refuse()

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        self._refuse()

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise UserError("the task of these networks is unknown because they were trained elsewhere")
