"""Groups set against each other: how much they differ, and what of it distance alone explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spatialnets.experiments.blocks import brief
from spatialnets.progress import NoProgress, Progress
from spatialnets.protocols import FloatArray
from spatialnets.report.contrasts import FEWEST, Contrast, Pairing, contrasts, differing, pairings
from spatialnets.report.samples import Sample
from spatialnets.report.spatial_nulls import NULL_COLUMNS, map_table, null_table, strength_map, weights_of
from spatialnets.statistics.effects import Effect, bootstrap, effect, false_discovery

__all__ = ["CLAIMS", "Comparison", "compare"]

LEVEL = 0.05  # below which q says that a claim is no accident of so many tests


class Claim(NamedTuple):
    """What the paper claims of seRNNs against L1 networks.

    Parameters
    ----------
    figure
        Where.
    claim, feature
        In words: what such a network does, and what that is called.
    sign
        Of the difference, spatial minus L1.
    """

    figure: str
    claim: str
    feature: str
    sign: int


CLAIMS = {
    "weight_distance_correlation": Claim("2c", "prunes long connections", "long connections pruned", -1),
    "mean_communicability": Claim("2d", "communicates less", "low communicability", -1),
    "modularity": Claim("3a", "is more modular", "modularity", 1),
    "small_worldness": Claim("3b", "is more of a small world", "small-worldness", 1),
}
"""By measure."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; every table is tidy, one row for each combination.

    Parameters
    ----------
    samples, contrasts
        What was compared, and which with which.
    groups
        Of each sample, measure and epoch: mean of the networks that pass, with its 95 % interval.
    effects
        Of each contrast, selection, measure and epoch: means and their difference, Hedges' g, both with 95 % intervals,
        p by permutation, and q, which is p adjusted for all tests of that selection and epoch.
    claims
        Which of the paper's claims hold on each geometry, where there are networks with a spatial penalty and with L1;
        q is p adjusted for the claims at that selection alone, which were known beforehand.
    nulls
        Of each sample and measure: passing networks as they are, with their weights shuffled among connections of about
        the same length, and among all; and how much of what exceeds the last the second explains, a share.
    maps
        Correlations between maps over units (the mean strength of each unit), with p by spins or Moran's maps.
    epoch
        At which networks are compared.
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
        As `spatialnets.report.samples.samples_of` gives them, two or more.
    progress
        Where to report; by default nowhere.
    """
    progress = progress or NoProgress()
    chosen = contrasts(samples)
    epoch = samples[0].epoch
    progress.begin(2 * len(samples) + len(chosen), 0, "comparing", "steps")
    try:
        groups = []
        for sample in samples:
            groups.append(_means(sample))
            progress.advance(1, f"means of {sample.label}")
        effects, reasons = [], _left_out(samples, chosen)
        for contrast in chosen:
            for pairing in pairings(contrast):
                if pairing.reason or min(len(pairing.first), len(pairing.second)) < FEWEST:
                    count = min(len(pairing.first), len(pairing.second))
                    what = "pairs" if pairing.paired else "networks in a group"
                    why = pairing.reason or f"too few: {count} {what}, and {FEWEST} are needed"
                    reasons.append(f"{contrast.label}, {pairing.selection}: {why}")
                    continue
                found = _effects(contrast, pairing)
                if found["g"].notna().any():
                    effects.append(found)
                else:
                    why = f"no measure differs among, and is defined in, {FEWEST} networks or pairs"
                    reasons.append(f"{contrast.label}, {pairing.selection}: {why}")
            progress.advance(1, contrast.label)
        nulls = []
        unit_maps: dict[str, FloatArray] = {}
        for sample in samples:
            weights = weights_of(sample)
            if len(weights) >= FEWEST:
                nulls.append(null_table(sample, weights))
                unit_maps[sample.label] = strength_map(weights)
            else:
                why = f"{len(weights)} networks pass, and {FEWEST} are needed to shuffle or to map them"
                reasons.append(f"{sample.label}: {why}")
            progress.advance(1, f"shuffled networks of {sample.label}")
        maps = map_table(samples, unit_maps)
    finally:
        progress.end()
    table = _adjusted(pd.concat(effects, ignore_index=True)) if effects else pd.DataFrame(columns=EFFECT_COLUMNS)
    return Comparison(
        samples=tuple(samples),
        contrasts=tuple(chosen),
        groups=pd.concat(groups, ignore_index=True),
        effects=table,
        claims=_claims(chosen, table, epoch),
        nulls=pd.concat(nulls, ignore_index=True) if nulls else pd.DataFrame(columns=NULL_COLUMNS),
        maps=maps,
        epoch=epoch,
        reasons=tuple(reasons),
    )


def _left_out(samples: Sequence[Sample], chosen: Sequence[Contrast]) -> list[str]:
    """Return what is not compared, and why: contrasts, measures, and networks that are still to be computed."""
    labels = {contrast.label for contrast in chosen}
    reasons = [
        f"{contrast.label}: the penalty knows nothing of distances, so that geometry makes no difference"
        for contrast in differing(samples)
        if contrast.label not in labels
    ]
    shared = set.intersection(*(set(sample.measures) for sample in samples))
    for sample in samples:
        alone = sorted(set(sample.measures) - shared)
        if alone:
            reasons.append(f"{sample.label}: not all groups have {', '.join(alone)}")
    for run in {sample.run.folder: sample.run for sample in samples}.values():
        shards: dict[tuple[str, str], list[bool]] = {}
        for shard in run.shards:
            shards.setdefault((shard.group, shard.geometry), []).append(shard.done)
        reasons += [
            f"{run.name}: {group}{f' on {geometry}' if geometry else ''}: none of its networks has been computed yet"
            for (group, geometry), done in shards.items()
            if not any(done)
        ]
    return reasons


# Means and effects

EFFECT_COLUMNS = [
    "selection", "first", "second", "differ_in", "measure", "epoch", "n_first", "n_second", "mean_first", "mean_second",
    "difference", "difference_low", "difference_high", "g", "low", "high", "p", "q",
]  # fmt: skip


def _complete(values: FloatArray) -> list[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Group rows ``(row, network)`` by the networks that they have a value of: each group is resampled at once.

    Returns
    -------
    list of (has, rows)
        Which networks ``(network,)`` the rows of these places have.
    """
    patterns, group = np.unique(np.isfinite(values), axis=0, return_inverse=True)
    return [(has, np.flatnonzero(group.ravel() == number)) for number, has in enumerate(patterns)]


