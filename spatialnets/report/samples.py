"""Groups of networks to compare, each with its measures and its geometry."""

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

from spatialnets.aliases import FloatArray
from spatialnets.engines.engine import Engine
from spatialnets.errors import RunError, UserError
from spatialnets.experiments.blocks import Builder, brief
from spatialnets.experiments.declaration import BLOCKS
from spatialnets.files.yaml_nodes import from_plain
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.progress import Progress
from spatialnets.protocols import Analysis
from spatialnets.registry import name_of
from spatialnets.report.measured import metrics_table, passing_networks, scored_epoch
from spatialnets.runs.run import Run

__all__ = ["Sample", "samples_of"]

NON_SPATIAL = ("l1", "l2", "communicability")  # penalties that do not depend on distance


@dataclass(frozen=True)
class Sample:
    """One group of networks in a comparison.

    Parameters
    ----------
    label
        Name in tables and figures.
    run, group
        Run and group that the networks belong to.
    blocks
        Declaration of each component, by family.
    table
        All measures over ``(network, epoch)``; lengths in steps, scaled to the mean distance of the paper's grid.
    geometry
        Geometry of its units.
    epoch
        Epoch at which networks are compared, the same for all samples.
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
        """Mask of the networks that have learned the task, ``(network,)``."""
        return passing_networks(self.table, self.epoch)

    @property
    def spatial(self) -> bool:
        """Whether its penalty depends on distance; if not, its networks are the same on every geometry of its size."""
        return _is_spatial(self.blocks["regularizer"])

    @property
    def measures(self) -> list[str]:
        """Names of all measures."""
        return [str(name) for name in self.table.data_vars]

    def kind(self, family: str) -> str:
        """Return the kind of a component, such as ``"cortex"``."""
        return str(self.blocks[family].get("kind", family))

    def identity(self, family: str) -> str:
        """Return a component's declaration without its strength, as text: equal if two samples share the component."""
        return json.dumps(_without_strength(self.blocks[family]), sort_keys=True)

    def rows(self, measures: Sequence[str], epochs: Sequence[int], networks: NDArray[np.int64]) -> FloatArray:
        """Return the values of networks, by index, with one row for each measure and epoch, ``(row, network)``."""
        table = self.table.isel(network=networks).sel(epoch=list(epochs))
        return np.concatenate([table[name].transpose("epoch", "network").to_numpy() for name in measures], dtype=float)


def _is_spatial(block: Mapping[str, Any]) -> bool:
    components = [*block.get("factors", ()), *block.get("terms", ())]
    return any(map(_is_spatial, components)) if components else block.get("kind") not in NON_SPATIAL


def _without_strength(block: Any) -> Any:
    if isinstance(block, dict):
        return {key: _without_strength(value) for key, value in block.items() if key != "strength"}
    return [_without_strength(item) for item in block] if isinstance(block, list) else block


# Training scores do not describe structure, and two measures of the paper's code have better-scaled counterparts
EXCLUDED = {
    "accuracy", "loss", "validation_loss", "penalty", "passed", "communicability", "weighted_edge_length_paper",
}  # fmt: skip


def samples_of(
    sources: Sequence[tuple[Run, str | None]], progress: Progress | None = None, engine: Engine | None = None
) -> list[Sample]:
    """Return the groups to compare; a group on several geometries becomes one sample per geometry.

    Parameters
    ----------
    sources
        Runs, each with the name of a group, or with None for all groups that have trained networks.
    progress, engine
        Reports on, and computes, measures that are not stored yet; by default silently and on this machine.

    Raises
    ------
    UserError
        If there are fewer than two samples, a group is given twice, or a named group has no trained network yet.
    """
    several = len({run.folder.resolve() for run, _ in sources}) > 1
    samples: list[Sample] = []
    for run, wanted in sources:
        table = metrics_table(run, _analyses(run), progress=progress, engine=engine)
        table = table.drop_vars([name for name in EXCLUDED if name in table])
        for group in run.groups if wanted is None else (wanted,):
            if any(sample.run.folder.samefile(run.folder) and sample.group == group for sample in samples):
                raise UserError(f"{run.folder}:{group} is given twice")
            group_samples = _group_samples(run, group, table, f"{run.name}: {group}" if several else group)
            if wanted is not None and not group_samples:
                raise RunError(f"no network of group '{group}' has been trained yet in {run.folder}")
            samples += group_samples
    if len(samples) < 2:
        given = f"only one ({samples[0].label})" if samples else "none"
        raise UserError(f"a comparison needs at least two groups, got {given}; write RUN:GROUP RUN:GROUP")
    epoch = min(sample.epoch for sample in samples)
    for sample in samples:
        if epoch not in sample.table["epoch"]:
            raise UserError(f"{sample.label} has no epoch {epoch}, at which the other groups are compared")
    return [replace(sample, epoch=epoch) for sample in _with_distinct_labels(samples)]


def _group_samples(run: Run, group: str, table: xr.Dataset, label: str) -> list[Sample]:
    """Return the samples of one group: one for each geometry that has networks."""
    geometries = run.geometries_of(group)  # raises if there is no such group
    member = table["group"].to_numpy() == group
    samples = []
    for numbers, declared, geometry in geometries:
        measures = table.isel(network=np.flatnonzero(member & np.isin(table["network"].to_numpy(), numbers)))
        if not measures.sizes["network"]:
            continue
        if "weighted_edge_length" in measures:
            lengths = measures["weighted_edge_length"] * geometry.paper_steps_per_unit
            measures = measures.assign(weighted_edge_length=lengths)
        blocks = {**{family: run.declaration["groups"][group][family] for family in BLOCKS}, "geometry": declared}
        where = f" ({brief('geometry', declared)})" if len(geometries) > 1 else ""
        samples.append(Sample(label + where, run, group, blocks, measures, geometry, scored_epoch(measures)))
    return samples


def _with_distinct_labels(samples: list[Sample]) -> list[Sample]:
    """Make labels unique by adding as many trailing folder names as needed, or else a number."""
    origins = [(sample.label, sample.run.folder.resolve()) for sample in samples]
    counts = Counter(label for label, _ in set(origins))
    depth = 1
    while len({(label, folder.parts[-depth:]) for label, folder in origins}) < len(set(origins)):
        depth += 1
    labels = [f"{label} ({Path(*folder.parts[-depth:])})" if counts[label] > 1 else label for label, folder in origins]
    numbered = [
        f"{label}, {labels[:index].count(label) + 1}" if labels.count(label) > 1 else label
        for index, label in enumerate(labels)
    ]
    return [replace(sample, label=label) for sample, label in zip(samples, numbered, strict=True)]


def _analyses(run: Run) -> dict[str, Analysis]:
    problems: list[str] = []
    builder, mark = Builder(problems, {}, run.trusted), str(run.folder / "experiment.yaml")
    analyses = [
        builder.build("analysis", from_plain(block, mark), "analyses") for block in run.declaration.get("analyses", [])
    ]
    if problems:
        raise UserError("\n".join(problems))
    return {name_of("analysis", type(analysis)).rpartition(":")[2]: analysis for analysis in analyses}
