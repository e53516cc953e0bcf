"""The scorecard: what the paper claims, what was published, what came out here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr
from scipy import stats

from spatialnets.graph.generative import rule_statistics
from spatialnets.graph.growth import FAMILIES
from spatialnets.protocols import FloatArray
from spatialnets.report.features import LATE, MIDDLE, at_the_papers_windows, balance
from spatialnets.report.measured import at_scored, passing
from spatialnets.report.score import LEAST, Score, difference_score, mean_score, median_score
from spatialnets.report.sweet_spot import sweet_spot
from spatialnets.statistics.regression import activity_regression

__all__ = ["CONTROLS", "scorecard"]

PAPER_STRENGTHS = {"sernn": (1e-6, 1.0), "l1": (1e-5, 0.04)}  # a rate is of the range it was taken over
CONTROLS = ("distance_only", "communicability_only", "hard", "shuffled_labels")
UNFILTERED = ("shuffled_labels",)  # cannot be learned, so the paper applies no criterion of accuracy


def scorecard(
    table: xr.Dataset, found: Mapping[str, xr.Dataset] | None = None, as_published: bool = True
) -> list[Score]:
    """Test the paper's claims on a run with the groups ``sernn`` and ``l1``; empty without them.

    Statistics are those of networks that pass at epoch 9 (the last, if training was shorter), as in the paper.

    Parameters
    ----------
    table
        As `spatialnets.report.measured.measured` gives it.
    found
        Measurements by unit, window or rule, as `spatialnets.report.measured.measurements` gives them.
    as_published
        Whether core and task are those of the paper, so that rates of learning can be compared.
    """
    if not {"sernn", "l1"} <= set(table["group"].to_numpy().tolist()):
        return []
    evidence = Evidence(table, found or {}, as_published)
    parts = (_learning, _wiring, _modules, _growth, _codes, _economy, _sweet_spot, _controls, _entropy)
    return [score for part in parts for score in part(evidence)]


@dataclass(frozen=True)
class Evidence:
    """What was measured, and of whom."""

    table: xr.Dataset
    found: Mapping[str, xr.Dataset]
    as_published: bool = True

    def chosen(self, group: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which networks count for a group, ``(network,)``."""
        member = np.asarray(self.table["group"].to_numpy() == group)
        return member if group in UNFILTERED else member & passing(self.table)

    def values(self, name: str, group: str, epoch: int | None = None) -> FloatArray:
        """Return a measure of the networks that count, at an epoch (by default the scored one)."""
        at = at_scored(self.table, name) if epoch is None else self.table[name].sel(epoch=epoch).to_numpy()
        own = at[self.chosen(group)].astype(float)
        return np.asarray(own[np.isfinite(own)])

    def picked(self, measurement: str, variable: str, group: str, **at: Any) -> FloatArray | None:
        """Return a measure by window or code of the networks that count; None if it was not measured."""
        source = self.found.get(measurement)
        try:
            if source is None or ("window" in at and not at_the_papers_windows(source)):
                return None
            own = source[variable].isel(epoch=-1).sel(at).to_numpy()[self.chosen(group)]
        except KeyError:  # a task with other windows or conditions
            return None
        return np.asarray(own[np.isfinite(own)], dtype=np.float64)


def _learning(evidence: Evidence) -> list[Score]:
    rates = (
        ("sernn", "39 % (390 of 1,000); 30 to 50 %", (0.30, 0.50)),
        ("l1", "47.9 % (479 of 1,000); 35 to 58 %", (0.35, 0.58)),
    )
    accuracy, groups = evidence.table["validation_accuracy"].to_numpy(), evidence.table["group"].to_numpy()
    known = [rate for rate in rates if np.isfinite(accuracy[groups == rate[0]]).any()]
    return [_rate(group, evidence, published, band) for group, published, band in known]


def _rate(group: str, evidence: Evidence, published: str, band: tuple[float, float]) -> Score:
    table = evidence.table
    member = table["group"].to_numpy() == group
    count, total = int((member & passing(table)).sum()), int(member.sum())
    strengths = table["strength"].to_numpy()[member]
    comparable = evidence.as_published and np.allclose(
        [strengths.min(), strengths.max()], PAPER_STRENGTHS[group], rtol=1e-3, atol=0.002 * PAPER_STRENGTHS[group][1]
    )
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
        picture="curves",
    )


