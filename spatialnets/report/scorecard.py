"""The scorecard: the paper's claims, the published values, and those of a run."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import xarray as xr
from scipy import stats

from spatialnets.aliases import FloatArray
from spatialnets.graph.generative import rule_statistics
from spatialnets.graph.growth import FAMILIES
from spatialnets.report.features import LATE, MIDDLE, at_the_papers_windows, balance
from spatialnets.report.measured import at_scored_epoch, passing_networks
from spatialnets.report.score import MIN_NETWORKS, Score, score_of
from spatialnets.report.sweet_spot import sweet_spot
from spatialnets.statistics.effects import cohens_d
from spatialnets.statistics.regression import activity_regression

__all__ = ["CONTROLS", "scorecard"]

PAPER_STRENGTHS = {"sernn": (1e-6, 1.0), "l1": (1e-5, 0.04)}  # the pass rate depends on the range of strengths
NAMES = {"sernn": "seRNNs", "l1": "L1 networks"}
CONTROLS = ("distance_only", "communicability_only", "hard", "shuffled_labels")
UNFILTERED = ("shuffled_labels",)  # cannot be learned, so the paper applies no accuracy criterion


def scorecard(
    table: xr.Dataset, measurements: Mapping[str, xr.Dataset] | None = None, as_published: bool = True
) -> list[Score]:
    """Test the paper's claims on a run; return an empty list unless it has the groups ``sernn`` and ``l1``.

    As in the paper, statistics are over networks that pass at epoch 9 (the last epoch, if training was shorter).

    Parameters
    ----------
    table
        From `spatialnets.report.measured.metrics_table`.
    measurements
        Measurements by unit, window or rule, from `spatialnets.report.measured.load_measurements`.
    as_published
        Whether core and task are those of the paper; otherwise, pass rates are not compared with published ones.
    """
    if not set(NAMES) <= set(table["group"].to_numpy().tolist()):
        return []
    evidence = Evidence(table, measurements or {}, as_published)
    sections = (_learning, _wiring, _modules, _growth, _codes, _economy, _sweet_spot, _controls, _entropy)
    return [score for section in sections for score in section(evidence)]


@dataclass(frozen=True)
class Evidence:
    """The measures of a run, restricted to the networks that count."""

    table: xr.Dataset
    measurements: Mapping[str, xr.Dataset]
    as_published: bool = True

    def chosen(self, group: str) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Return which networks of a group count, ``(network,)``: those that pass, or all of an unfiltered group."""
        member = np.asarray(self.table["group"].to_numpy() == group)
        return member if group in UNFILTERED else member & passing_networks(self.table)

    def values(self, name: str, group: str, epoch: int | None = None) -> FloatArray:
        """Return the finite values of a measure at an epoch, by default the scored one, ``(network,)``."""
        values = at_scored_epoch(self.table, name) if epoch is None else self.table[name].sel(epoch=epoch).to_numpy()
        values = values[self.chosen(group)].astype(float)
        return np.asarray(values[np.isfinite(values)])

    def pair(self, name: str) -> tuple[FloatArray, FloatArray]:
        """Return the values of a measure in both groups of the paper."""
        return self.values(name, "sernn"), self.values(name, "l1")

    def at(self, measurement: str, variable: str, group: str, **coordinates: Any) -> FloatArray | None:
        """Return the finite values of a stored measurement at some coordinates; None if it was not measured there."""
        source = self.measurements.get(measurement)
        try:
            if source is None or ("window" in coordinates and not at_the_papers_windows(source)):
                return None
            values = source[variable].isel(epoch=-1).sel(coordinates).to_numpy()[self.chosen(group)]
        except KeyError:  # the task has other windows or conditions
            return None
        return np.asarray(values[np.isfinite(values)], dtype=np.float64)


def _learning(evidence: Evidence) -> list[Score]:
    """Score the share of networks that pass, in every group with known accuracies."""
    table, scores = evidence.table, []
    for group, published, low, high in (
        ("sernn", "39 % (390 of 1,000); 30 to 50 %", 0.30, 0.50),
        ("l1", "47.9 % (479 of 1,000); 35 to 58 %", 0.35, 0.58),
    ):
        member = table["group"].to_numpy() == group
        if not np.isfinite(table["validation_accuracy"].to_numpy()[member]).any():
            continue
        count, total = int(evidence.chosen(group).sum()), int(member.sum())
        strengths, expected = table["strength"].to_numpy()[member], PAPER_STRENGTHS[group]
        comparable = evidence.as_published and np.allclose(
            [strengths.min(), strengths.max()], expected, rtol=1e-3, atol=0.002 * expected[1]
        )
        interval = stats.binomtest(count, total).proportion_ci(method="wilson")
        scores.append(
            Score(
                figure="2a",
                claim=f"{NAMES[group]} that learn the task",
                published=published,
                value=100 * count / total,
                interval=(100 * float(interval.low), 100 * float(interval.high)),
                n=str(total),
                met=low <= count / total <= high if comparable else None,
                digits=0,
                unit=" %",
                comparable=comparable,
                picture="curves",
            )
        )
    return scores


