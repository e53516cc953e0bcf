"""Choose which groups of networks to compare with each other, and which networks of each group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.experiments.declaration import BLOCKS
from spatialnets.report.samples import Sample

__all__ = ["MIN_NETWORKS", "SELECTIONS", "Contrast", "Pairing", "all_contrasts", "contrasts", "pairings"]

MIN_NETWORKS = 8  # or pairs: bootstrap intervals from fewer are too narrow
SELECTIONS = ("passing", "equal strength", "equal total weight")
STRENGTH_TOLERANCE = 0.05  # relative: strengths within 5 % count as equal
WEIGHT_TOLERANCE = 0.1  # relative: total weights within 10 % count as equal
MIN_VALUE = 1e-30  # lower bound before taking a logarithm


@dataclass(frozen=True)
class Contrast:
    """Two samples to compare; differences are first minus second.

    Parameters
    ----------
    first, second
        The samples.
    family
        The only component in which they differ, such as ``"geometry"``; empty if they differ in several or in none.
    """

    first: Sample
    second: Sample
    family: str

    @property
    def label(self) -> str:
        """The names of the two samples, joined by a minus sign."""
        return f"{self.first.label} - {self.second.label}"

    @property
    def trivial(self) -> bool:
        """Whether only the geometry differs, while the penalty does not depend on distance: networks are the same."""
        units = {len(sample.geometry.distances) for sample in (self.first, self.second)}
        return self.family == "geometry" and not self.first.spatial and len(units) == 1


def contrasts(samples: Sequence[Sample]) -> list[Contrast]:
    """Return the pairs of samples to compare.

    Two samples are compared with each other. Of more than two, those that differ in a single component are compared:
    for each component, samples that are otherwise alike are compared with the first of them. If no samples differ in
    a single component, all are compared with the first sample.

    Every spatial penalty is also compared with L1. With a penalty that does not depend on distance, networks are the
    same on all geometries with the same number of units; such contrasts are left out unless there are no others.
    """
    candidates = all_contrasts(samples)
    return [contrast for contrast in candidates if not contrast.trivial] or candidates


def all_contrasts(samples: Sequence[Sample]) -> list[Contrast]:
    """Return all contrasts, including those in which the geometry cannot make a difference."""
    different = [family for family in BLOCKS if len({sample.identity(family) for sample in samples}) > 1]
    chosen: dict[tuple[str, str], Contrast] = {}
    for family in different:
        alike: dict[tuple[str, ...], list[Sample]] = {}
        for sample in samples:
            rest = tuple(sample.identity(other) for other in BLOCKS if other != family)
            alike.setdefault(rest, []).append(sample)
        for group in alike.values():
            first, *others = group
            pairs = [(first, second) for second in others]
            if family == "regularizer":
                pairs += [
                    (spatial, plain)
                    for spatial in group
                    for plain in group
                    if spatial.spatial and plain.kind("regularizer") == "l1"
                ]
            for one, other in pairs:
                duplicate = (one.label, other.label) in chosen or (other.label, one.label) in chosen
                if one.identity(family) != other.identity(family) and not duplicate:
                    chosen[one.label, other.label] = Contrast(one, other, family)
    if not chosen:
        first, *others = samples
        return [Contrast(first, second, "") for second in others]
    return list(chosen.values())


@dataclass(frozen=True)
class Pairing:
    """The networks of two samples that are compared.

    Parameters
    ----------
    selection
        Rule by which networks were chosen, one of `SELECTIONS`.
    first, second
        Indices of the networks in their samples' tables.
    paired
        Whether network `k` of the first is matched with network `k` of the second.
    reason
        Why no networks could be chosen; empty otherwise.
    """

    selection: str
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    paired: bool
    reason: str = ""


def pairings(contrast: Contrast) -> list[Pairing]:
    """Select the networks of a contrast in three ways: those that pass, at equal strength, and at equal total weight.

    Networks are paired by strength whether or not they pass, which avoids a selection effect; pairs of equal total
    weight must pass. No network is in two pairs, and the sum of the differences within pairs is minimal.
    """
    one, other = contrast.first, contrast.second
    passing_one, passing_other = np.flatnonzero(one.passes), np.flatnonzero(other.passes)
    selected = [Pairing("passing", passing_one, passing_other, paired=False)]
    strength, other_strength = (_logarithm(sample.table["strength"]) for sample in (one, other))
    reason = _strengths_differ(one, other)
    if not reason and not np.isfinite([*strength, *other_strength]).all():
        reason = "some networks have no single strength, such as those with a sum of penalties"
    none = np.empty(0, dtype=np.int64)
    pairs = (none, none) if reason else match_pairs(strength, other_strength, STRENGTH_TOLERANCE)
    selected.append(Pairing("equal strength", *pairs, paired=True, reason=reason))
    if "total_weight" in one.table and "total_weight" in other.table:
        total, other_total = (
            _logarithm(sample.table["total_weight"].sel(epoch=sample.epoch)[networks])
            for sample, networks in ((one, passing_one), (other, passing_other))
        )
        first, second = match_pairs(total, other_total, WEIGHT_TOLERANCE)
        selected.append(Pairing("equal total weight", passing_one[first], passing_other[second], paired=True))
    return selected


def _logarithm(values: xr.DataArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(values.to_numpy().astype(np.float64), MIN_VALUE)))


def _strengths_differ(one: Sample, other: Sample) -> str:
    """Return why equal strengths are not comparable; empty if they are."""
    if one.identity("regularizer") != other.identity("regularizer"):
        return "the penalties differ, so equal strengths are not comparable"
    rescale, other_rescale = (sample.blocks["geometry"].get("rescale", "none") for sample in (one, other))
    means = [sample.geometry.mean_distance * sample.geometry.steps_per_unit for sample in (one, other)]
    equal = rescale == other_rescale != "none" or abs(np.log(means[0] / means[1])) <= np.log1p(STRENGTH_TOLERANCE)
    if not one.spatial or equal:
        return ""
    return (
        f"the mean distances are {means[0]:.3g} and {means[1]:.3g} steps (rescale: {rescale} and {other_rescale}), "
        "so equal strengths are not comparable"
    )


def match_pairs(one: FloatArray, other: FloatArray, tolerance: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pair numbers, given as logarithms, whose relative difference is within a tolerance.

    The number of pairs is maximal; among the solutions with that many pairs, the sum of their differences is minimal.
    """
    from scipy.optimize import linear_sum_assignment

    difference = np.abs(one[:, None] - other[None, :])
    largest = float(np.log1p(tolerance))
    too_far = difference > largest + 1e-12
    # one pair beyond the tolerance costs more than all pairs within it together
    first, second = linear_sum_assignment(np.where(too_far, 1 + difference.size * max(largest, 1e-12), difference))
    kept = ~too_far[first, second]
    return first[kept].astype(np.int64), second[kept].astype(np.int64)
