"""A claim of the paper, tested: value, interval and verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from spatialnets.protocols import FloatArray
from spatialnets.statistics.effects import bootstrap

__all__ = ["MIN_NETWORKS", "Interval", "Score", "score_of", "table_of"]

Interval = tuple[float, float] | None
MIN_NETWORKS = 5  # in a group, for a verdict on it
Criterion: TypeAlias = Callable[[float], bool]


@dataclass(frozen=True)
class Score:
    """One claim of the paper, tested on a run.

    Parameters
    ----------
    figure
        Figure of the paper.
    claim
        What the paper claims, and the statistic that tests it.
    published
        The published value, and the criterion derived from it.
    value
        The value of this run; NaN if it cannot be computed.
    interval
        Its 95 % interval.
    n
        Number of networks, such as ``"39 + 48"``.
    met
        Whether the criterion is met; None if there are too few networks or there is no criterion.
    direction
        Whether the value is at least on the claimed side; None if the claim has only one criterion.
    digits
        Number of decimals to print.
    unit
        ``" %"`` for rates.
    comparable
        False if the published value belongs to other strengths, another core or another task.
    picture
        Name of the report's figure that shows the value.
    few
        Whether there are too few networks for a verdict.
    """

    figure: str
    claim: str
    published: str
    value: float
    interval: Interval
    n: str
    met: bool | None
    direction: bool | None = None
    digits: int = 2
    unit: str = ""
    comparable: bool = True
    picture: str = ""
    few: bool = False

    @property
    def ours(self) -> str:
        """The value with its interval and number of networks, as text."""
        if not np.isfinite(self.value):
            return "too few networks" if self.met is None else "none"
        text = f"{self.value:z.{self.digits}f}{self.unit}"
        if self.interval is not None:
            text += f" ({self.interval[0]:z.{self.digits}f} to {self.interval[1]:z.{self.digits}f})"
        return f"{text}, n = {self.n}"

    @property
    def verdict(self) -> str:
        """The verdict: met, direction only, not met, too few networks, other setting, or a hyphen without criterion."""
        if not self.comparable:
            return "other setting"
        if self.few or (self.met is None and not np.isfinite(self.value)):
            return "too few networks"
        if self.met is None:
            return "-"
        if self.met:
            return "met"
        return "direction only" if self.direction else "not met"


def score_of(
    figure: str,
    claim: str,
    published: str,
    statistic: Callable[..., Any],
    *samples: FloatArray,
    met: Criterion | None = None,
    direction: Criterion | None = None,
    side: Criterion | None = None,
    digits: int = 2,
    unit: str = "",
    picture: str = "",
) -> Score:
    """Score a statistic of one or two groups of networks, such as their mean or Cohen's d, the first minus the second.

    A verdict needs enough networks. A claim about a direction alone (`side`) is met if the whole interval is on that
    side.
    """
    n_min = min(map(len, samples))
    defined = n_min >= 2 and (len(samples) == 1 or any(np.ptp(sample) > 0 for sample in samples))
    value = float(statistic(*samples)) if defined else np.nan
    low, high = map(float, bootstrap(samples, statistic))
    interval = (low, high) if np.isfinite(low + high) else None
    if side is not None:
        met, direction = (lambda value: interval is not None and all(map(side, (value, *interval)))), side
    few = n_min < MIN_NETWORKS
    judged = np.isfinite(value) and not few
    return Score(
        figure=figure,
        claim=claim,
        published=published,
        value=value,
        interval=interval,
        n=" + ".join(str(len(sample)) for sample in samples),
        met=bool(met(value)) if judged and met else None,
        direction=bool(direction(value)) if judged and direction else None,
        digits=digits,
        unit=unit,
        picture=picture,
        few=few and met is not None,
    )


def table_of(scores: list[Score]) -> pd.DataFrame:
    """Return the scorecard as a table."""
    return pd.DataFrame(
        [
            {name: getattr(score, name) for name in ("figure", "claim", "published", "ours")}
            | {"met": score.verdict, "value": score.value}
            | dict(zip(("low", "high"), score.interval or (np.nan, np.nan), strict=True))
            | {"n": score.n, "picture": score.picture}
            for score in scores
        ]
    )