def _wiring(evidence: Evidence) -> list[Score]:
    scores, table = [], evidence.table
    if "total_weight" in table and 0 in table["epoch"]:
        for group in ("sernn", "l1"):
            now, before = evidence.values("total_weight", group), evidence.values("total_weight", group, 0)
            remains = 100 * now / before if len(now) == len(before) else np.array([])
            scores.append(
                mean_score(
                    "2b", f"{group}: weights shrink; share of the initial total", "from about 800 down; below 100 %",
                    remains, lambda mean: mean < 100, digits=0, unit=" %", picture="curves",
                )
            )  # fmt: skip
    if "weight_distance_correlation" in table:
        scores += [
            mean_score(
                "2c", "sernn prunes long connections: corr(W, D)", "negative, to -0.5; below -0.2",
                evidence.values("weight_distance_correlation", "sernn"), lambda mean: mean < -0.2,
                lambda mean: mean < 0, digits=3, picture="curves",
            ),
            mean_score(
                "2c", "l1 does not: corr(W, D)", "about 0; within 0.05 of it",
                evidence.values("weight_distance_correlation", "l1"), lambda mean: abs(mean) < 0.05, digits=3,
                picture="curves",
            ),
        ]  # fmt: skip
    if "communicability" in table:
        sernn, l1 = (evidence.values("communicability", group) for group in ("sernn", "l1"))
        scores.append(
            difference_score("2d", "sernn communicates less: d of communicability", "sernn below l1; all below 0",
                             sernn, l1, sure=lambda d: d < 0, picture="curves")
        )  # fmt: skip
    return scores


def _modules(evidence: Evidence) -> list[Score]:
    scores = []
    both = {
        name: (evidence.values(name, "sernn"), evidence.values(name, "l1"))
        for name in ("modularity", "modularity_directed", "small_worldness", "small_worldness_paths")
        if name in evidence.table
    }
    if "modularity" in both:
        scores.append(
            difference_score("3a", "sernn is more modular: d of modularity", "1.07; 0.5 or more", *both["modularity"],
                             lambda d: d >= 0.5, lambda d: d > 0, "structure")
        )  # fmt: skip
    if "modularity_directed" in both:
        scores.append(
            difference_score("3a", "the same, with truly directed modularity", "not published",
                             *both["modularity_directed"], None, picture="structure")
        )  # fmt: skip
    if "small_worldness" in both:
        scores.append(
            difference_score("3b", "sernn is more small-world: d of small-worldness", "0.59; 0.25 or more",
                             *both["small_worldness"], lambda d: d >= 0.25, lambda d: d > 0, "structure")
        )  # fmt: skip
        scores += [
            mean_score("3b", f"{group} is small-world", "above 1", values, lambda mean: mean > 1, picture="structure")
            for group, values in zip(("sernn", "l1"), both["small_worldness"], strict=True)
        ]
    if "small_worldness_paths" in both:
        scores.append(
            difference_score("3b", "d of small-worldness with true path lengths", "not published",
                             *both["small_worldness_paths"], None, picture="structure")
        )  # fmt: skip
    return scores


def _growth(evidence: Evidence) -> list[Score]:
    generative = evidence.found.get("generative")
    if generative is None:
        return []
    rules = tuple(generative["rule"].to_numpy().tolist())
    scores = []
    for group in ("sernn", "l1"):
        found = rule_statistics(generative["energy"].isel(epoch=-1).to_numpy()[evidence.chosen(group)], rules)
        enough = found.n >= LEAST
        scores.append(
            Score(
                figure="3c",
                claim=f"{group}: grown best by homophily; mean energy of its two rules less that of the best other",
                published="both lowest, Tukey P < 1e-3; both lowest, each P < 0.05",
                value=found.advantage,
                interval=found.interval,
                n=str(found.n),
                met=found.homophily_lowest and found.homophily_p < 0.05 if enough and group == "sernn" else None,
                direction=FAMILIES.get(found.best) == "homophily" if enough else None,
                digits=3,
                picture="growth",
                few=not enough,
            )
        )
    return scores


def _codes(evidence: Evidence) -> list[Score]:
    scores = []
    for figure, variable, what, picture in (
        ("4e", "p", "units", "where_coded"),
        ("S12", "p_top", "fifty best units", "where_coded_top"),
    ):
        for code, direction in (("goal", "cluster"), ("choices", "spread out")):
            low = code == "goal"
            for group in ("sernn", "l1"):
                p = evidence.picked("spatial_coding", variable, group, window=MIDDLE, code=code)
                if p is None:
                    continue
                if group == "sernn":
                    scores.append(
                        median_score(
                            figure, f"sernn: {what} for {code} {direction}; median p in window {MIDDLE}",
                            "skewed to 0; below 0.3" if low else "skewed to 1; above 0.6", p,
                            (lambda median: median < 0.3) if low else (lambda median: median > 0.6),
                            (lambda median: median < 0.5) if low else (lambda median: median > 0.5), picture=picture,
                        )
                    )  # fmt: skip
                elif variable == "p":
                    scores.append(
                        median_score(
                            figure, f"l1: {what} for {code} lie anywhere; median p in window {MIDDLE}",
                            "uniform; within 0.1 of 0.5", p, lambda median: abs(median - 0.5) <= 0.1, picture=picture,
                        )
                    )  # fmt: skip
    return scores


