"""Which groups of networks are set against which, and which networks of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spatialnets.experiments.declaration import BLOCKS
from spatialnets.protocols import FloatArray
from spatialnets.report.samples import Sample

__all__ = ["FEWEST", "SELECTIONS", "Contrast", "Pairing", "contrasts", "differing", "pairings"]

FEWEST = 8  # networks, or pairs: an interval from fewer is too narrow to speak of
SELECTIONS = ("passing", "equal strength", "equal total weight")
STRENGTHS_APART = 0.05  # two strengths within 5 % are equal
WEIGHTS_APART = 0.1  # two total weights within 10 % are equal
LEAST = 1e-30  # of what a logarithm is taken


@dataclass(frozen=True)
class Contrast:
    """Two samples to set against each other: the first minus the second.

    Parameters
    ----------
    first, second
        The samples.
    family
        The one part in which they differ, such as ``"geometry"``; empty if they differ in several, or none.
    """

    first: Sample
    second: Sample
    family: str

    @property
    def label(self) -> str:
        """What it is called."""
        return f"{self.first.label} - {self.second.label}"

    @property
    def empty(self) -> bool:
        """Whether geometry cannot make a difference, as the penalty knows nothing of it."""
        units = {len(sample.geometry.distances) for sample in (self.first, self.second)}
        return self.family == "geometry" and self.first.blind and len(units) == 1


def contrasts(samples: Sequence[Sample]) -> list[Contrast]:
    """Choose which samples to set against each other.

    Of two, the first against the second. Of more, those that differ in one part alone: for each such part, samples that
    are otherwise alike are compared with the first of them. If there are none of that kind, all with the first.

    Every spatial penalty is also compared with L1. Samples that know nothing of distances are not compared between
    geometries of as many units, on which their networks are the same, unless there is nothing else to compare.
    """
    found = differing(samples)
    return [contrast for contrast in found if not contrast.empty] or found


def differing(samples: Sequence[Sample]) -> list[Contrast]:
    """Return all contrasts, those that geometry cannot make a difference to as well."""
    different = [family for family in BLOCKS if len({sample.identity(family) for sample in samples}) > 1]
    chosen: dict[tuple[str, str], Contrast] = {}
    for family in different:
        alike: dict[tuple[str, ...], list[Sample]] = {}
        for sample in samples:
            rest = tuple(sample.identity(other) for other in BLOCKS if other != family)
            alike.setdefault(rest, []).append(sample)
        for own in alike.values():
            first, *others = own
            pairs = [(first, second) for second in others]
            if family == "regularizer":
                pairs += [
                    (spatial, plain)
                    for spatial in own
                    for plain in own
                    if not spatial.blind and plain.kind("regularizer") == "l1"
                ]
            for one, other in pairs:
                known = (one.label, other.label) in chosen or (other.label, one.label) in chosen
                if one.identity(family) != other.identity(family) and not known:
                    chosen[one.label, other.label] = Contrast(one, other, family)
    if not chosen:
        first, *others = samples
        return [Contrast(first, second, "") for second in others]
    return list(chosen.values())


@dataclass(frozen=True)
class Pairing:
    """Which networks of two samples are compared.

    Parameters
    ----------
    selection
        One of `SELECTIONS`.
    first, second
        Places of networks in their tables.
    paired
        Whether network `k` of one is matched to network `k` of the other.
    reason
        Why there are none, if there are none.
    """

    selection: str
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    paired: bool
    reason: str = ""


def pairings(contrast: Contrast) -> list[Pairing]:
    """Choose the networks of a contrast in three ways: that pass, at equal strength, and at equal total weight.

    Networks of equal strength are paired whether or not they pass, so that passing decides nothing; those of equal
    total weight must pass. Pairs are those that differ least in all, no network being in two of them.
    """
    one, other = contrast.first, contrast.second
    none = np.empty(0, dtype=np.int64)
    reason = _strengths_differ(one, other)
    passing_one, passing_other = np.flatnonzero(one.passes), np.flatnonzero(other.passes)
    found = [Pairing("passing", passing_one, passing_other, paired=False)]
    if reason:
        found.append(Pairing("equal strength", none, none, paired=True, reason=reason))
    else:
        strength, other_strength = (
            np.log(np.maximum(sample.table["strength"].to_numpy().astype(np.float64), LEAST)) for sample in (one, other)
        )
        defined = bool(np.isfinite(strength).all() and np.isfinite(other_strength).all())
        pairs = _matched(strength, other_strength, STRENGTHS_APART) if defined else (none, none)
        reason = "" if defined else "a strength is not known, as that of a sum of penalties is not"
        found.append(Pairing("equal strength", *pairs, paired=True, reason=reason))
    if "total_weight" in one.table and "total_weight" in other.table:
        total, other_total = (
            np.log(np.maximum(sample.table["total_weight"].sel(epoch=sample.epoch).to_numpy()[places], LEAST))
            for sample, places in ((one, passing_one), (other, passing_other))
        )
        first, second = _matched(total, other_total, WEIGHTS_APART)
        found.append(Pairing("equal total weight", passing_one[first], passing_other[second], paired=True))
    return found


def _strengths_differ(one: Sample, other: Sample) -> str:
    """Return why equal strengths mean different things, if they do."""
    if one.identity("regularizer") != other.identity("regularizer"):
        return "the penalties differ, so that equal strengths mean different things"
    rescale, other_rescale = (sample.blocks["geometry"].get("rescale", "none") for sample in (one, other))
    means = [sample.geometry.mean_distance * sample.geometry.steps_per_unit for sample in (one, other)]
    alike = rescale == other_rescale != "none" or abs(np.log(means[0] / means[1])) <= np.log1p(STRENGTHS_APART)
    if one.blind or alike:
        return ""
    return (
        f"the mean distance counts for {means[0]:.3g} and {means[1]:.3g} steps (rescale {rescale} and "
        f"{other_rescale}), so that equal strengths mean different things"
    )


def _matched(one: FloatArray, other: FloatArray, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair numbers, of which the logarithms are given, that differ by a share within reach.

    There are as many pairs as there can be, and they are as near as possible.
    """
    from scipy.optimize import linear_sum_assignment

    away = np.abs(one[:, None] - other[None, :])
    reach = float(np.log1p(reach))
    far = away > reach + 1e-12
    # a pair out of reach costs more than all others together
    first, second = linear_sum_assignment(np.where(far, 1 + away.size * max(reach, 1e-12), away))
    kept = ~far[first, second]
    return first[kept].astype(np.int64), second[kept].astype(np.int64)