def _wiring(evidence: Evidence) -> list[Score]:
    scores, table, score = [], evidence.table, partial(score_of, picture="curves")
    if "total_weight" in table and 0 in table["epoch"]:
        for group, name in NAMES.items():
            final, initial = evidence.values("total_weight", group), evidence.values("total_weight", group, 0)
            remaining = 100 * final / initial if len(final) == len(initial) else np.array([])
            scores.append(
                score("2b", f"Total weight of {name} falls: % of initial", "from about 800 down; below 100 %",
                      np.mean, remaining, met=lambda mean: mean < 100, digits=0, unit=" %")
            )  # fmt: skip
    if "weight_distance_correlation" in table:
        sernn, l1 = evidence.pair("weight_distance_correlation")
        scores += [
            score("2c", "seRNNs prune long connections: corr(W, D)", "negative, down to -0.5; below -0.2", np.mean,
                  sernn, met=lambda mean: mean < -0.2, direction=lambda mean: mean < 0, digits=3),
            score("2c", "L1 networks do not prune by length: corr(W, D)", "about 0; within ±0.05", np.mean,
                  l1, met=lambda mean: abs(mean) < 0.05, digits=3),
        ]  # fmt: skip
    if "communicability" in table:
        scores.append(
            score("2d", "seRNNs have lower communicability: d", "lower in seRNNs; whole interval below 0", cohens_d,
                  *evidence.pair("communicability"), side=lambda d: d < 0)
        )  # fmt: skip
    return scores


def _modules(evidence: Evidence) -> list[Score]:
    scores, score = [], partial(score_of, picture="structure")
    for figure, name, claim, published, threshold in (
        ("3a", "modularity", "seRNNs are more modular: d of modularity", "1.07; at least 0.5", 0.5),
        ("3a", "modularity_directed", "seRNNs are more modular: d of directed modularity", "not published", None),
        ("3b", "small_worldness", "seRNNs are more small-world: d of small-worldness", "0.59; at least 0.25", 0.25),
        ("3b", "small_worldness_paths", "seRNNs are more small-world: d with shortest-path lengths", "not published",
         None),
    ):  # fmt: skip
        if name not in evidence.table:
            continue
        groups, met = evidence.pair(name), None if threshold is None else partial(operator.le, threshold)
        direction = None if threshold is None else partial(operator.lt, 0)
        scores.append(score(figure, claim, published, cohens_d, *groups, met=met, direction=direction))
        if name == "small_worldness":
            scores += [
                score("3b", f"{label} are small-world: mean", "above 1", np.mean, values, met=partial(operator.lt, 1))
                for label, values in zip(NAMES.values(), groups, strict=True)
            ]
    return scores


def _growth(evidence: Evidence) -> list[Score]:
    generative = evidence.measurements.get("generative")
    if generative is None:
        return []
    rules, energies = generative["rule"].to_numpy().tolist(), generative["energy"].isel(epoch=-1).to_numpy()
    scores = []
    for group, name in NAMES.items():
        result = rule_statistics(energies[evidence.chosen(group)], rules)
        enough = result.n >= MIN_NETWORKS
        scores.append(
            Score(
                figure="3c",
                claim=f"Homophily grows {name} best: mean energy minus that of the best other rule",
                published="both lowest, Tukey P < 1e-3; both lowest, each P < 0.05",
                value=result.advantage,
                interval=result.interval,
                n=str(result.n),
                met=result.homophily_lowest and result.homophily_p < 0.05 if enough and group == "sernn" else None,
                direction=FAMILIES.get(result.best) == "homophily" if enough else None,
                digits=3,
                picture="growth",
                few=not enough,
            )
        )
    return scores


def _codes(evidence: Evidence) -> list[Score]:
    scores = []
    for figure, variable, form, picture in (
        ("4e", "p", "{} units", "where_coded"),
        ("S12", "p_top", "The fifty best {} units", "where_coded_top"),
    ):
        for code, name, arrangement, criterion, compare, limit in (
            ("goal", "goal", "cluster", "skewed to 0; below 0.3", operator.gt, 0.3),
            ("choices", "choice", "spread out", "skewed to 1; above 0.6", operator.lt, 0.6),
        ):
            units = form.format(name).capitalize()
            for group in NAMES:
                p = evidence.at("spatial_coding", variable, group, window=MIDDLE, code=code)
                if p is None:
                    continue
                if group == "sernn":
                    scores.append(
                        score_of(figure, f"{units} of seRNNs {arrangement}: median p, window {MIDDLE}", criterion,
                                 np.median, p, met=partial(compare, limit), direction=partial(compare, 0.5),
                                 picture=picture)
                    )  # fmt: skip
                elif variable == "p":
                    scores.append(
                        score_of(figure, f"{units} of L1 networks have random positions: median p, window {MIDDLE}",
                                 "uniform; within ±0.1 of 0.5", np.median, p,
                                 met=lambda median: abs(median - 0.5) <= 0.1, picture=picture)
                    )  # fmt: skip
    return scores


