"""The shards of a run on disk: which networks each holds, how it is read, checked and written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import xarray as xr

from spatialnets.errors import RunError
from spatialnets.files.atomic import checksum_error, digest_of
from spatialnets.files.limits import check_hdf5
from spatialnets.files.netcdf import DamagedFile, read_dataset, write_dataset
from spatialnets.files.reading import InvalidFile, one_line
from spatialnets.runs.metadata import check_stored, is_imported
from spatialnets.training.shard import SCORES

__all__ = ["OUTCOMES", "ShardRecord", "check_outcomes", "concatenate"]

OUTCOMES = (*SCORES, "penalty_standard_error", "status", "reason")
"""Variables of a shard that say how training went; the standard error is there only if the penalty is estimated."""


@dataclass(frozen=True)
class ShardRecord:
    """One shard in the plan of a run.

    Parameters
    ----------
    index
        Position in the plan.
    group, networks
        Name of its group, and numbers of its networks within that group.
    path
        Its file, ``RUN/shards/<index>.nc``.
    geometry
        Name of its geometry in the run.
    """

    index: int
    group: str
    networks: tuple[int, ...]
    path: Path
    geometry: str

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.path.parents[1]

    @property
    def done(self) -> bool:
        """Whether the shard has been computed."""
        return self.path.exists()

    def check(self) -> None:
        """Check that the file is what was written, without loading it.

        Raises
        ------
        DamagedFile
            If it does not match its checksum, is not a netCDF file, or holds other networks than planned.
        RunError
            If the system refuses to read it.
        """
        try:
            check_stored(self.folder, self.path)
            reason = checksum_error(self.path)
            if not reason:
                check_hdf5(self.path)
                with h5py.File(self.path, "r") as file:
                    networks, group = np.asarray(file["network"]).tolist(), file.attrs.get("group", self.group)
                if networks != list(self.networks) or group != self.group:
                    reason = (
                        f"it holds networks {networks} of group '{group}', expected {list(self.networks)} of "
                        f"'{self.group}'"
                    )
        except RunError:
            raise
        except Exception as error:  # readers of damaged files raise many kinds of exception
            if isinstance(error, OSError) and error.errno is not None:  # a fault of the disk or a missing permission
                raise RunError(f"shard {self.path} cannot be read: {error.strerror or error}") from error
            raise self._damaged(one_line(error)) from error
        if reason:
            raise self._damaged(reason)

    def load(self, scores_only: bool = False) -> xr.Dataset:
        """Load the shard; with `scores_only`, without weights.

        Raises
        ------
        DamagedFile
            If it does not match its checksum, cannot be read, or holds other networks than planned.
        """
        try:
            check_stored(self.folder, self.path)
            return read_dataset(self.path, OUTCOMES if scores_only else None, self._check)
        except DamagedFile as error:
            raise self._damaged(error.reason) from error
        except InvalidFile as error:
            raise self._damaged(str(error)) from error

    def _check(self, dataset: xr.Dataset) -> None:
        _check_contents(dataset, self.networks)
        if dataset.attrs.get("group", self.group) != self.group:
            raise ValueError(f"it is of group '{dataset.attrs['group']}', expected '{self.group}'")

    def write(self, dataset: xr.Dataset) -> None:
        """Store the shard with its checksum."""
        write_dataset(self.path, dataset)

    def digest(self) -> str:
        """Return the SHA-256 of the file.

        Raises
        ------
        RunError
            If it cannot be read.
        """
        try:
            return digest_of(self.path)
        except OSError as error:
            raise self._damaged(str(error.strerror or error)) from error

    def _damaged(self, reason: str) -> DamagedFile:
        if is_imported(self.folder):
            advice = "Restore it from a copy, or import these networks again: spatialnets import"
        else:
            advice = f"`spatialnets resume {self.folder}` renames it and trains its networks again"
        return DamagedFile(self.path, reason, f"it was cut short or changed after it was written. {advice}")


def _check_contents(dataset: xr.Dataset, networks: Sequence[int]) -> None:
    """Raise a ValueError unless a dataset is the shard that holds these networks; weights need not be loaded."""
    for name in ("distances", "position"):
        if name not in dataset.variables:
            raise ValueError(f"it has no {name}")
    check_outcomes(dataset, networks)
    for name in ("weights", "distances"):
        if name in dataset and (dataset[name].dims[-2:] != ("pre", "post") or dataset[name].dtype.kind != "f"):
            raise ValueError(f"its {name} is {dataset[name].dtype} {dataset[name].dims}; expected (…, pre, post)")


def check_outcomes(dataset: xr.Dataset, networks: Sequence[int]) -> None:
    """Raise a ValueError unless a dataset holds the scores of these networks."""
    for name in ("network", "epoch", "strength", "seed", "status", "reason", *SCORES):
        if name not in dataset.variables:
            raise ValueError(f"it has no {name}")
    numbers = dataset["network"]
    if numbers.dims != ("network",) or numbers.to_numpy().tolist() != list(networks):
        raise ValueError("it holds other networks than planned")
    epochs = dataset["epoch"]
    if epochs.dims != ("epoch",) or epochs.dtype.kind not in "iu" or not (np.diff(epochs.to_numpy()) > 0).all():
        raise ValueError("its epochs are not whole numbers in rising order")
    if not epochs.size or int(epochs[0]) < 0:
        raise ValueError("it has no epochs, or negative ones")
    dimensions = {
        **dict.fromkeys(SCORES, ("network", "epoch")),
        **dict.fromkeys(("strength", "seed", "status", "reason"), ("network",)),
    }
    for name, expected in dimensions.items():
        variable = dataset[name]
        text = name in ("status", "reason")
        if variable.dims != expected or (variable.dtype.kind in "OUST") != text or variable.dtype.kind in "mMc":
            raise ValueError(f"its {name} is {variable.dtype} {variable.dims}; expected {expected}")


def concatenate(parts: list[xr.Dataset]) -> xr.Dataset:
    """Concatenate shards along ``network``; variables without that dimension are taken from the first."""
    joined = _join(parts)
    if joined is not None:
        return joined
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
        join="outer",  # groups may differ in epochs; missing values are NaN, or False
        fill_value={**dict.fromkeys(map(str, parts[0].data_vars), np.nan), **flags},
    )


def _join(parts: list[xr.Dataset]) -> xr.Dataset | None:
    """Join datasets that differ only along ``network``, as `concatenate` does, in a fraction of the time.

    Returns None if any has other variables, types or epochs than the first.
    """
    first = parts[0]
    shape = [(name, variable.dims, variable.dtype.kind) for name, variable in first.variables.items()]
    sizes = {name: size for name, size in first.sizes.items() if name != "network"}
    for part in parts[1:]:
        same = (
            [(name, variable.dims, variable.dtype.kind) for name, variable in part.variables.items()] == shape
            and {name: size for name, size in part.sizes.items() if name != "network"} == sizes
            and list(part.coords) == list(first.coords)
            and all(name == "network" or part.indexes[name].equals(index) for name, index in first.indexes.items())
        )
        if not same:
            return None
    variables = {}
    for name, variable in first.variables.items():
        if "network" in variable.dims:
            axis = variable.dims.index("network")
            values = np.concatenate([part.variables[name].to_numpy() for part in parts], axis=axis)
            variables[name] = xr.Variable(variable.dims, values, variable.attrs)
        else:
            variables[name] = variable
    return xr.Dataset(variables, attrs=first.attrs).set_coords(list(first.coords))
