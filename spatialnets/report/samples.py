"""What is compared: groups of networks, each with its measures and its geometry."""

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

from spatialnets.engines.engine import Engine
from spatialnets.errors import RunError, UserError
from spatialnets.experiments.blocks import Builder, brief
from spatialnets.experiments.declaration import BLOCKS, from_plain
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.progress import Progress
from spatialnets.protocols import Analysis, FloatArray
from spatialnets.registry import name_of
from spatialnets.report.measured import measured, passing, scored_epoch
from spatialnets.runs.run import Run

__all__ = ["Sample", "samples_of"]

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


def samples_of(
    sources: Sequence[tuple[Run, str | None]], progress: Progress | None = None, engine: Engine | None = None
) -> list[Sample]:
    """Return the groups to compare; a group whose networks live on several geometries is one sample for each.

    Parameters
    ----------
    sources
        Runs, each with the name of a group, or None for all of its groups.
    progress, engine
        Where to report on what is still to be measured, and where that is done; by default on this machine.

    Groups of which nothing is computed yet are left out where a run stands for all of its groups.

    Raises
    ------
    UserError
        If there are fewer than two samples, one is given twice, or nothing of a named group is computed yet.
    """
    several = len({run.folder.resolve() for run, _ in sources}) > 1
    samples: list[Sample] = []
    for run, wanted in sources:
        table = measured(run, _analyses(run), progress=progress, engine=engine)
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
    for sample in samples:
        if epoch not in sample.table["epoch"]:
            raise UserError(f"{sample.label} has no epoch {epoch}, at which the others can be compared")
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
            own = own.assign(weighted_edge_length=own["weighted_edge_length"] * geometry.paper_steps_per_unit)
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
    builder, mark = Builder(problems, {}, run.trusted), str(run.folder / "experiment.yaml")
    built = [
        builder.build("analysis", from_plain(block, mark), "analyses") for block in run.declaration.get("analyses", [])
    ]
    if problems:
        raise UserError("\n".join(problems))
    return {name_of("analysis", type(part)).rpartition(":")[2]: part for part in built}
