"""Sequential classification of the small handwritten digits that come with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from spatialnets.tasks.images import Images, SequentialImages
from spatialnets.tasks.samples import Part, require_validation_share, subset_rows

__all__ = ["SequentialDigits"]


@dataclass(frozen=True)
class SequentialDigits(SequentialImages):
    """Classify 1,797 handwritten digits of 8 x 8 pixels, presented row by row or pixel by pixel.

    Inputs are the eight columns (or a single one), from 0 to 1; outputs are the ten digits. The split into training and
    validation sets is random but always the same.

    Parameters
    ----------
    validation_share
        Fraction of the digits that are held out for validation.
    by
        ``"row"``: eight steps of eight inputs. ``"pixel"``: 64 steps of one input.
    part, answer_steps
        ``"training"`` or ``"validation"``; and the number of final steps at which the digit must be reported.

    Raises
    ------
    ValueError
        If a value is out of range.

    References
    ----------
    Alpaydin & Kaynak (1998), doi:10.24432/C50P49, the test set, as it comes with scikit-learn.

    Examples
    --------
    >>> trials = SequentialDigits().trials(128, np.random.default_rng(0))
    >>> trials.inputs.shape, trials.targets.shape
    ((128, 8, 8), (128, 8, 10))
    """

    references: ClassVar[tuple[str, ...]] = ("alpaydin1998",)

    validation_share: float = 0.2

    def __post_init__(self) -> None:
        require_validation_share(self.validation_share)
        super().__post_init__()

    def images(self) -> Images:
        return _digits(self.part, self.validation_share)


@lru_cache(maxsize=4)
def _digits(part: Part, share: float) -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = subset_rows(len(digits.target), part, share)
    return Images(digits.images[rows].astype(np.float32), digits.target[rows].astype(np.int64), max_brightness=16.0)
