"""Compare groups of networks: effect sizes, the paper's claims, and how much of them distance alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.experiments.blocks import brief
from spatialnets.progress import NoProgress, Progress
from spatialnets.report.contrasts import MIN_NETWORKS, Contrast, Pairing, all_contrasts, contrasts, pairings
from spatialnets.report.samples import Sample
from spatialnets.report.spatial_nulls import NULL_COLUMNS, map_table, null_table, passing_weights, strength_map
from spatialnets.statistics.effects import Effect, bootstrap, effect, false_discovery

__all__ = ["CLAIMS", "Comparison", "compare", "effects_of"]

SIGNIFICANCE_LEVEL = 0.05  # of q, the p-value adjusted for the number of tests


class Claim(NamedTuple):
    """A claim of the paper about how seRNNs differ from L1 networks."""

    figure: str  # of the paper
    claim: str  # predicate that completes "a spatial network …"
    feature: str  # name of the feature
    sign: int  # of the expected difference, spatial minus L1


CLAIMS = {
    "weight_distance_correlation": Claim("2c", "prunes long connections", "pruning of long connections", -1),
    "mean_communicability": Claim("2d", "communicates less", "low communicability", -1),
    "modularity": Claim("3a", "is more modular", "high modularity", 1),
    "small_worldness": Claim("3b", "is more small-world", "high small-worldness", 1),
}
"""The claims, by the measure that tests them."""


@dataclass(frozen=True)
class Comparison:
    """Results of a comparison between groups of networks, as tidy tables.

    Parameters
    ----------
    samples, contrasts
        The groups, and the pairs of groups that are compared.
    groups
        One row per sample, measure and epoch: mean over the networks that pass, with its 95 % interval.
    effects
        One row per contrast, selection, measure and epoch: means, their difference and Hedges' g with 95 % intervals,
        permutation p, and q (p adjusted for all tests of that selection and epoch).
    claims
        One row per geometry, claim of the paper and selection, where a spatial penalty can be compared with L1. Here q
        is adjusted for the claims of that selection only, because they were fixed in advance.
    nulls
        One row per sample and measure: means over passing networks as trained, with weights shuffled among connections
        of similar length and among all connections, and the share that connection lengths explain.
    maps
        Correlations between maps of unit strength, with p from spin or Moran surrogates.
    epoch
        Epoch at which networks are compared.
    reasons
        What could not be compared, and why.
    """

    samples: tuple[Sample, ...]
    contrasts: tuple[Contrast, ...]
    groups: pd.DataFrame
    effects: pd.DataFrame
    claims: pd.DataFrame
    nulls: pd.DataFrame
    maps: pd.DataFrame
    epoch: int
    reasons: tuple[str, ...]


def compare(samples: Sequence[Sample], progress: Progress | None = None) -> Comparison:
    """Compare groups of networks.

    Parameters
    ----------
    samples
        Two or more groups, from `spatialnets.report.samples.samples_of`.
    progress
        Receives progress messages; by default they are discarded.
    """
    progress = progress or NoProgress()
    chosen = contrasts(samples)
    epoch = samples[0].epoch
    progress.begin(2 * len(samples) + len(chosen), 0, "comparing", "steps")
    try:
        groups = []
        for sample in samples:
            groups.append(_group_means(sample))
            progress.advance(1, f"means of {sample.label}")
        effects, reasons = [], _omissions(samples, chosen)
        for contrast in chosen:
            for pairing in pairings(contrast):
                count = min(len(pairing.first), len(pairing.second))
                reason = pairing.reason
                if not reason and count < MIN_NETWORKS:
                    what = _count(count, "pair") if pairing.paired else f"{_count(count, 'network')} in one group"
                    reason = f"only {what}; at least {MIN_NETWORKS} are needed"
                if not reason:
                    table = _contrast_effects(contrast, pairing)
                    if table["g"].notna().any():
                        effects.append(table)
                        continue
                    reason = f"no measure varies between and is defined in at least {MIN_NETWORKS} networks or pairs"
                reasons.append(f"{contrast.label}, {pairing.selection}: {reason}")
            progress.advance(1, contrast.label)
        nulls = []
        unit_maps: dict[str, FloatArray] = {}
        for sample in samples:
            weights = passing_weights(sample)
            if len(weights) >= MIN_NETWORKS:
                nulls.append(null_table(sample, weights))
                unit_maps[sample.label] = strength_map(weights)
            else:
                passing = f"only {_count(len(weights), 'network')} pass{'es' * (len(weights) == 1)}"
                reasons.append(f"{sample.label}: {passing}; spatial nulls and unit maps need at least {MIN_NETWORKS}")
            progress.advance(1, f"shuffled networks of {sample.label}")
        maps = map_table(samples, unit_maps)
    finally:
        progress.end()
    effect_table = pd.DataFrame(columns=EFFECT_COLUMNS)
    if effects:
        effect_table = _with_q(pd.concat(effects, ignore_index=True), "selection", "epoch")[EFFECT_COLUMNS]
    return Comparison(
        samples=tuple(samples),
        contrasts=tuple(chosen),
        groups=pd.concat(groups, ignore_index=True),
        effects=effect_table,
        claims=_claim_table(chosen, effect_table, epoch),
        nulls=pd.concat(nulls, ignore_index=True) if nulls else pd.DataFrame(columns=NULL_COLUMNS),
        maps=maps,
        epoch=epoch,
        reasons=tuple(reasons),
    )


def _omissions(samples: Sequence[Sample], chosen: Sequence[Contrast]) -> list[str]:
    """Return why some contrasts and measures are left out, and which groups have no trained network yet."""
    labels = {contrast.label for contrast in chosen}
    reasons = [
        f"{contrast.label}: the penalty does not depend on distance, so the geometry makes no difference"
        for contrast in all_contrasts(samples)
        if contrast.label not in labels
    ]
    shared = set.intersection(*(set(sample.measures) for sample in samples))
    for sample in samples:
        unshared = sorted(set(sample.measures) - shared)
        if unshared:
            reasons.append(f"{sample.label}: not measured in every group: {', '.join(unshared)}")
    for run in {sample.run.folder: sample.run for sample in samples}.values():
        trained = {(shard.group, shard.geometry) for shard in run.computed}
        reasons += [
            f"{run.name}: {group}{f' on {geometry}' if geometry else ''}: no network has been trained yet"
            for group, geometry in dict.fromkeys((shard.group, shard.geometry) for shard in run.shards)
            if (group, geometry) not in trained
        ]
    return reasons


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + "s" * (number != 1)


# Means and effects

EFFECT_COLUMNS = [
    "selection", "first", "second", "differ_in", "measure", "epoch", "n_first", "n_second", "mean_first", "mean_second",
    "difference", "difference_low", "difference_high", "g", "low", "high", "p", "q",
]  # fmt: skip


def _missing_patterns(values: FloatArray) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Group the rows of ``(row, network)`` by their pattern of missing values, so that each group is resampled at once.

    Returns
    -------
    list of (defined, rows)
        Mask of the networks that have a value, ``(network,)``, and the indices of the rows with that mask.
    """
    patterns, group = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    return [(defined, np.flatnonzero(group.ravel() == number)) for number, defined in enumerate(patterns)]