def _rows(sample: Sample, measures: Sequence[str], epochs: Sequence[int], networks: NDArray[np.int64]) -> FloatArray:
    """Return values ``(row, network)``, one row for each measure and epoch."""
    values = sample.values(measures, epochs)[:, :, networks]
    return values.reshape(len(measures) * len(epochs), len(networks))


def _mean(values: FloatArray) -> FloatArray:
    return values.mean(axis=-1) if values.shape[-1] else np.full(values.shape[:-1], np.nan)


def _means(sample: Sample) -> pd.DataFrame:
    measures, epochs = sample.measures, sample.table["epoch"].to_numpy().tolist()
    values = _rows(sample, measures, epochs, np.flatnonzero(sample.passes))
    table = pd.DataFrame(list(product(measures, epochs)), columns=["measure", "epoch"])
    table.insert(0, "sample", sample.label)
    table[["n", "mean", "low", "high"]] = np.nan
    for has, rows in _complete(values):
        some = values[rows][:, has]
        none = np.full(len(rows), np.nan)
        low, high = bootstrap((some,), np.mean) if some.shape[-1] >= FEWEST else (none, none)
        table.loc[rows, ["n", "mean", "low", "high"]] = np.column_stack(
            [np.full(len(rows), has.sum()), _mean(some), low, high]
        )
    return table.astype({"n": int})