def _economy(evidence: Evidence) -> list[Score]:
    scores, score = [], partial(score_of, picture="economy")
    sernn, l1 = (evidence.at("selectivity", "selectivity_correlation", group, window=LATE) for group in NAMES)
    if sernn is not None and l1 is not None:
        sernn_median, l1_median = (float(np.median(values)) if len(values) > 1 else np.nan for values in (sernn, l1))
        finite = np.isfinite(sernn_median)
        scores += [
            score("5a", "Units of seRNNs have mixed selectivity: median r", "-0.057; within ±0.15", np.median, sernn,
                  met=lambda median: abs(median) < 0.15, direction=lambda median: abs(median) < abs(l1_median)),
            score("5a", "Units of L1 networks have less mixed selectivity: median r",
                  "-0.303; at least 0.1 below seRNNs", np.median, l1,
                  met=(lambda median: median <= sernn_median - 0.1) if finite else None,
                  direction=(lambda median: median < sernn_median) if finite else None),
        ]  # fmt: skip
    energy = evidence.measurements.get("energy")
    if energy is None:
        return scores
    chosen = evidence.chosen("sernn") | evidence.chosen("l1")
    trained = energy.isel(epoch=-1, network=np.flatnonzero(chosen))
    spatial = evidence.table["group"].to_numpy()[chosen] == "sernn"
    levels: tuple[tuple[Literal["unit", "network"], str, str], ...] = (
        ("unit", "samples: units, as published", "-0.25 (t = 21.4, interval -0.271 to -0.226)"),
        ("network", "samples: networks", "not published"),
    )
    for level, samples, published in levels:
        fit = activity_regression(
            trained["activity"].to_numpy(), trained["mean_weight"].to_numpy(), spatial, level=level
        )
        finite = np.isfinite(fit.coefficient)
        scores.append(
            Score(
                figure="5b",
                claim=f"Units of seRNNs are less active at equal weight: coefficient ({samples})",
                published=f"{published}; interval below 0",
                value=fit.coefficient,
                interval=(fit.low, fit.high) if finite else None,
                n=f"{int(spatial.sum())} + {int((~spatial).sum())}",
                met=bool(fit.high < 0) if finite else None,
                direction=bool(fit.coefficient < 0) if finite else None,
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
        and not spot.inside[[0, -1]].any()  # neither the weakest nor the strongest penalties
    )
    scores = [
        Score(
            figure="6a",
            claim="All four features occur together at low to medium strength in later epochs: share of the plane",
            published="at low to medium strength; not empty",
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
    if evidence.at("selectivity", "selectivity_correlation", "sernn", window=LATE) is not None:
        _, crossings = balance(evidence.table, evidence.measurements, spot)
        low, high = spot.reach or (np.inf, -np.inf)
        inside = [crossing for crossing in crossings if low <= crossing <= high]
        enough = int(evidence.chosen("sernn").sum()) >= MIN_NETWORKS
        scores.append(
            Score(
                figure="6c",
                claim="Goal and choices explain the same variance inside the sweet spot: strength, % of the largest",
                published="the curves cross inside",
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
    """Score whether the controls have the structure of seRNNs (Supplementary Fig. 8)."""
    scores = []
    for group in (name for name in CONTROLS if name in evidence.table["group"]):
        if "weight_distance_correlation" in evidence.table:
            near = group != "communicability_only"
            scores.append(
                score_of("S8", f"{group} prunes long connections: corr(W, D)",
                         "as in seRNNs; below -0.1" if near else "not published", np.mean,
                         evidence.values("weight_distance_correlation", group),
                         met=(lambda mean: mean < -0.1) if near else None,
                         direction=(lambda mean: mean < 0) if near else None, digits=3, picture="curves")
            )  # fmt: skip
        for name, words in (("modularity", "more modular"), ("small_worldness", "more small-world")):
            if name in evidence.table:
                scores.append(
                    score_of("S8", f"{group} is {words} than L1 networks: d", "whole interval above 0", cohens_d,
                             evidence.values(name, group), evidence.values(name, "l1"), side=lambda d: d > 0,
                             picture="structure")
                )  # fmt: skip
    return scores


def _entropy(evidence: Evidence) -> list[Score]:
    """Score the claim of the follow-up paper (arXiv 2409.17693) that spatial networks have lower entropy."""
    if "weight_entropy" not in evidence.table:
        return []
    return [
        score_of("[2]", "Weights of seRNNs have lower entropy: d", "lower in seRNNs; whole interval below 0", cohens_d,
                 *evidence.pair("weight_entropy"), side=lambda d: d < 0, picture="entropy")
    ]  # fmt: skip