def _mean(values: FloatArray) -> FloatArray:
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _group_means(sample: Sample) -> pd.DataFrame:
    measures, epochs = sample.measures, sample.table["epoch"].to_numpy().tolist()
    values = sample.rows(measures, epochs, np.flatnonzero(sample.passes))
    table = pd.DataFrame(list(product(measures, epochs)), columns=["measure", "epoch"])
    table.insert(0, "sample", sample.label)
    table[["n", "mean", "low", "high"]] = np.nan
    for defined, rows in _missing_patterns(values):
        complete = values[rows][:, defined]
        missing = np.full(len(rows), np.nan)
        low, high = bootstrap((complete,), np.mean) if complete.shape[-1] >= MIN_NETWORKS else (missing, missing)
        table.loc[rows, ["n", "mean", "low", "high"]] = np.column_stack(
            [np.full(len(rows), defined.sum()), _mean(complete), low, high]
        )
    return table.astype({"n": int})


def _contrast_effects(contrast: Contrast, pairing: Pairing) -> pd.DataFrame:
    one, other = contrast.first, contrast.second
    measures = [name for name in one.measures if name in other.measures]
    epochs = sorted(set(one.table["epoch"].to_numpy().tolist()) & set(other.table["epoch"].to_numpy().tolist()))
    first, second = one.rows(measures, epochs, pairing.first), other.rows(measures, epochs, pairing.second)
    table = pd.DataFrame(list(product(measures, epochs)), columns=["measure", "epoch"])
    labels = {"first": one.label, "second": other.label, "differ_in": contrast.family}
    table = table.assign(selection=pairing.selection, **labels, n_first=0, n_second=0)
    numbers = ["mean_first", "mean_second", *Effect._fields]
    table[numbers] = np.nan
    for defined, rows in _missing_patterns(np.concatenate([first, second], axis=-1)):
        in_first, in_second = defined[: first.shape[-1]], defined[first.shape[-1] :]
        if pairing.paired:  # a pair with a missing value is dropped
            in_first = in_second = in_first & in_second
        values, other_values = first[rows][:, in_first], second[rows][:, in_second]
        table.loc[rows, ["n_first", "n_second"]] = [in_first.sum(), in_second.sum()]
        table.loc[rows, numbers[:2]] = np.column_stack([_mean(values), _mean(other_values)])
        if min(in_first.sum(), in_second.sum()) >= MIN_NETWORKS:
            table.loc[rows, numbers[2:]] = np.column_stack(effect(values, other_values, pairing.paired))
    return table