def _effects(contrast: Contrast, pairing: Pairing) -> pd.DataFrame:
    one, other = contrast.first, contrast.second
    measures = [name for name in one.measures if name in other.measures]
    epochs = sorted(set(one.table["epoch"].to_numpy().tolist()) & set(other.table["epoch"].to_numpy().tolist()))
    first = _rows(one, measures, epochs, pairing.first)
    second = _rows(other, measures, epochs, pairing.second)
    table = pd.DataFrame(list(product(measures, epochs)), columns=["measure", "epoch"])
    table = table.assign(
        selection=pairing.selection,
        first=one.label,
        second=other.label,
        differ_in=contrast.family,
        n_first=0,
        n_second=0,
    )
    numbers = ["mean_first", "mean_second", *Effect._fields]
    table[numbers] = np.nan
    for has, rows in _complete(np.concatenate([first, second], axis=-1)):
        in_first, in_second = has[: first.shape[-1]], has[first.shape[-1] :]
        if pairing.paired:  # a pair that misses one misses both
            in_first = in_second = in_first & in_second
        some, rest = first[rows][:, in_first], second[rows][:, in_second]
        table.loc[rows, ["n_first", "n_second"]] = [in_first.sum(), in_second.sum()]
        table.loc[rows, numbers[:2]] = np.column_stack([_mean(some), _mean(rest)])
        if min(in_first.sum(), in_second.sum()) >= FEWEST:
            table.loc[rows, numbers[2:]] = np.column_stack(effect(some, rest, pairing.paired))
    return table


def _adjusted(effects: pd.DataFrame) -> pd.DataFrame:
    table = effects.assign(q=np.nan)
    for _, own in table.groupby(["selection", "epoch"]):
        table.loc[own.index, "q"] = false_discovery(own["p"].to_numpy(dtype=np.float64))
    return table[EFFECT_COLUMNS]


CLAIM_COLUMNS = [
    "geometry", "first", "second", "figure", "claim", "measure", "selection", "n", "g", "low", "high", "p", "q",
    "verdict",
]  # fmt: skip


def _claims(chosen: Sequence[Contrast], effects: pd.DataFrame, epoch: int) -> pd.DataFrame:
    """Test the paper's claims wherever a spatial penalty stands against L1 and all else is equal."""
    rows = []
    tested = [contrast for contrast in chosen if contrast.family == "regularizer" and _is_claimed(contrast)]
    for contrast, place in zip(tested, _places(tested), strict=True):
        sign = 1 if contrast.second.blind else -1  # spatial minus L1, whichever comes first
        own = effects[
            (effects["first"] == contrast.first.label)
            & (effects["second"] == contrast.second.label)
            & (effects["epoch"] == epoch)
        ]
        for measure, claim in CLAIMS.items():
            for row in own[own["measure"] == measure].itertuples():
                ends = sorted((sign * row.low, sign * row.high))
                rows.append(
                    [
                        place, contrast.first.label, contrast.second.label, claim.figure, claim.claim,
                        measure,
                        row.selection, " + ".join(map(str, (row.n_first, row.n_second)[::sign])), sign * row.g, *ends,
                        row.p, np.nan, "",
                    ]
                )  # fmt: skip
    table = pd.DataFrame(rows, columns=CLAIM_COLUMNS)
    for _, own in table.groupby("selection"):
        table.loc[own.index, "q"] = false_discovery(own["p"].to_numpy(dtype=np.float64))
    signs = [CLAIMS[measure].sign for measure in table["measure"]]
    table["verdict"] = [
        _verdict(low, high, q, sign)
        for low, high, q, sign in zip(table["low"], table["high"], table["q"], signs, strict=True)
    ]
    return table


def _is_claimed(contrast: Contrast) -> bool:
    """Tell whether a contrast is what the paper makes claims of: a spatial penalty against L1."""
    one, other = contrast.first, contrast.second
    kinds = one.kind("regularizer"), other.kind("regularizer")
    return one.blind != other.blind and "l1" in kinds and "imported" not in kinds


def _places(tested: Sequence[Contrast]) -> list[str]:
    """Return what to call where each contrast is: as short as tells them all apart."""
    blocks = [contrast.first.blocks["geometry"] for contrast in tested]
    sources = [f" ({block['source']})" if isinstance(block.get("source"), str) else "" for block in blocks]
    kinds = [contrast.first.kind("geometry") for contrast in tested]
    short = [kind + source for kind, source in zip(kinds, sources, strict=True)]
    whole = [brief("geometry", block) for block in blocks]
    labels = [contrast.label for contrast in tested]
    return next((names for names in (short, whole) if len(set(names)) == len(names)), labels)


def _verdict(low: float, high: float, q: float, expected: int) -> str:
    """Say whether a difference is what was expected: both its interval and its test must be clear of chance."""
    if not np.isfinite(low + high + q):
        return "no verdict"
    clear = low * high > 0 and q < LEVEL
    return ("holds" if low * expected > 0 else "reversed") if clear else "open"
