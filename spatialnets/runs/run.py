"""A run: a folder of trained networks that anyone can read, years later, with nothing but netCDF."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import h5py
import numpy as np
import xarray as xr

from spatialnets.experiments.declaration import AXES
from spatialnets.errors import RunError, nearest
from spatialnets.files.reading import UnfitFile, words_of
from spatialnets.files.limits import check_hdf5
from spatialnets.runs.metadata import check_inside, check_stored, declaration_of, plan_of, provenance_of
from spatialnets.files.netcdf import DamagedFile, opened_dataset, read_dataset, write_dataset
from spatialnets.protocols import PAPER_GRID
from spatialnets.paper import scored_among
from spatialnets.runs.shards import check_shard
from spatialnets.files.atomic import damage, digest_of, write_text
from spatialnets.networks.stored_geometry import StoredGeometry

if TYPE_CHECKING:
    import networkx as nx

    from spatialnets.experiments.experiment import Experiment
    from spatialnets.experiments.group import Networks
    from spatialnets.runs.plain_network import PlainNetwork
    from spatialnets.report.comparison import Comparison

__all__ = ["GroupGeometry", "Run", "ShardRecord"]

Measure: TypeAlias = Callable[[xr.Dataset], xr.Dataset]
"""What `Run.map` calls with each shard."""

SCORES = ("accuracy", "validation_accuracy", "loss", "validation_loss", "penalty")


class GroupGeometry(NamedTuple):
    """One of the geometries of a group.

    Parameters
    ----------
    networks
        The numbers of the networks that live there.
    declared
        Its block, every default written out.
    geometry
        As it was when the run began.
    """

    networks: tuple[int, ...]
    declared: Mapping[str, Any]
    geometry: StoredGeometry


@dataclass(frozen=True)
class ShardRecord:
    """One shard of a run's plan: which networks of which group it holds, on which geometry, and where it is."""

    index: int
    group: str
    networks: tuple[int, ...]
    path: Path
    geometry: str = ""

    @property
    def done(self) -> bool:
        """Whether the shard has been computed."""
        return self.path.exists()


