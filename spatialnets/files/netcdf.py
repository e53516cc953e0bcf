"""netCDF files, written atomically with a checksum, and read only if it matches."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5netcdf
import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from spatialnets.errors import StorageError
from spatialnets.files.atomic import checksum_error, write_checked
from spatialnets.files.limits import check_file, check_objects
from spatialnets.files.reading import one_line

__all__ = ["DamagedFile", "read_dataset", "write_dataset"]

# Attributes by which netCDF-4 describes dimensions; they are not attributes of the dataset
STRUCTURE = {
    "CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_NCProperties", "_Netcdf4Coordinates", "_Netcdf4Dimid",
}  # fmt: skip
# Attributes and units by which values are decoded; files that have them are left to xarray
CODED = {"scale_factor", "add_offset", "missing_value", "_Unsigned", "_Encoding", "calendar", "grid_mapping"}
TIMES = {"days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"}
NO_VARIABLE = b"This is a netCDF dimension but not a netCDF variable"


class DamagedFile(StorageError):
    """A stored file that is missing or has changed; `reason` says what is wrong, `advice` what to do."""

    def __init__(self, path: Path, reason: str, advice: str = "") -> None:
        super().__init__(path, reason, advice)
        self.path, self.reason, self.advice = path, reason, advice

    def __str__(self) -> str:
        return f"{self.path} cannot be read ({self.reason})" + (f"; {self.advice}" if self.advice else "")


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a dataset and its checksum, atomically.

    Raises
    ------
    StorageError
        If the disk is full or the folder cannot be written; existing files are unchanged.
    """
    # In memory first: on a full disk HDF5 raises various errors, again when its file is collected, and may even end
    # the process. Bytes that cannot be written raise an OSError.
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        dataset.dump_to_store(xr.backends.H5NetCDFStore(file))
    write_checked(path, buffer.getvalue())


def read_dataset(
    path: Path, wanted: Collection[str] | None = None, check: Callable[[xr.Dataset], None] = lambda dataset: None
) -> xr.Dataset:
    """Read a dataset, if its file matches its checksum.

    Parameters
    ----------
    path
        The file.
    wanted
        Names of the variables to return, with their coordinates; by default all.
    check
        Raises an error if the contents are not as expected. It is given all variables; the values of those that are
        not wanted are zeros, which take no memory.

    Raises
    ------
    DamagedFile
        If the file is missing, does not match its checksum, has links to other files, cannot be read, or if `check`
        raises an error.
    """
    try:
        check_file(path)
        reason = checksum_error(path)
        if reason:
            raise DamagedFile(path, reason)
        with _opened(path, wanted) as dataset:
            check(dataset)
            return (dataset if wanted is None else dataset[[name for name in wanted if name in dataset]]).load()
    except (MemoryError, DamagedFile):
        raise
    except Exception as error:  # readers of damaged files raise many kinds of exception
        raise DamagedFile(path, one_line(error)) from error


@contextmanager
def _opened(path: Path, wanted: Collection[str] | None) -> Iterator[xr.Dataset]:
    """Yield the dataset of a file: read with h5py, which takes a tenth of the time, or by xarray if it must decode."""
    with h5py.File(path, "r") as file:
        dataset = _read(file, check_objects(file, path), wanted)
    if dataset is not None:
        yield dataset
        return
    with xr.open_dataset(path, engine="h5netcdf") as dataset:
        yield dataset


def _read(file: h5py.File, items: dict[str, Any], wanted: Collection[str] | None) -> xr.Dataset | None:
    """Return what `xarray.open_dataset` would, or None if the file has anything that `write_dataset` never writes."""
    dimensions: dict[int, str] = {}  # by their number in the file
    stored: dict[str, tuple[h5py.Dataset, dict[str, Any], list[int]]] = {}
    attributes = _plain_attributes(file, list(file.attrs))
    if attributes is None:
        return None
    coordinates = str(attributes.pop("coordinates", "")).split()
    for name, item in items.items():
        if not isinstance(item, h5py.Dataset) or item.shape is None:
            return None
        names = list(item.attrs)
        if "CLASS" in names:
            if len(item.shape) != 1 or "_Netcdf4Dimid" not in names:
                return None
            dimensions[int(item.attrs["_Netcdf4Dimid"])] = name
            if bytes(item.attrs["NAME"]).startswith(NO_VARIABLE):
                continue
        plain = _plain_attributes(item, names)
        if plain is None or (item.shape and "_Netcdf4Coordinates" not in names):
            return None
        coordinates += str(plain.pop("coordinates", "")).split()
        stored[name] = item, plain, np.asarray(item.attrs["_Netcdf4Coordinates"]).tolist() if item.shape else []
    loaded = set(stored) if wanted is None else {*wanted, *coordinates, *dimensions.values()}
    variables: dict[str, xr.Variable] = {}
    for name, (item, plain, numbers) in stored.items():
        values = _values(item, plain.pop("_FillValue", None), plain.pop("dtype", None), name in loaded)
        if values is None or values.ndim != len(numbers) or not set(numbers) <= set(dimensions):
            return None
        variables[name] = xr.Variable(tuple(dimensions[number] for number in numbers), values, plain)
    return xr.Dataset(variables, attrs=attributes).set_coords([name for name in coordinates if name in variables])


def _plain_attributes(item: h5py.File | h5py.Dataset, names: list[str]) -> dict[str, Any] | None:
    """Return the attributes of a file or an array; None if they are not plain text and numbers, or need decoding."""
    attributes: dict[str, Any] = {}
    for name in names:
        if name in STRUCTURE:
            continue
        value = item.attrs[name]
        if isinstance(value, np.ndarray) and value.size == 1 and value.dtype.kind in "iuf":
            value = value.item() if name == "_FillValue" else value.reshape(-1)[0]
        if name in CODED or not isinstance(value, (str, int, float, np.integer, np.floating)):
            return None
        attributes[name] = value
    units = attributes.get("units", "")
    return None if units in TIMES or " since " in str(units) else attributes


def _values(item: h5py.Dataset, fill: Any, declared: Any, loaded: bool) -> NDArray[Any] | None:
    """Return the values of an array, zeros unless they are loaded, or None if they need decoding."""
    text, kind = h5py.check_string_dtype(item.dtype), item.dtype.kind
    is_plain = declared is None and kind in "iuf" and item.dtype.isnative and h5py.check_enum_dtype(item.dtype) is None
    has_fill = fill is not None and not (kind == "f" and np.isnan(fill))  # NaN stays NaN
    if has_fill or not (is_plain or (declared == "bool" and kind in "iu") or (text is not None and kind == "O")):
        return None
    dtype = np.dtype(str if kind == "O" else bool if declared is not None else item.dtype)
    if not loaded:
        return np.broadcast_to(np.zeros((), dtype), item.shape)
    values = item.asstr()[()] if kind == "O" else item[()]
    return np.asarray(values).astype(dtype, copy=False)
