"""Image classification in which an image is presented row by row or pixel by pixel."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spatialnets.tasks.samples import LabelledSamples

__all__ = ["Images", "SequentialImages"]


class Images(NamedTuple):
    """Images and their classes."""

    pixels: NDArray[np.generic]  # brightness, (image, row, column)
    labels: NDArray[np.int64]  # classes, counted from 0, (image,)
    max_brightness: float  # presented as an input of 1


@dataclass(frozen=True)
class SequentialImages(LabelledSamples):
    """Classify images that are presented from the top, row by row or pixel by pixel.

    Parameters
    ----------
    by
        ``"row"``: one row per step, one input per column. ``"pixel"``: one pixel per step, on a single input.
    """

    by: Literal["row", "pixel"] = field(default="row", kw_only=True)

    def __post_init__(self) -> None:
        if self.by not in ("row", "pixel"):
            raise ValueError(f"by must be row or pixel, not {self.by!r}")
        super().__post_init__()

    @abstractmethod
    def images(self) -> Images:
        """Return the images of the set; called often, so it must be fast after the first call."""

    @property
    def n_inputs(self) -> int:
        """One input for each image column, or a single one."""
        return self.images().pixels.shape[2] if self.by == "row" else 1

    @property
    def n_outputs(self) -> int:
        """Ten classes."""
        return 10

    @property
    def steps(self) -> int:
        """One step for each image row, or for each pixel."""
        _, n_rows, n_columns = self.images().pixels.shape
        return n_rows if self.by == "row" else n_rows * n_columns

    def labels(self) -> NDArray[np.int64]:
        return self.images().labels

    def samples(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        pixels, _, max_brightness = self.images()
        sequences = pixels[rows].astype(np.float32).reshape(len(rows), self.steps, self.n_inputs)
        return sequences / np.float32(max_brightness)
