"""Small handwritten digits, row by row: a set of data that comes with scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np

from spatialnets.tasks.images import Images, SequentialImages
from spatialnets.tasks.samples import Part, check_share, part_of

__all__ = ["SequentialDigits"]


@dataclass(frozen=True)
class SequentialDigits(SequentialImages):
    """Say which digit it is: 1,797 handwritten digits of 8 x 8 pixels, seen row by row, or pixel by pixel.

    Inputs are the eight columns (or one), from 0 to 1; outputs are the ten digits. Training and validation are dealt
    by chance, always the same way.

    Parameters
    ----------
    validation_share
        What share of the digits is kept apart.
    by
        ``"row"``: eight steps on eight inputs. ``"pixel"``: 64 steps on one.
    part, answer_steps
        As for all samples: ``"training"`` or ``"validation"``; and at how many of the last steps the digit is asked.

    Raises
    ------
    ValueError
        If one of these cannot be.

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
        check_share(self.validation_share)
        super().__post_init__()

    def images(self) -> Images:
        return _digits(self.part, self.validation_share)


@lru_cache(maxsize=4)
def _digits(part: Part, share: float) -> Images:
    from sklearn.datasets import load_digits

    digits = load_digits()
    rows = part_of(len(digits.target), part, share)
    return Images(digits.images[rows].astype(np.float32), digits.target[rows].astype(np.int64), brightest=16.0)
