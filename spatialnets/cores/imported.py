"""The core of networks that were trained elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialnets.errors import UserError
from spatialnets.protocols import Recurrent, RecurrentCore

if TYPE_CHECKING:
    import torch

__all__ = ["Imported"]


@dataclass(frozen=True)
class Imported(RecurrentCore):
    """Units of networks that were trained elsewhere: their weights are known, and they cannot be trained here.

    Parameters
    ----------
    source
        The file that they came from.
    sha256
        Of the file, so that two imports differ where their files do.
    orientation
        How the file's matrices lie: ``"pre_post"``, or ``"post_pre"`` where they were turned on the way in.

    Examples
    --------
    >>> Imported("ensemble.npz")
    Imported(source='ensemble.npz')
    """

    source: str = "a file"
    sha256: str = ""
    orientation: str = "pre_post"

    def __repr__(self) -> str:
        return f"Imported(source={self.source!r})"

    def build(self, n_inputs: int, n_units: int, generators: Sequence[torch.Generator]) -> Recurrent:
        """Refuse.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError(
            f"these networks were trained elsewhere and imported from {self.source}; they cannot be trained here. "
            "What is missing of them can be imported again: spatialnets import FILE"
        )
