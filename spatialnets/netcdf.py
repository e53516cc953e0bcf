"""netCDF files that are there whole, with a checksum, and are read only if it matches."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import h5netcdf
import xarray as xr

from spatialnets.errors import StorageError
from spatialnets.storage import damage, write_checked

__all__ = ["DamagedFile", "read_dataset", "write_dataset"]


class DamagedFile(StorageError):
    """A stored file that is not what was written; `reason` says how that is known, `cure` what to do."""

    def __init__(self, path: Path, reason: str, cure: str = "") -> None:
        super().__init__(path, reason, cure)
        self.path, self.reason, self.cure = path, reason, cure

    def __str__(self) -> str:
        return f"{self.path} cannot be read ({self.reason})" + (f"; {self.cure}" if self.cure else "")


def write_dataset(path: Path, dataset: xr.Dataset) -> None:
    """Write a dataset and its checksum, whole or not at all.

    Raises
    ------
    StorageError
        If the disk is full or the place cannot be written; nothing else is touched.
    """
    # In memory first: where the disk is full, HDF5 raises what it likes, again when its file is collected, and may
    # end the process. Written as bytes, a file fails as any other does.
    buffer = io.BytesIO()
    with h5netcdf.File(buffer, "w") as file:
        dataset.dump_to_store(xr.backends.H5NetCDFStore(file))
    write_checked(path, buffer.getvalue())


def read_dataset(path: Path, names: Sequence[str] = ()) -> xr.Dataset:
    """Read a dataset, or some variables of it.

    Raises
    ------
    DamagedFile
        If the file is not there, does not match its checksum, or cannot be read.
    """
    try:
        reason = damage(path)
        if not reason:
            with xr.open_dataset(path, engine="h5netcdf") as dataset:
                return (dataset[list(names)] if names else dataset).load()
    except MemoryError:
        raise
    except OSError as error:
        raise DamagedFile(path, str(error.strerror or error)) from error
    except Exception as error:  # a damaged file without a checksum makes HDF5 and what is above it raise anything
        raise DamagedFile(path, f"{type(error).__name__}: {error}") from error
    raise DamagedFile(path, reason)
