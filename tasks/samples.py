"""Tasks whose trials are taken from a finite set of samples, some of which are kept apart."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.protocols import Task, Trials
from spatialnets.tasks.scoring import cross_entropy, fraction_decided

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LabelledSamples", "Part", "check_share", "part_of"]

Part = Literal["training", "validation"]


def check_share(share: float) -> None:
    """Raise a ValueError unless a share is more than 0 and less than 1."""
    if not 0 < share < 1:
        raise ValueError(f"validation_share must be more than 0 and less than 1, not {share}")


def part_of(count: int, part: Part, share: float) -> NDArray[np.int64]:
    """Return which of some samples belong to a part: dealt by chance, but always the same way.

    Parameters
    ----------
    count
        How many samples there are, 2 or more.
    part
        The part; the two have no sample in common, and each has at least one.
    share
        The share of validation.

    Examples
    --------
    >>> len(part_of(10, "validation", 0.2)), len(part_of(10, "training", 0.2))
    (2, 8)
    """
    dealt = np.random.default_rng(0).permutation(count)
    apart = min(max(round(share * count), 1), count - 1)
    return np.sort(dealt[:apart] if part == "validation" else dealt[apart:])


@dataclass(frozen=True)
class LabelledSamples(Task):
    """Say which class a sample is of.

    Trials are drawn with replacement from the samples of a part. The answer is asked at the last steps alone.
    Conditions are the label and the number of the sample within its part; the code is the label, one-hot.

    Parameters
    ----------
    part
        Which samples: ``"training"``, or those that are kept apart, ``"validation"``, by which networks are scored.
    answer_steps
        At how many of the last steps the class is asked.
    """

    part: Part = field(default="training", kw_only=True)
    answer_steps: int = field(default=1, kw_only=True)

    def __post_init__(self) -> None:
        if self.part not in ("training", "validation"):
            raise ValueError(f"part must be training or validation, not {self.part!r}")
        if not 1 <= self.answer_steps <= self.steps:
            raise ValueError(f"answer_steps must be from 1 to {self.steps}, not {self.answer_steps}")

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many steps a sample has."""

    @abstractmethod
    def labels(self) -> NDArray[np.int64]:
        """Return the class of each sample of the part, ``(sample,)``, from 0."""

    @abstractmethod
    def samples(self, which: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return some samples of the part, ``(trial, time, input)``."""

    def held_out(self) -> LabelledSamples:
        """Return the same task on the samples that are kept apart."""
        return replace(self, part="validation")

    def trials(self, count: int, generator: np.random.Generator) -> Trials:
        labels = self.labels()
        which = generator.integers(len(labels), size=count)
        asked = self.steps - self.answer_steps
        classes = np.eye(self.n_outputs, dtype=np.float32)[labels[which]]
        targets = np.zeros((count, self.steps, self.n_outputs), dtype=np.float32)
        targets[:, asked:] = classes[:, None]
        mask = np.zeros((count, self.steps), dtype=np.float32)
        mask[:, asked:] = 1
        return Trials(
            inputs=self.samples(which),
            targets=targets,
            mask=mask,
            conditions={"label": labels[which], "sample": which},
            periods={"sample": (0, self.steps), "answer": (asked, self.steps)},
            codes={"label": classes},
        )

    def loss(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the cross-entropy of each network (see `spatialnets.tasks.scoring.cross_entropy`)."""
        return cross_entropy(outputs, targets, mask)

    def accuracy(self, outputs: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Return the fraction of right classes (see `spatialnets.tasks.scoring.fraction_decided`)."""
        return fraction_decided(outputs, targets, mask)
