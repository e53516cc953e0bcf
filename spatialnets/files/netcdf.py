"""netCDF files, written atomically with a checksum, and read only if it matches."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5netcdf
import xarray as xr

from spatialnets.errors import StorageError
from spatialnets.files.atomic import checksum_error, write_checked
from spatialnets.files.limits import check_file, check_hdf5
from spatialnets.files.reading import one_line

__all__ = ["DamagedFile", "open_dataset", "read_dataset", "write_dataset"]


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


@contextmanager
def open_dataset(path: Path) -> Iterator[xr.Dataset]:
    """Open a dataset without loading its variables, if its file matches its checksum.

    Any error within the block, such as a failed check of the contents, is raised as damage of the file.

    Raises
    ------
    DamagedFile
        If the file is missing, does not match its checksum, has links to other files or cannot be read.
    """
    try:
        check_file(path)
        reason = checksum_error(path)
        if reason:
            raise DamagedFile(path, reason)
        check_hdf5(path)
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            yield dataset
    except (MemoryError, DamagedFile):
        raise
    except Exception as error:  # readers of damaged files raise many kinds of exception
        raise DamagedFile(path, one_line(error)) from error


def read_dataset(path: Path) -> xr.Dataset:
    """Read and load a dataset.

    Raises
    ------
    DamagedFile
        As `open_dataset`.
    """
    with open_dataset(path) as dataset:
        return dataset.load()
