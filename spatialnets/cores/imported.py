"""Stand-in for the core of networks that were trained elsewhere."""

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
    """Core of networks that were trained elsewhere: their weights can be analysed, but they cannot be trained.

    Parameters
    ----------
    source
        Name of the file that the weights were read from.
    sha256
        Checksum of the file, which tells apart imports of different files with the same name.
    orientation
        Orientation of the matrices in the file, ``"pre_post"`` or ``"post_pre"``; the latter are transposed on import.

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
        """Raise an error, because nothing is known about how these networks were built.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError(
            f"these networks were trained elsewhere and imported from {self.source}; they cannot be trained here. To "
            "restore networks that are missing, import the file again: spatialnets import FILE"
        )