def _economy(evidence: Evidence) -> list[Score]:
    scores = []
    sernn, l1 = (
        evidence.picked("selectivity", "selectivity_correlation", group, window=LATE) for group in ("sernn", "l1")
    )
    if sernn is not None and l1 is not None:
        own, other = (float(np.median(r)) if len(r) > 1 else np.nan for r in (sernn, l1))
        scores += [
            median_score(
                "5a", "sernn codes are mixed: median r of goal and choices", "-0.057; within 0.15 of 0", sernn,
                lambda median: abs(median) < 0.15, lambda median: abs(median) < abs(other), picture="economy",
            ),
            median_score(
                "5a", "l1 codes less so: median r", "-0.303; 0.1 or more below sernn", l1,
                (lambda median: median <= own - 0.1) if np.isfinite(own) else None,
                (lambda median: median < own) if np.isfinite(own) else None, picture="economy",
            ),
        ]  # fmt: skip
    energy = evidence.found.get("energy")
    if energy is None:
        return scores
    chosen = evidence.chosen("sernn") | evidence.chosen("l1")
    now = energy.isel(epoch=-1, network=np.flatnonzero(chosen))
    spatial = evidence.table["group"].to_numpy()[chosen] == "sernn"
    levels: tuple[tuple[Literal["unit", "network"], str], ...] = (
        ("unit", "sernn units are less active at equal weight (units taken as independent, as published)"),
        ("network", "the same, networks taken as independent"),
    )
    for level, claim in levels:
        fit = activity_regression(now["activity"].to_numpy(), now["mean_weight"].to_numpy(), spatial, level=level)
        known = np.isfinite(fit.coefficient)
        scores.append(
            Score(
                figure="5b",
                claim=claim,
                published="-0.25 (t = 21.4, CI -0.271 to -0.226); below 0, CI without 0" if level == "unit" else
                "not published; below 0, CI without 0",
                value=fit.coefficient,
                interval=(fit.low, fit.high) if known else None,
                n=f"{int(spatial.sum())} + {int((~spatial).sum())}",
                met=bool(fit.high < 0) if known else None,
                direction=bool(fit.coefficient < 0) if known else None,
                digits=3,
                picture="economy",
            )
        )  # fmt: skip
    return scores


def _sweet_spot(evidence: Evidence) -> list[Score]:
    spot = sweet_spot(evidence.table)
    if spot is None:
        return []
    n = str(int((evidence.table["group"].to_numpy() == "sernn").sum()))
    located = (
        spot.reach is not None
        and spot.first_epoch is not None
        and spot.reach[0] < 50
        and spot.first_epoch > 1
        and not spot.inside[[0, -1]].any()  # not for the weakest and the strongest penalties
    )
    scores = [
        Score(
            figure="6a",
            claim="all four features meet at low to medium strength, in later epochs; share of the plane",
            published="there, at low to medium strength; not empty",
            value=100 * spot.area,
            interval=None,
            n=n,
            met=spot.area > 0 and located,
            direction=spot.area > 0,
            digits=0,
            unit=" %",
            picture="sweet_spot",
        )
    ]
    if evidence.picked("selectivity", "selectivity_correlation", "sernn", window=LATE) is not None:
        _, crossings = balance(evidence.table, evidence.found, spot)
        low, high = spot.reach or (np.inf, -np.inf)
        inside = [crossing for crossing in crossings if low <= crossing <= high]
        enough = int(evidence.chosen("sernn").sum()) >= LEAST
        scores.append(
            Score(
                figure="6c",
                claim="goal and choices are told equally well at some strength inside; percent of the largest",
                published="they cross inside",
                value=(inside or crossings or [np.nan])[0],
                interval=None,
                n=str(int(evidence.chosen("sernn").sum())),
                met=bool(inside) if enough else None,
                direction=bool(crossings),
                few=not enough,
                digits=0,
                unit=" %",
                picture="balance",
            )
        )
    return scores


def _controls(evidence: Evidence) -> list[Score]:
    """Return whether the structure of seRNNs is there in the controls (Supplementary Fig. 8)."""
    scores = []
    for group in (name for name in CONTROLS if name in evidence.table["group"]):
        if "weight_distance_correlation" in evidence.table:
            near = group != "communicability_only"
            scores.append(
                mean_score(
                    "S8", f"{group}: corr(W, D)", "as sernn; below -0.1" if near else "not published",
                    evidence.values("weight_distance_correlation", group),
                    (lambda mean: mean < -0.1) if near else None, (lambda mean: mean < 0) if near else None, digits=3,
                    picture="curves",
                )
            )  # fmt: skip
        for name, words in (("modularity", "more modular"), ("small_worldness", "more small-world")):
            if name in evidence.table:
                own, other = evidence.values(name, group), evidence.values(name, "l1")
                scores.append(
                    difference_score("S8", f"{group}: {words} than l1; d of {name.replace('_', '-')}", "all above 0",
                                     own, other, picture="structure",
                                     sure=lambda d: d > 0)
                )  # fmt: skip
    return scores


def _entropy(evidence: Evidence) -> list[Score]:
    """Return the claim of the follow-up paper (arXiv 2409.17693): modules of low entropy."""
    if "weight_entropy" not in evidence.table:
        return []
    sernn, l1 = (evidence.values("weight_entropy", group) for group in ("sernn", "l1"))
    return [
        difference_score("[2]", "sernn weights have less entropy: d of H(W)", "sernn below l1; all below 0", sernn,
                         l1, sure=lambda d: d < 0, picture="entropy")
    ]  # fmt: skip
