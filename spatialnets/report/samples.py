"""What is compared: groups of networks, which of them, and which with which."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spatialnets.building import Builder, brief
from spatialnets.declaration import BLOCKS, from_plain
from spatialnets.errors import RunError, UserError
from spatialnets.protocols import PAPER_GRID, Analysis, FloatArray
from spatialnets.registry import name_of
from spatialnets.report.measured import measured, passing, scored_epoch
from spatialnets.run import Run, StoredGeometry

__all__ = ["SELECTIONS", "Contrast", "Pairing", "Sample", "contrasts", "differing", "pairings", "samples_of"]

SELECTIONS = ("passing", "equal strength", "equal total weight")
STRENGTHS_APART = 0.05  # two strengths within 5 % are equal
WEIGHTS_APART = 0.1  # two total weights within 10 % are equal
LEAST = 1e-30  # of what a logarithm is taken
BLIND = ("l1", "l2", "communicability")  # penalties that know nothing of distances


@dataclass(frozen=True)
class Sample:
    """One group of networks in a comparison.

    Parameters
    ----------
    label
        What it is called.
    run, group
        Where it is.
    blocks
        The declaration of its parts, by family.
    table
        All measures, over ``(network, epoch)``; lengths in steps, of which the mean distance has as many as on the
        paper's grid.
    geometry
        Where its units live.
    epoch
        At which networks are compared, the same for all samples.
    """

    label: str
    run: Run
    group: str
    blocks: Mapping[str, Any]
    table: xr.Dataset
    geometry: StoredGeometry
    epoch: int

    @property
    def passes(self) -> NDArray[np.bool_]:
        """Which networks have learned the task, ``(network,)``."""
        return passing(self.table, self.epoch)

    @property
    def blind(self) -> bool:
        """Whether its networks know nothing of distances: they are the same on every geometry of as many units."""
        return _is_blind(self.blocks["regularizer"])

    @property
    def measures(self) -> list[str]:
        """The names of all measures."""
        return [str(name) for name in self.table.data_vars]

    def kind(self, family: str) -> str:
        """Return the kind of a part, such as ``"cortex"``."""
        return str(self.blocks[family].get("kind", family))

    def identity(self, family: str) -> str:
        """Return all that shapes a part but its strength, to tell whether two samples share it."""
        return json.dumps(_without_strength(self.blocks[family]), sort_keys=True)

    def values(self, measures: Sequence[str], epochs: Sequence[int]) -> FloatArray:
        """Return measures ``(measure, epoch, network)``."""
        part = self.table.sel(epoch=list(epochs))
        return np.stack([part[name].transpose("epoch", "network").to_numpy().astype(np.float64) for name in measures])


def _is_blind(block: Mapping[str, Any]) -> bool:
    parts = [*block.get("factors", ()), *block.get("terms", ())]
    return all(map(_is_blind, parts)) if parts else block.get("kind") in BLIND


def _without_strength(block: Any) -> Any:
    if isinstance(block, dict):
        return {key: _without_strength(value) for key, value in block.items() if key != "strength"}
    return [_without_strength(item) for item in block] if isinstance(block, list) else block


# Scores of training say nothing of structure, and two measures of the paper's code come in better ones
LEFT_OUT = {
    "accuracy", "loss", "validation_loss", "penalty", "passed", "communicability", "weighted_edge_length_paper",
}  # fmt: skip


def samples_of(sources: Sequence[tuple[Run, str | None]]) -> list[Sample]:
    """Return the groups to compare; a group whose networks live on several geometries is one sample for each.

    Parameters
    ----------
    sources
        Runs, each with the name of a group, or None for all of its groups.

    Groups of which nothing is computed yet are left out where a run stands for all of its groups.

    Raises
    ------
    UserError
        If there are fewer than two samples, one is given twice, or nothing of a named group is computed yet.
    """
    several = len({run.folder.resolve() for run, _ in sources}) > 1
    samples: list[Sample] = []
    for run, wanted in sources:
        table = measured(run, _analyses(run))
        table = table.drop_vars([name for name in LEFT_OUT if name in table])
        for group in run.groups if wanted is None else (wanted,):
            if any(sample.run.folder.samefile(run.folder) and sample.group == group for sample in samples):
                raise UserError(f"{run.folder}:{group} is given twice")
            own = _of_group(run, group, table, f"{run.name}: {group}" if several else group)
            if wanted is not None and not own:
                raise RunError(f"no network of group '{group}' has been computed yet in {run.folder}")
            samples += own
    if len(samples) < 2:
        found = samples[0].label if samples else "none"
        raise UserError(f"a comparison needs two groups or more, not one ({found}); write RUN:GROUP RUN:GROUP")
    epoch = min(sample.epoch for sample in samples)
    return [replace(sample, epoch=epoch) for sample in _with_different_labels(samples)]


def _of_group(run: Run, group: str, table: xr.Dataset, label: str) -> list[Sample]:
    """Return the samples of one group: one for each geometry on which there are networks."""
    geometries = run.geometries_of(group)  # says which groups there are
    member = table["group"].to_numpy() == group
    samples = []
    for numbers, declared, geometry in geometries:
        own = table.isel(network=np.flatnonzero(member & np.isin(table["network"].to_numpy(), numbers)))
        if not own.sizes["network"]:
            continue
        if "weighted_edge_length" in own:
            steps = PAPER_GRID["mean"] / geometry.mean_distance
            own = own.assign(weighted_edge_length=own["weighted_edge_length"] * steps)
        blocks = {**{family: run.declaration["groups"][group][family] for family in BLOCKS}, "geometry": declared}
        where = f" ({brief('geometry', declared)})" if len(geometries) > 1 else ""
        samples.append(Sample(label + where, run, group, blocks, own, geometry, scored_epoch(own)))
    return samples


def _with_different_labels(samples: list[Sample]) -> list[Sample]:
    """Tell samples of one label apart: by as many of their folders' last names as it takes, else by number."""
    where = [(sample.label, sample.run.folder.resolve()) for sample in samples]
    several = Counter(label for label, _ in set(where))  # in how many folders a label is
    depth = 1
    while len({(label, folder.parts[-depth:]) for label, folder in where}) < len(set(where)):
        depth += 1
    labels = [f"{label} ({Path(*folder.parts[-depth:])})" if several[label] > 1 else label for label, folder in where]
    numbered = [
        f"{label}, {labels[:place].count(label) + 1}" if labels.count(label) > 1 else label
        for place, label in enumerate(labels)
    ]
    return [replace(sample, label=label) for sample, label in zip(samples, numbered, strict=True)]


def _analyses(run: Run) -> dict[str, Analysis]:
    problems: list[str] = []
    built = [
        Builder(problems, {}).build("analysis", from_plain(block, str(run.folder / "experiment.yaml")), "analyses")
        for block in run.declaration.get("analyses", [])
    ]
    if problems:
        raise UserError("\n".join(problems))
    return {name_of("analysis", type(part)).rpartition(":")[2]: part for part in built}


# Which with which


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
        reason = "" if defined else "the penalty is a sum, which has no strength of its own"
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