class Run:
    """A folder of trained networks.

    ``run["sernn"]`` is a group as `xarray.Dataset` with dimensions ``(network, epoch, pre, post)``; `scores` is
    the same without weights; `map` goes through all groups shard by shard without holding all of them.

    The folder holds ``experiment.yaml`` (the whole declaration), ``provenance.json`` (versions, times, machine),
    ``plan.json`` (which networks are in which shard), ``geometries/*.npz``, ``shards/*.nc``, ``analyses/*.nc``
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
        self._mapper = mapper or _one_after_another
        self.shards = tuple(
            ShardRecord(
                index=entry["index"],
                group=entry["group"],
                networks=tuple(entry["networks"]),
                path=folder / "shards" / f"{entry['index']:05d}.nc",
                geometry=entry.get("geometry", ""),
            )
            for entry in plan["shards"]
        )

    @classmethod
    def open(cls, path: str | Path, trusted: bool = False) -> Run:
        """Open a run, finished or not. Nothing is imported that its files name.

        Parameters
        ----------
        path
            The run's folder.
        trusted
            Whether code that it names (``module:Class``, not parts of installed packages) is imported when its parts
            are asked for, to go on with it, to measure or to rebuild its networks.

        Raises
        ------
        RunError
            If the folder does not exist, is no run or cannot be read.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise RunError(f"there is no run folder {folder}")
        declaration, plan = declaration_of(folder), plan_of(folder)
        unknown = sorted({entry["group"] for entry in plan["shards"]} - set(declaration["groups"]))
        if unknown:
            raise RunError(f"{folder} is damaged: plan.json has a group '{unknown[0]}' that experiment.yaml has not")
        return cls(folder, declaration, plan, trusted=trusted)

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
        return tuple(dict.fromkeys(shard.group for shard in self.shards))

    @property
    def provenance(self) -> dict[str, Any]:
        """Versions, machine and times (``provenance.json``)."""
        try:
            content = provenance_of(self.folder)
            if content.pop("checksum", "") not in ("", _digest_of_content(content)):  # older runs have none
                raise RunError(f"{self.folder} is damaged: provenance.json does not match its checksum")
        except RunError as error:
            raise RunError(f"{error}; `spatialnets resume {self.folder}` begins it anew") from error
        return content

    @property
    def imported(self) -> bool:
        """Whether its networks were trained elsewhere, as far as its provenance can be read."""
        try:
            return "imported" in self.provenance
        except RunError:
            return False

    @property
    def missing(self) -> tuple[ShardRecord, ...]:
        """The shards that are still to be computed."""
        return tuple(shard for shard in self.shards if not shard.done)

    @property
    def finished(self) -> bool:
        """Whether every network has been computed."""
        return not self.missing

    def geometry(self, name: str) -> StoredGeometry:
        """Return a geometry as it was when the run began."""
        path = self.folder / "geometries" / f"{name}.npz"
        check_inside(self.folder, path)
        return StoredGeometry.read(path)

    def geometries_of(self, group: str) -> list[GroupGeometry]:
        """Return the geometries of a group: one, unless a field of its geometry is an axis.

        Of a run of version 0.1 those that no network has been computed on are not known, and left out.

        Raises
        ------
        RunError
            If there is no such group, a file cannot be read, or the run is of version 0.1 and has several geometries
            in a group, which its plan does not tell apart.
        """
        if group not in self.groups:
            raise RunError(f"this run has no group '{group}': {nearest(group, self.groups)}")
        shards = [shard for shard in self.shards if shard.group == group]
        numbers: dict[str, tuple[int, ...]] = {}
        for shard in shards:
            numbers[shard.geometry] = numbers.get(shard.geometry, ()) + shard.networks
        if "geometries" in self.plan:
            declared = self.plan["geometries"]
            return [GroupGeometry(own, declared[name], self.geometry(name)) for name, own in numbers.items()]
        block = self.declaration["groups"][group]["geometry"]
        if _has_axis(block):
            raise RunError(
                f"{self.folder} is of an earlier version, whose plan does not say which networks of group '{group}' "
                "live on which of its geometries; train them anew to compare or report them"
            )
        done = next((shard for shard in shards if shard.done), None)
        if done is None:
            return []
        data = self.load_shard(done)
        known = StoredGeometry(
            data["position"].to_numpy(), data["distances"].to_numpy(), str(data.attrs["length_unit"])
        )
        # nothing was rescaled then; on the paper's grid that is the same as by its mean
        rescale = "mean" if math.isclose(known.mean_distance, PAPER_GRID["mean"], rel_tol=1e-6) else "none"
        own = tuple(number for shard in shards for number in shard.networks)
        return [GroupGeometry(own, {**block, "rescale": rescale}, known)]

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
        raise RunError(f"{self.folder} knows no geometry of a network{which} of group '{group}'")

    def write_geometry(self, name: str, geometry: StoredGeometry) -> None:
        """Store a geometry."""
        geometry.write(self.folder / "geometries" / f"{name}.npz")

    # Shards

    def check(self, shard: ShardRecord) -> None:
        """Make sure that a computed shard is what was written, without loading it.

        Raises
        ------
        DamagedFile
            If it does not match its checksum, is no netCDF file, or holds other networks than planned.
        RunError
            If the system does not let it be read.
        """
        try:
            check_stored(self.folder, shard.path)
            reason = damage(shard.path)
            if not reason:
                check_hdf5(shard.path)
                with h5py.File(shard.path, "r") as file:
                    found = np.asarray(file["network"]).tolist()
                    group = file.attrs.get("group", shard.group)
                reason = self._mistaken(shard, found, group)
        except RunError:
            raise
        except Exception as error:  # readers of broken files raise whatever they stumble over
            if isinstance(error, OSError) and error.errno is not None:  # the disk's fault or a right's, not the file's
                raise RunError(f"shard {shard.path} cannot be read: {error.strerror or error}") from error
            raise self._damaged(shard, words_of(error)) from error
        if reason:
            raise self._damaged(shard, reason)

    @staticmethod
    def _mistaken(shard: ShardRecord, found: list[int], group: str) -> str:
        """Say that a file holds other networks than a shard; nothing if it does not."""
        if found == list(shard.networks) and group == shard.group:
            return ""
        return f"it holds networks {found} of group '{group}', expected {list(shard.networks)} of '{shard.group}'"

    def _damaged(self, shard: ShardRecord, reason: str) -> DamagedFile:
        if self.imported:
            cure = "Put it back from a copy, or import these networks again: spatialnets import"
        else:
            cure = f"`spatialnets resume {self.folder}` sets it aside and computes its networks anew"
        return DamagedFile(shard.path, reason, f"it was cut short or changed since it was written. {cure}")

    def load_shard(self, shard: ShardRecord, scores_only: bool = False) -> xr.Dataset:
        """Load one computed shard.

        Raises
        ------
        DamagedFile
            If it does not match its checksum, cannot be read, or holds other networks than planned.
        """
        try:
            check_stored(self.folder, shard.path)
            with opened_dataset(shard.path) as dataset:
                check_shard(dataset, shard.networks, SCORES)
                if dataset.attrs.get("group", shard.group) != shard.group:
                    raise ValueError(f"it is of group '{dataset.attrs['group']}', expected '{shard.group}'")
                if scores_only:
                    errors = [name for name in ("penalty_standard_error",) if name in dataset]
                    dataset = dataset[[*SCORES, *errors, "status", "reason"]]
                return dataset.load()
        except DamagedFile as error:
            raise self._damaged(shard, error.reason) from error
        except UnfitFile as error:
            raise self._damaged(shard, str(error)) from error

    def write_shard(self, shard: ShardRecord, dataset: xr.Dataset) -> None:
        """Store one computed shard and its checksum."""
        write_dataset(shard.path, dataset)

    def digest(self, shard: ShardRecord) -> str:
        """Return the SHA-256 of a computed shard, by which its contents are known whatever its time says.

        Raises
        ------
        RunError
            If it cannot be read.
        """
        try:
            return digest_of(shard.path)
        except OSError as error:
            raise self._damaged(shard, str(error.strerror or error)) from error

    def _done(self, group: str) -> list[ShardRecord]:
        if group not in self.groups:
            raise RunError(f"this run has no group '{group}': {nearest(group, self.groups)}")
        return [shard for shard in self.shards if shard.group == group and shard.done]

    def _group(self, group: str, scores_only: bool) -> xr.Dataset:
        parts = [self.load_shard(shard, scores_only) for shard in self._done(group)]
        if not parts:
            raise RunError(f"no network of group '{group}' has been computed yet in {self.folder}")
        sizes = {tuple(part.sizes.get(name) for name in ("epoch", "gate", "pre", "post")) for part in parts}
        if len(sizes) > 1:
            raise RunError(
                f"the networks of group '{group}' differ in size; use run.map(function) or run.load_shard(shard)"
            )
        return _concatenate(parts)

    def __getitem__(self, group: str) -> xr.Dataset:
        """Load a group: weights ``(network, epoch, pre, post)``, scores, strengths, seeds, positions.

        Raises
        ------
        RunError
            If there is no such group, nothing of it is computed yet, or a shard cannot be read.
        """
        return self._group(group, scores_only=False)

    def scores(self, group: str) -> xr.Dataset:
        """Load accuracy, loss, penalty and status of a group, without weights."""
        return self._group(group, scores_only=True)

    def map(self, function: Measure, scores_only: bool = False) -> xr.Dataset:
        """Apply a function to every computed shard, one at a time, and join the results along ``network``.

        Parameters
        ----------
        function
            Takes a shard as `__getitem__` gives it and returns variables over ``(network, epoch)``.
        scores_only
            Whether the function needs scores and status alone: the weights are then not read.

        Returns
        -------
        xarray.Dataset
            All networks of all groups, with coordinates ``group``, ``network`` (the number within the group),
            ``strength``, ``seed`` and one for each declared axis.
        """
        parts = list(self._mapper(self, function, scores_only))
        if not parts:
            raise RunError(f"no network has been computed yet in {self.folder}")
        return _concatenate(parts)

    def apply(self, shard: ShardRecord, function: Measure, scores_only: bool = False) -> xr.Dataset:
        """Apply a function to one computed shard; arguments and result as those of `map`."""
        dataset = self.load_shard(shard, scores_only)
        part = function(dataset)
        along = {
            name: coordinate
            for name, coordinate in dataset.coords.items()
            if coordinate.dims == ("network",) and name != "network"
        }
        return part.assign_coords(along).assign_coords(
            network=dataset["network"], group=("network", [shard.group] * len(shard.networks))
        )

    def mapped_by(self, mapper: Callable[[Run, Measure, bool], Iterable[xr.Dataset]]) -> Run:
        """Return the same run, whose `map` gets the result of each shard from a function such as
        `spatialnets.engines.measure.Measuring`.
        """  # noqa: D205
        return Run(self.folder, self.declaration, self.plan, mapper, self.trusted, self._experiment)

    def of(self, experiment: Experiment) -> Run:
        """Return the same run, whose parts are those of an experiment, whatever its own file names."""
        return Run(self.folder, self.declaration, self.plan, self._mapper, self.trusted, experiment)

    def experiment(self) -> Experiment:
        """Return the experiment that the run was made from.

        Raises
        ------
        DeclarationError
            If a part is not installed, or is code that is not trusted (see `open`).
        """
        if self._experiment is None:
            from spatialnets.experiments.experiment import Experiment

            self._experiment = Experiment.from_run(self.folder, self.trusted)
        return self._experiment

    def parts(self, group: str, network: int) -> Networks:
        """Return core, task, regularizer, training and geometry of a network, as they were declared.

        Raises
        ------
        RunError
            If there is no such network.
        DeclarationError
            If a part is no longer installed, or is code that is not trusted.
        """
        groups = self.experiment().groups
        for networks in groups[group].ensembles if group in groups else ():
            if network in networks.numbers:
                return networks
        raise RunError(f"{self.folder} has no network {network} of group '{group}'")

    # Checkpoints

    def checkpoint(self, index: int) -> Path:
        """Return where the unfinished shard keeps what it has computed so far."""
        return self.folder / "checkpoints" / f"{index:05d}.npz"

    # Analyses

    def measurements(self) -> tuple[str, ...]:
        """Return the names of the analyses that have been stored."""
        return tuple(sorted(path.stem for path in (self.folder / "analyses").glob("*.nc")))

    def measurement(self, name: str) -> xr.Dataset:
        """Load a stored analysis."""
        path = self.folder / "analyses" / f"{name}.nc"
        if not path.exists():
            raise RunError(f"this run has no analysis '{name}': {nearest(name, self.measurements())}")
        try:
            check_stored(self.folder, path)
            return read_dataset(path)
        except (DamagedFile, UnfitFile) as error:
            reason = error.reason if isinstance(error, DamagedFile) else str(error)
            raise DamagedFile(
                path, reason, f"`spatialnets report {self.folder}` measures it anew if the experiment asks for it"
            ) from error

    def write_measurement(self, name: str, dataset: xr.Dataset) -> None:
        """Store an analysis and its checksum."""
        write_dataset(self.folder / "analyses" / f"{name}.nc", dataset)

    def compare(self, *others: Run | str | tuple[Run, str], out: str | Path | None = None) -> Comparison:
        """Compare groups of networks, of this run and perhaps of others.

        Parameters
        ----------
        others
            Names of groups of this run (by default all of them); other runs, all of their groups; or other runs each
            with the name of a group.
        out
            A folder for ``comparison.html``, figures and tables; by default nothing is written.

        Returns
        -------
        spatialnets.report.comparison.Comparison
            Means, effects with intervals, nulls and maps, as tables.

        Examples
        --------
        >>> grid, cortex = Run.open("runs/grid"), Run.open("runs/cortex")  # doctest: +SKIP
        >>> grid.compare("sernn", (cortex, "sernn")).effects  # doctest: +SKIP
        """
        from spatialnets.report.comparison import compare
        from spatialnets.report.comparison_page import write_comparison
        from spatialnets.report.samples import samples_of

        named = [other for other in others if isinstance(other, str)]
        own: list[tuple[Run, str | None]] = [(self, name) for name in named] or [(self, None)]
        rest = [other if isinstance(other, tuple) else (other, None) for other in others if not isinstance(other, str)]
        found = compare(samples_of([*own, *rest]))
        if out is not None:
            write_comparison(found, Path(out))
        return found

    def network(self, group: str, network: int, epoch: int | None = None) -> xr.Dataset:
        """Load one network at one epoch, as `__getitem__` gives it, with both dimensions of size 1.

        Parameters
        ----------
        group, network
            Which network.
        epoch
            When; by default at epoch 9, or the last one before.

        Raises
        ------
        RunError
            If there is no such network or epoch, or the network diverged.
        """
        record = next((shard for shard in self._done(group) if network in shard.networks), None)
        if record is None:
            raise RunError(f"{self.folder} has no network {network} of group '{group}', or has not computed it yet")
        data = self.load_shard(record).sel(network=[network])
        known = data["epoch"].to_numpy().tolist()
        if epoch is None:
            epoch = scored_among(known)
        if epoch not in known:
            raise RunError(f"{self.folder} has no epoch {epoch} of group '{group}'; it has {known}")
        data = data.sel(epoch=[epoch])
        if not np.isfinite(data["weights"].to_numpy()).all():
            raise RunError(
                f"network {network} of group '{group}' has no weights at epoch {epoch}: {data['reason'].item()}"
            )
        return data

    def to_torch(self, group: str, network: int, epoch: int | None = None) -> PlainNetwork:
        """Return one network as a plain module of torch; arguments and result as those of `spatialnets.to_torch`."""
        from spatialnets.runs.plain_network import to_torch

        return to_torch(self, group, network, epoch)

    def to_networkx(self, group: str, network: int, epoch: int | None = None) -> nx.DiGraph:
        """Return one network as a directed graph of networkx, an edge from pre to post for each weight that is not 0.

        Parameters
        ----------
        group, network
            Which network.
        epoch
            When; by default at epoch 9, or the last one before.

        Returns
        -------
        networkx.DiGraph
            As `spatialnets.runs.export.graph_of` describes it.

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
        """Store versions, machine and times."""
        # inside the file, not beside it: what changes with every sitting must not be without its old state for a moment
        content = {**provenance, "checksum": _digest_of_content(provenance)}
        write_text(self.folder / "provenance.json", json.dumps(content, indent=2) + "\n")


def _digest_of_content(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _one_after_another(run: Run, function: Measure, scores_only: bool) -> Iterable[xr.Dataset]:
    return (run.apply(shard, function, scores_only) for shard in run.shards if shard.done)


def _concatenate(parts: list[xr.Dataset]) -> xr.Dataset:
    """Join along network; what does not vary by network is taken from the first part."""
    along = {name: part[name] for part in parts for name in part.coords if part[name].dims == ("network",)}
    completed = []
    for part in parts:
        absent = {name: coordinate for name, coordinate in along.items() if name not in part.coords}
        fill = {
            name: ("network", [np.nan if coordinate.dtype.kind in "iuf" else ""] * part.sizes["network"])
            for name, coordinate in absent.items()
        }
        completed.append(part.assign_coords(fill))
    flags = {str(name): False for part in parts for name in part.data_vars if part[name].dtype == bool}
    return xr.concat(
        completed,
        dim="network",
        data_vars="minimal",
        coords="minimal",
        compat="override",
        join="outer",  # groups may differ in epochs; what is not there is NaN, or False
        fill_value={**dict.fromkeys(map(str, parts[0].data_vars), np.nan), **flags},
    )


def _has_axis(block: Any) -> bool:
    """Tell whether a value somewhere in a declaration is an axis."""
    if isinstance(block, Mapping):
        return (len(block) == 1 and next(iter(block)) in AXES) or any(map(_has_axis, block.values()))
    return isinstance(block, list) and any(map(_has_axis, block))
