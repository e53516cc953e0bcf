"""One claim, tested: value, interval, verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd

from spatialnets.protocols import FloatArray
from spatialnets.statistics.effects import bootstrap, cohens_d, mean_interval

__all__ = ["LEAST", "Interval", "Score", "difference_score", "mean_score", "median_score", "table_of"]

Interval = tuple[float, float] | None
LEAST = 5  # networks of a group for a verdict on it
Criterion: TypeAlias = Callable[[float], bool]


@dataclass(frozen=True)
class Score:
    """One claim of the paper, tested.

    Parameters
    ----------
    figure
        Where in the paper.
    claim
        What is claimed.
    published
        What was published, and the criterion taken from it.
    value
        What was found; NaN if nothing could be.
    interval
        Its 95 % interval.
    n
        From how many networks, such as ``"39 + 48"``.
    met
        Whether the criterion is met; None where there are too few networks, or no criterion.
    direction
        Whether the value lies on the claimed side at least; None where a claim has but one criterion.
    digits
        Decimals to print.
    unit
        ``"%"`` for rates.
    comparable
        False where the networks' strengths are not those of the published figure, which therefore is no criterion.
    picture
        The figure of the report that shows it, by name.
    few
        Whether there are fewer networks than a verdict needs.
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
        """The value with its interval, to be read."""
        if not np.isfinite(self.value):
            return "too few networks" if self.met is None else "none"
        text = f"{self.value:.{self.digits}f}{self.unit}"
        if self.interval is not None:
            text += f" ({self.interval[0]:.{self.digits}f} to {self.interval[1]:.{self.digits}f})"
        return f"{text}, n = {self.n}"

    @property
    def verdict(self) -> str:
        """What came of it: ``met``, ``direction only``, ``not met``, ``too few networks``, ``other setting``, or a
        hyphen where there is no criterion.
        """  # noqa: D205
        if not self.comparable:
            return "other setting"
        if self.few or (self.met is None and not np.isfinite(self.value)):
            return "too few networks"
        if self.met is None:
            return "-"
        if self.met:
            return "met"
        return "direction only" if self.direction else "not met"


def mean_score(
    figure: str,
    claim: str,
    published: str,
    values: FloatArray,
    met: Criterion | None,
    direction: Criterion | None = None,
    digits: int = 2,
    unit: str = "",
    picture: str = "",
) -> Score:
    """Score the mean of a group's networks."""
    mean = float(values.mean()) if len(values) >= 2 else np.nan
    return _score(figure, claim, published, mean, mean_interval(values), str(len(values)), met, direction, digits, unit,
                  picture)  # fmt: skip


def median_score(
    figure: str,
    claim: str,
    published: str,
    values: FloatArray,
    met: Criterion | None,
    direction: Criterion | None = None,
    digits: int = 2,
    picture: str = "",
) -> Score:
    """Score the median of a group's networks."""
    median = float(np.median(values)) if len(values) >= 2 else np.nan
    low, high = bootstrap((values,), np.median)
    interval = (float(low), float(high)) if np.isfinite([low, high]).all() else None
    return _score(figure, claim, published, median, interval, str(len(values)), met, direction, digits, "", picture)


def difference_score(
    figure: str,
    claim: str,
    published: str,
    one: FloatArray,
    other: FloatArray,
    met: Criterion | None = None,
    direction: Criterion | None = None,
    picture: str = "",
    sure: Criterion | None = None,
) -> Score:
    """Score Cohen's d of two groups, the first minus the second.

    A claim of a direction alone (`sure`) is met where the whole interval lies on that side.
    """
    enough = min(len(one), len(other)) >= 2 and np.ptp(one) + np.ptp(other) > 0
    d = float(cohens_d(one, other)) if enough else np.nan
    low, high = bootstrap((one, other), cohens_d) if enough else (np.nan, np.nan)
    interval = (float(low), float(high)) if bool(np.isfinite(low) & np.isfinite(high)) else None
    if sure is not None:
        met, direction = (lambda d: interval is not None and all(map(sure, (d, *interval)))), sure
    return _score(figure, claim, published, d, interval, f"{len(one)} + {len(other)}", met, direction, 2, "", picture)


def _score(
    figure: str,
    claim: str,
    published: str,
    value: float,
    interval: Interval,
    n: str,
    met: Criterion | None,
    direction: Criterion | None,
    digits: int,
    unit: str,
    picture: str,
) -> Score:
    known = np.isfinite(value)
    few = min(int(count) for count in n.split(" + ")) < LEAST
    return Score(
        figure=figure,
        claim=claim,
        published=published,
        value=value,
        interval=interval,
        n=n,
        met=bool(met(value)) if known and met and not few else None,
        direction=bool(direction(value)) if known and direction and not few else None,
        digits=digits,
        unit=unit,
        picture=picture,
        few=few and met is not None,
    )


def table_of(scores: list[Score]) -> pd.DataFrame:
    """Return the scorecard as a table, for CSV."""
    return pd.DataFrame(
        [
            {
                "figure": score.figure,
                "claim": score.claim,
                "published": score.published,
                "ours": score.ours,
                "met": score.verdict,
                "value": score.value,
                "low": score.interval[0] if score.interval else np.nan,
                "high": score.interval[1] if score.interval else np.nan,
                "n": score.n,
                "picture": score.picture,
            }
            for score in scores
        ]
    )