def effects_of(effects: pd.DataFrame, contrast: Contrast) -> pd.DataFrame:
    """Return the rows of a table of effects that belong to a contrast."""
    return effects[(effects["first"] == contrast.first.label) & (effects["second"] == contrast.second.label)]


def _with_q(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Return a table with q: p adjusted for all tests that share the values of some columns."""
    table = table.assign(q=np.nan)
    for _, tests in table.groupby(list(columns)):
        table.loc[tests.index, "q"] = false_discovery(tests["p"].to_numpy(dtype=np.float64))
    return table


CLAIM_COLUMNS = [
    "geometry", "first", "second", "figure", "claim", "measure", "selection", "n", "g", "low", "high", "p", "q",
    "verdict",
]  # fmt: skip


def _claim_table(chosen: Sequence[Contrast], effects: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Test the paper's claims in every contrast of a spatial penalty with L1 in which all else is equal."""
    rows = []
    tested = [contrast for contrast in chosen if contrast.family == "regularizer" and _is_spatial_against_l1(contrast)]
    for contrast, geometry in zip(tested, _geometry_labels(tested), strict=True):
        sign = 1 if contrast.first.spatial else -1  # spatial minus L1, whichever comes first
        table = effects_of(effects, contrast)
        for measure, claim in CLAIMS.items():
            for row in table[(table["measure"] == measure) & (table["epoch"] == epoch)].itertuples():
                n = " + ".join(map(str, (row.n_first, row.n_second)[::sign]))
                interval = sorted((sign * row.low, sign * row.high))
                rows.append(
                    [geometry, row.first, row.second, claim.figure, claim.claim, measure,
                     row.selection, n, sign * row.g, *interval, row.p, np.nan, ""]
                )  # fmt: skip
    table = _with_q(pd.DataFrame(rows, columns=CLAIM_COLUMNS), "selection")
    signs = [CLAIMS[measure].sign for measure in table["measure"]]
    table["verdict"] = [
        claim_verdict(low, high, q, sign)
        for low, high, q, sign in zip(table["low"], table["high"], table["q"], signs, strict=True)
    ]
    return table


def _is_spatial_against_l1(contrast: Contrast) -> bool:
    """Return whether a contrast compares a spatial penalty with L1, as the paper's claims do."""
    one, other = contrast.first, contrast.second
    kinds = one.kind("regularizer"), other.kind("regularizer")
    return one.spatial != other.spatial and "l1" in kinds and "imported" not in kinds


def _geometry_labels(tested: Sequence[Contrast]) -> list[str]:
    """Return the shortest description of each contrast's geometry that is different for all of them."""
    blocks = [contrast.first.blocks["geometry"] for contrast in tested]
    sources = [f" ({block['source']})" if isinstance(block.get("source"), str) else "" for block in blocks]
    kinds = [contrast.first.kind("geometry") for contrast in tested]
    short = [kind + source for kind, source in zip(kinds, sources, strict=True)]
    whole = [brief("geometry", block) for block in blocks]
    labels = [contrast.label for contrast in tested]
    return next((names for names in (short, whole) if len(set(names)) == len(names)), labels)


def claim_verdict(low: float, high: float, q: float, expected: int) -> str:
    """Return whether a difference has the expected sign; both its interval and its test must exclude chance."""
    if not np.isfinite(low + high + q):
        return "no verdict"
    clear = low * high > 0 and q < SIGNIFICANCE_LEVEL
    return ("holds" if low * expected > 0 else "reversed") if clear else "open"
