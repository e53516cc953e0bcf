"""Tasks whose trials are drawn from a finite set of samples, some of which are held out for validation."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Trials
from spatialnets.tasks.scores import ScoredTask

__all__ = ["LabelledSamples", "Part", "require_validation_share", "subset_rows"]

Part = Literal["training", "validation"]


def require_validation_share(share: float) -> None:
    """Raise a ValueError unless the validation share is more than 0 and less than 1."""
    if not 0 < share < 1:
        raise ValueError(f"validation_share must be more than 0 and less than 1, not {share}")


def subset_rows(count: int, part: Part, share: float) -> NDArray[np.int64]:
    """Return the indices of the samples in the training or validation set; the split is random but always the same.

    Parameters
    ----------
    count
        Number of samples, 2 or more.
    part
        ``"training"`` or ``"validation"``; the two are disjoint, and each has at least one sample.
    share
        Fraction of the samples in the validation set.

    Examples
    --------
    >>> len(subset_rows(10, "validation", 0.2)), len(subset_rows(10, "training", 0.2))
    (2, 8)
    """
    order = np.random.default_rng(0).permutation(count)
    n_validation = min(max(round(share * count), 1), count - 1)
    return np.sort(order[:n_validation] if part == "validation" else order[n_validation:])


@dataclass(frozen=True)
class LabelledSamples(ScoredTask):
    """Classify samples from a finite set.

    Trials are drawn with replacement from the training or the validation set. A response is required at the last steps
    only. Conditions are the label and the index of the sample within its set; the code is the label, one-hot.

    Parameters
    ----------
    part
        Set to draw from: ``"training"``, or ``"validation"``, the held-out samples on which networks are scored.
    answer_steps
        Number of steps, at the end of the trial, at which the class must be reported.
    """

    part: Part = field(default="training", kw_only=True)
    answer_steps: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if self.part not in ("training", "validation"):
            raise ValueError(f"part must be training or validation, not {self.part!r}")
        if not 1 <= self.answer_steps <= self.steps:
            raise ValueError(f"answer_steps must lie between 1 and {self.steps}, not {self.answer_steps}")

    @property
    @abstractmethod
    def steps(self) -> int:
        """Number of steps in a sample."""

    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """Return the class of each sample in the set, counted from 0, ``(sample,)``."""

    @abstractmethod
    def samples(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the inputs of selected samples in the set, ``(trial, time, input)``."""

    def held_out(self) -> LabelledSamples:
        """Return the same task on the held-out samples."""
        return replace(self, part="validation")

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        return self.numbered(self.draw_numbers(count, generator))

    def draw_numbers(self, count: int, generator: np.random.Generator) -> NDArray[np.int64]:
        return generator.integers(len(self.labels()), size=count)

    def numbered(self, numbers: NDArray[np.int64]) -> Trials:
        """Return samples by their row in the set."""
        count, labels = len(numbers), self.labels()[numbers]
        start = self.steps - self.answer_steps
        classes = np.eye(self.n_outputs, dtype=np.float32)[labels]
        targets = np.zeros((count, self.steps, self.n_outputs), dtype=np.float32)
        targets[:, start:] = classes[:, None]
        mask = np.zeros((count, self.steps), dtype=np.float32)
        mask[:, start:] = 1
        return Trials(
            inputs=self.samples(numbers),
            targets=targets,
            mask=mask,
            conditions={"label": labels, "sample": numbers},
            periods={"sample": (0, self.steps), "answer": (start, self.steps)},
            codes={"label": classes},
        )
