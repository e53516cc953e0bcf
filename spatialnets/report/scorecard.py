"""The scorecard: what the paper claims, what was published, what came out here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from scipy import stats

from spatialnets.protocols import FloatArray
from spatialnets.report.measured import passing, scored_epoch
from spatialnets.statistics import bootstrap, cohens_d, mean_interval

__all__ = ["Score", "scorecard", "table_of"]

PAPER_STRENGTHS = {"sernn": (1e-6, 1.0), "l1": (1e-5, 0.04)}  # a rate is of the range it was taken over
Interval = tuple[float, float] | None


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
    digits
        Decimals to print.
    unit
        ``"%"`` for rates.
    comparable
        False where the networks' strengths are not those of the published figure, which therefore is no criterion.
    """

    figure: str
    claim: str
    published: str
    value: float
    interval: Interval
    n: str
    met: bool | None
    digits: int = 2
    unit: str = ""
    comparable: bool = True

    @property
    def ours(self) -> str:
        """The value with its interval, to be read."""
        if not np.isfinite(self.value):
            return "too few networks"
        text = f"{self.value:.{self.digits}f}{self.unit}"
        if self.interval is not None:
            text += f" ({self.interval[0]:.{self.digits}f} to {self.interval[1]:.{self.digits}f})"
        return f"{text}, n = {self.n}"

    @property
    def verdict(self) -> str:
        """``yes``, ``no``, ``too few networks``, ``other strengths``, or a hyphen where there is no criterion."""
        if not self.comparable:
            return "other strengths"
        if self.met is None:
            return "-" if np.isfinite(self.value) else "too few networks"
        return "yes" if self.met else "no"


def scorecard(table: xr.Dataset) -> list[Score]:
    """Test the paper's claims on a run with the groups ``sernn`` and ``l1``; empty without them.

    Statistics are those of networks that pass at epoch 9 (the last, if training was shorter), as in the paper.

    Parameters
    ----------
    table
        As `spatialnets.report.measured.measured` gives it.
    """
    group = table["group"].to_numpy()
    if not {"sernn", "l1"} <= set(group.tolist()):
        return []
    passes, last = passing(table), table.sel(epoch=scored_epoch(table))

    def values(name: str, of: str, at: xr.Dataset = last) -> FloatArray:
        found = at[name].to_numpy()[(group == of) & passes].astype(float)
        return np.asarray(found[np.isfinite(found)])

    scores = [
        _rate("sernn", table, "39 % (390 of 1,000); 30 to 50 %", (0.30, 0.50)),
        _rate("l1", table, "47.9 % (479 of 1,000); 35 to 58 %", (0.35, 0.58)),
    ]
    if "total_weight" in table:
        start = table.sel(epoch=0)
        for of in ("sernn", "l1"):
            now, before = values("total_weight", of), values("total_weight", of, start)
            remains = 100 * now / before if len(now) == len(before) else np.array([])
            scores.append(
                _mean(
                    "2b",
                    f"{of}: weights shrink; share of the initial total",
                    "from about 800 down; below 100 %",
                    remains,
                    lambda mean: mean < 100,
                    digits=0,
                    unit=" %",
                )
            )
    if "weight_distance_correlation" in table:
        scores += [
            _mean(
                "2c",
                "sernn prunes long connections: corr(W, D)",
                "negative, to -0.5; below -0.2",
                values("weight_distance_correlation", "sernn"),
                lambda mean: mean < -0.2,
                digits=3,
            ),
            _mean(
                "2c",
                "l1 does not: corr(W, D)",
                "about 0; within 0.05 of it",
                values("weight_distance_correlation", "l1"),
                lambda mean: abs(mean) < 0.05,
                digits=3,
            ),
        ]
    if "communicability" in table:
        scores.append(
            _difference(
                "2d",
                "sernn communicates less: d of communicability",
                "sernn below l1; below 0",
                values("communicability", "sernn"),
                values("communicability", "l1"),
                lambda d: d < 0,
            )
        )
    if "modularity" in table:
        scores += [
            _difference(
                "3a",
                "sernn is more modular: d of modularity",
                "1.07; 0.5 or more",
                values("modularity", "sernn"),
                values("modularity", "l1"),
                lambda d: d >= 0.5,
            ),
            _difference(
                "3a",
                "the same, with truly directed modularity",
                "not published",
                values("modularity_directed", "sernn"),
                values("modularity_directed", "l1"),
                None,
            ),
        ]
    return scores


def _rate(group: str, table: xr.Dataset, published: str, band: tuple[float, float]) -> Score:
    member = table["group"].to_numpy() == group
    count, total = int((member & passing(table)).sum()), int(member.sum())
    strengths = table["strength"].to_numpy()[member]
    comparable = np.allclose([strengths.min(), strengths.max()], PAPER_STRENGTHS[group], rtol=1e-3, atol=0)
    interval = stats.binomtest(count, total).proportion_ci(method="wilson")
    return Score(
        figure="2a",
        claim=f"{group}: networks that learn the task",
        published=published,
        value=100 * count / total,
        interval=(100 * float(interval.low), 100 * float(interval.high)),
        n=str(total),
        met=band[0] <= count / total <= band[1] if comparable else None,
        digits=0,
        unit=" %",
        comparable=comparable,
    )


def _mean(
    figure: str,
    claim: str,
    published: str,
    values: FloatArray,
    criterion: Callable[[float], bool] | None,
    digits: int,
    unit: str = "",
) -> Score:
    enough = len(values) >= 2
    mean = float(values.mean()) if enough else np.nan
    return Score(
        figure,
        claim,
        published,
        mean,
        mean_interval(values),
        str(len(values)),
        bool(criterion(mean)) if enough and criterion else None,
        digits,
        unit,
    )


def _difference(
    figure: str,
    claim: str,
    published: str,
    one: FloatArray,
    other: FloatArray,
    criterion: Callable[[float], bool] | None,
) -> Score:
    enough = min(len(one), len(other)) >= 2 and np.ptp(one) + np.ptp(other) > 0
    d = float(cohens_d(one, other)) if enough else np.nan
    met = None if criterion is None or not enough else bool(criterion(d))
    low, high = bootstrap((one, other), cohens_d) if enough else (np.nan, np.nan)
    interval = (float(low), float(high)) if bool(np.isfinite(low) & np.isfinite(high)) else None
    return Score(figure, claim, published, d, interval, f"{len(one)} + {len(other)}", met)


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
            }
            for score in scores
        ]
    )
