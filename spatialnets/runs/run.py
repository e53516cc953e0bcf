"""Run: a folder of trained networks, which can be read with this class or with any netCDF library."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import xarray as xr

from spatialnets.errors import RunError, nearest
from spatialnets.experiments.experiment import Experiment
from spatialnets.experiments.group import EnsembleSpec
from spatialnets.files.netcdf import DamagedFile, read_dataset, write_dataset
from spatialnets.files.reading import InvalidFile
from spatialnets.files.yaml_nodes import from_plain
from spatialnets.networks.stored_geometry import StoredGeometry
from spatialnets.paper import select_epoch
from spatialnets.runs.metadata import (
    check_inside,
    check_stored,
    declaration_of,
    is_imported,
    provenance_of,
    write_provenance,
)
from spatialnets.runs.plan import indices_in, plan_of, planned_records
from spatialnets.runs.shards import ShardRecord, concatenate

if TYPE_CHECKING:
    import networkx as nx

    from spatialnets.report.comparison import Comparison
    from spatialnets.runs.plain_network import PlainNetwork

__all__ = ["GroupGeometry", "Measure", "Run"]

Measure: TypeAlias = Callable[[xr.Dataset], xr.Dataset]
"""A function that `Run.map` applies to each shard."""


class GroupGeometry(NamedTuple):
    """One of the geometries of a group.

    Parameters
    ----------
    networks
        Numbers of the networks on this geometry.
    declared
        Its declaration, with all defaults.
    geometry
        The geometry as it was when the run began.
    """

    networks: tuple[int, ...]
    declared: Mapping[str, Any]
    geometry: StoredGeometry


class Run:
    """A folder of trained networks.

    ``run["sernn"]`` is a group as `xarray.Dataset` with dimensions ``(network, epoch, pre, post)``; `scores` returns
    the same without weights; `map` goes through all groups shard by shard, without loading all at once.

    The folder holds ``experiment.yaml`` (the whole declaration), ``provenance.json`` (versions, times, machine),
    ``plan.json`` (how the networks are divided into shards), ``geometries/*.npz``, ``shards/*.nc``, ``analyses/*.nc``
    and, once reported, ``report.html``, ``metrics.csv`` and ``figures/``.

    Examples
    --------
    >>> from spatialnets import Run
    >>> run = Run.open("runs/sernn_paper-1a2b3c4d")  # doctest: +SKIP
    >>> run["sernn"].weights.sel(network=3, epoch=9)  # doctest: +SKIP
    """

    def __init__(
        self,
        folder: Path,
        declaration: Mapping[str, Any],
        plan: Mapping[str, Any],
        mapper: Callable[[Run, Measure, bool], Iterable[xr.Dataset]] | None = None,
        trusted: bool = False,
        experiment: Experiment | None = None,
    ) -> None:
        self.folder = folder
        self.declaration = declaration
        self.plan = plan
        self.trusted = trusted
        self._experiment = experiment
        self._mapper = mapper or _serially
        self.shards = planned_records(folder, plan)

    @classmethod
    def open(cls, path: str | Path, trusted: bool = False) -> Run:
        """Open a run, finished or not; opening a run never imports code.

        Parameters
        ----------
        path
            The run folder.
        trusted
            Whether code that it names (``module:Class``) may be imported when its components are needed, to continue,
            measure or rebuild it. Components of installed packages are always imported.

        Raises
        ------
        RunError
            If the folder does not exist, is not a run or cannot be read.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise RunError(f"there is no run folder {folder}")
        declaration, plan = declaration_of(folder), plan_of(folder)
        run = cls(folder, declaration, plan, trusted=trusted)
        unknown = sorted(set(run.groups) - set(declaration["groups"]))
        if unknown:
            raise RunError(
                f"{folder} is damaged: plan.json has a group '{unknown[0]}' that experiment.yaml does not have"
            )
        return run

    def __repr__(self) -> str:
        done = sum(len(shard.networks) for shard in self.shards if shard.done)
        total = sum(len(shard.networks) for shard in self.shards)
        return f"<Run {self.name!r} in {self.folder}: {done} of {total} networks, groups {', '.join(self.groups)}>"

    @property
    def name(self) -> str:
        """The experiment's name."""
        return str(self.declaration["name"])

    @property
    def groups(self) -> tuple[str, ...]:
        """The groups' names, in their declared order."""
        return tuple(dict.fromkeys(ensemble.group for ensemble in self.shards.ensembles))

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, machine and times (``provenance.json``)."""
        try:
            return provenance_of(self.folder)
        except RunError as error:
            raise RunError(f"{error}; `spatialnets resume {self.folder}` writes a new one") from error

    @property
    def imported(self) -> bool:
        """Whether its networks were trained elsewhere; False if its provenance cannot be read."""
        return is_imported(self.folder)

    def stored(self) -> list[int]:
        """Return the indices of the shards that have been computed, from one listing of their folder."""
        return [index for index in indices_in(self.folder / "shards", ".nc") if index < len(self.shards)]

    @property
    def missing(self) -> tuple[ShardRecord, ...]:
        """The shards that have not been computed."""
        stored = set(self.stored())
        return tuple(self.shards[index] for index in range(len(self.shards)) if index not in stored)

    @property
    def finished(self) -> bool:
        """Whether every network has been computed."""
        return len(self.stored()) == len(self.shards)

    def geometry(self, name: str) -> StoredGeometry:
        """Return a geometry as it was when the run began."""
        path = self.folder / "geometries" / f"{name}.npz"
        check_inside(self.folder, path)
        return StoredGeometry.read(path)

    def geometries_of(self, group: str) -> list[GroupGeometry]:
        """Return the geometries of a group: one, unless a field of its geometry is an axis.

        Raises
        ------
        RunError
            If there is no such group, or a file cannot be read.
        """
        self._require_group(group)
        numbers: dict[str, tuple[int, ...]] = {}
        for shard in self.shards:
            if shard.group == group:
                numbers[shard.geometry] = numbers.get(shard.geometry, ()) + shard.networks
        blocks = self.plan["geometries"]
        return [GroupGeometry(each, blocks[name], self.geometry(name)) for name, each in numbers.items()]

    def geometry_of(self, group: str, network: int | None = None) -> StoredGeometry:
        """Return the geometry of one network of a group, by default of the first.

        Raises
        ------
        RunError
            As `geometries_of`, or if there is no such network.
        """
        geometries = self.geometries_of(group)
        for one in geometries:
            if network is None or network in one.networks:
                return one.geometry
        which = "" if network is None else f" {network}"
        raise RunError(f"{self.folder} has no network{which} of group '{group}'")

    def write_geometry(self, name: str, geometry: StoredGeometry) -> None:
        """Store a geometry."""
        geometry.write(self.folder / "geometries" / f"{name}.npz")

    def _done(self, group: str) -> list[ShardRecord]:
        self._require_group(group)
        return [shard for shard in self.shards if shard.group == group and shard.done]

    def _require_group(self, group: str) -> None:
        if group not in self.groups:
            raise RunError(f"this run has no group '{group}': {nearest(group, self.groups)}")

    def _group(self, group: str, scores_only: bool) -> xr.Dataset:
        datasets = [shard.load(scores_only) for shard in self._done(group)]
        if not datasets:
            raise RunError(f"no network of group '{group}' has been computed yet in {self.folder}")
        sizes = {tuple(part.sizes.get(name) for name in ("epoch", "gate", "pre", "post")) for part in datasets}
        if len(sizes) > 1:
            raise RunError(
                f"the networks of group '{group}' differ in size; use run.map(function), or load run.shards one by one"
            )
        return concatenate(datasets)

    def __getitem__(self, group: str) -> xr.Dataset:
        """Load a group: weights ``(network, epoch, pre, post)``, scores, strengths, seeds, positions.

        Raises
        ------
        RunError
            If there is no such group, none of it has been computed yet, or a shard cannot be read.
        """
        return self._group(group, scores_only=False)

    def scores(self, group: str) -> xr.Dataset:
        """Load accuracy, loss, penalty and status of a group, without weights."""
        return self._group(group, scores_only=True)

    def map(self, function: Measure, scores_only: bool = False) -> xr.Dataset:
        """Apply a function to every computed shard, one at a time, and concatenate the results along ``network``.

        Parameters
        ----------
        function
            Takes a shard, in the form that `__getitem__` returns, and returns variables over ``(network, epoch)``.
        scores_only
            Whether the function needs only scores and status; weights are then not read.

        Returns
        -------
        xarray.Dataset
            All networks of all groups, with coordinates ``group``, ``network`` (the number within the group),
            ``strength``, ``seed`` and one coordinate for each declared axis.
        """
        parts = list(self._mapper(self, function, scores_only))
        if not parts:
            raise RunError(f"no network has been computed yet in {self.folder}")
        return concatenate(parts)

    def apply(self, shard: ShardRecord, function: Measure, scores_only: bool = False) -> xr.Dataset:
        """Apply a function to one computed shard; arguments and result as those of `map`."""
        dataset = shard.load(scores_only)
        part = function(dataset)
        coordinates = {
            name: coordinate
            for name, coordinate in dataset.coords.items()
            if coordinate.dims == ("network",) and name != "network"
        }
        return part.assign_coords(coordinates).assign_coords(
            network=dataset["network"], group=("network", [shard.group] * len(shard.networks))
        )

    def with_mapper(self, mapper: Callable[[Run, Measure, bool], Iterable[xr.Dataset]]) -> Run:
        """Return the same run with another implementation of `map`, such as that of `spatialnets.engines.measure`."""
        return Run(self.folder, self.declaration, self.plan, mapper, self.trusted, self._experiment)

    def with_experiment(self, experiment: Experiment) -> Run:
        """Return the same run with the components of an experiment instead of those that its own file names."""
        return Run(self.folder, self.declaration, self.plan, self._mapper, self.trusted, experiment)

    def experiment(self) -> Experiment:
        """Return the experiment of the run.

        Raises
        ------
        DeclarationError
            If a component is not installed, or is code that is not trusted (see `open`).
        """
        if self._experiment is None:
            root = from_plain(declaration_of(self.folder), str(self.folder / "experiment.yaml"))
            self._experiment = Experiment(root, trusted=self.trusted)
        return self._experiment

    def parts(self, group: str, network: int) -> EnsembleSpec:
        """Return the components of a network, as declared: core, task, regularizer, training and geometry.

        Raises
        ------
        RunError
            If there is no such network.
        DeclarationError
            If a component is no longer installed, or is code that is not trusted.
        """
        groups = self.experiment().groups
        for ensemble in groups[group].ensembles if group in groups else ():
            if network in ensemble.numbers:
                return ensemble
        raise RunError(f"{self.folder} has no network {network} of group '{group}'")

    def checkpoint(self, index: int) -> Path:
        """Return the checkpoint file of an unfinished shard."""
        return self.folder / "checkpoints" / f"{index:05d}.npz"

    def measurements(self) -> tuple[str, ...]:
        """Return the names of the stored analyses."""
        return tuple(sorted(path.stem for path in (self.folder / "analyses").glob("*.nc")))

    def measurement(self, name: str) -> xr.Dataset:
        """Load a stored analysis."""
        path = self.folder / "analyses" / f"{name}.nc"
        if not path.exists():
            raise RunError(f"this run has no analysis '{name}': {nearest(name, self.measurements())}")
        try:
            check_stored(self.folder, path)
            return read_dataset(path)
        except (DamagedFile, InvalidFile) as error:
            reason = error.reason if isinstance(error, DamagedFile) else str(error)
            raise DamagedFile(
                path, reason, f"`spatialnets report {self.folder}` measures it again if the experiment declares it"
            ) from error

    def write_measurement(self, name: str, dataset: xr.Dataset) -> None:
        """Store an analysis and its checksum."""
        write_dataset(self.folder / "analyses" / f"{name}.nc", dataset)

    def compare(self, *others: Run | str | tuple[Run, str], out: str | Path | None = None) -> Comparison:
        """Compare groups of this run, and of other runs; see `spatialnets.workflow.compare`.

        Parameters
        ----------
        others
            Names of groups of this run (by default all of them); other runs, with all of their groups; or other runs,
            each with the name of a group.
        out
            Folder for ``comparison.html``, figures and tables; by default nothing is written.

        Examples
        --------
        >>> grid, cortex = Run.open("runs/grid"), Run.open("runs/cortex")  # doctest: +SKIP
        >>> grid.compare("sernn", (cortex, "sernn")).effects  # doctest: +SKIP
        """
        from spatialnets.workflow import compare

        groups: list[Run | tuple[Run, str | None]] = [(self, name) for name in others if isinstance(name, str)] or [
            self
        ]
        return compare(*groups, *(other for other in others if not isinstance(other, str)), out=out)

    def network(self, group: str, network: int, epoch: int | None = None) -> xr.Dataset:
        """Load one network at one epoch, in the form that `__getitem__` returns, with `network` and `epoch` of size 1.

        Parameters
        ----------
        group, network
            Name of the group, and number of the network in it.
        epoch
            The epoch; by default 9, or the last one stored before it.

        Raises
        ------
        RunError
            If there is no such network or epoch, or the network diverged.
        """
        record = next((shard for shard in self._done(group) if network in shard.networks), None)
        if record is None:
            raise RunError(f"{self.folder} has no network {network} of group '{group}', or it is not computed yet")
        data = record.load().sel(network=[network])
        epochs = data["epoch"].to_numpy().tolist()
        if epoch is None:
            epoch = select_epoch(epochs)
        if epoch not in epochs:
            raise RunError(f"{self.folder} has no epoch {epoch} of group '{group}'; it has {epochs}")
        data = data.sel(epoch=[epoch])
        if not np.isfinite(data["weights"].to_numpy()).all():
            raise RunError(
                f"network {network} of group '{group}' has no finite weights at epoch {epoch}: {data['reason'].item()}"
            )
        return data

    def to_torch(self, group: str, network: int, epoch: int | None = None) -> PlainNetwork:
        """Return one network as an ordinary PyTorch module; arguments and result as those of `spatialnets.to_torch`."""
        from spatialnets.runs.plain_network import to_torch

        return to_torch(self, group, network, epoch)

    def to_networkx(self, group: str, network: int, epoch: int | None = None) -> nx.DiGraph:
        """Return one network as a directed NetworkX graph, with an edge from pre to post for each nonzero weight.

        Parameters
        ----------
        group, network
            Name of the group, and number of the network in it.
        epoch
            The epoch; by default 9, or the last one stored before it.

        Returns
        -------
        networkx.DiGraph
            See `spatialnets.runs.export.graph_of`.

        Raises
        ------
        RunError
            If there is no such network or epoch, or the network diverged.

        Examples
        --------
        >>> run.to_networkx("sernn", 3).edges[0, 1]["weight"]  # doctest: +SKIP
        """
        from spatialnets.runs.export import graph_of

        data = self.network(group, network, epoch).isel(network=0, epoch=0)
        weights = data["weights"].to_numpy().astype(np.float64)
        about: dict[str, str | int | float] = {
            "run": self.name,
            "group": group,
            "network": network,
            "epoch": int(data["epoch"]),
            "seed": int(data["seed"]),
        }
        strength = float(data["strength"])
        if math.isfinite(strength):
            about["strength"] = strength
        return graph_of(weights, self.geometry_of(group, network), about)

    def write_provenance(self, provenance: Mapping[str, Any]) -> None:
        """Store versions, machine and sessions."""
        write_provenance(self.folder, provenance)


def _serially(run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
    return (run.apply(shard, function, scores_only) for shard in run.shards if shard.done)
