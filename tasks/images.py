"""Images as sequences: row by row, or pixel by pixel."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.tasks.samples import LabelledSamples

__all__ = ["Images", "SequentialImages"]


class Images(NamedTuple):
    """Images and the class of each.

    Parameters
    ----------
    pixels
        Brightness ``(image, row, column)``, from 0 to `brightest`.
    labels
        Classes from 0, ``(image,)``.
    brightest
        What 1 is on the inputs.
    """

    pixels: NDArray[np.generic]
    labels: NDArray[np.int64]
    brightest: float


@dataclass(frozen=True)
class SequentialImages(LabelledSamples):
    """Say what an image shows that is seen row by row, from the top, or pixel by pixel.

    Parameters
    ----------
    by
        ``"row"``: a step shows a row, on one input a column. ``"pixel"``: a step shows a pixel, on one input.
    """

    by: Literal["row", "pixel"] = field(default="row", kw_only=True)

    def __post_init__(self) -> None:
        if self.by not in ("row", "pixel"):
            raise ValueError(f"by must be row or pixel, not {self.by!r}")
        super().__post_init__()

    @abstractmethod
    def images(self) -> Images:
        """Return the images of the part; called often, so it must be fast after the first time."""

    @property
    def n_inputs(self) -> int:
        """A column of the image each, or one."""
        return self.images().pixels.shape[2] if self.by == "row" else 1

    @property
    def n_outputs(self) -> int:
        """Ten classes."""
        return 10

    @property
    def steps(self) -> int:
        """A row of the image each, or a pixel."""
        _, rows, columns = self.images().pixels.shape
        return rows if self.by == "row" else rows * columns

    def labels(self) -> NDArray[np.int64]:
        return self.images().labels

    def samples(self, which: NDArray[np.int64]) -> NDArray[np.float32]:
        pixels, _, brightest = self.images()
        seen = pixels[which].astype(np.float32).reshape(len(which), self.steps, self.n_inputs)
        return seen / np.float32(brightest)
