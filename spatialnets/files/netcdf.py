"""netCDF files that are there whole, with a checksum, and are read only if it matches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5netcdf
import xarray as xr

from spatialnets.errors import StorageError
from spatialnets.files.atomic import damage, write_checked
from spatialnets.files.limits import check_file, check_hdf5
from spatialnets.files.reading import words_of

__all__ = ["DamagedFile", "opened_dataset", "read_dataset", "write_dataset"]


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


@contextmanager
def opened_dataset(path: Path) -> Iterator[xr.Dataset]:
    """Give a dataset whose file is what was written, its variables not yet loaded.

    What a file must hold can be asked of it inside: any error there counts as damage.

    Raises
    ------
    DamagedFile
        If the file is not there, does not match its checksum, leads elsewhere, cannot be read or is found unfit.
    """
    try:
        check_file(path)
        reason = damage(path)
        if reason:
            raise DamagedFile(path, reason)
        check_hdf5(path)
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            yield dataset
    except (MemoryError, DamagedFile):
        raise
    except Exception as error:  # a damaged file without a checksum makes HDF5 and what is above it raise anything
        raise DamagedFile(path, words_of(error)) from error


def read_dataset(path: Path) -> xr.Dataset:
    """Read a dataset.

    Raises
    ------
    DamagedFile
        As `opened_dataset`.
    """
    with opened_dataset(path) as dataset:
        return dataset.load()
