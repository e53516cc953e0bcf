"""Units at the centroids of a parcellation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np
from scipy.spatial.distance import cdist

from spatialnets.files.reading import VOLUME_ENDINGS, some
from spatialnets.files.table import ENDINGS, distinct
from spatialnets.geometries.anatomy.coordinates import Coordinates, read_coordinates
from spatialnets.geometries.anatomy.lookup import read_lookup
from spatialnets.geometries.anatomy.volume import read_image
from spatialnets.protocols import FloatArray, Geometry

__all__ = ["Parcellation"]

SAME_PLACE = 1e-6  # mm; centroids of parcels around each other are equal but for rounding
SHOWN = 20  # labels in a message


@dataclass(frozen=True)
class Parcellation(Geometry):
    """Units at the centroids of parcels, straight lines between them, in mm.

    Parameters
    ----------
    source
        A label volume (``.nii``, ``.nii.gz``, ``.mgz``) of whole numbers, 0 being background: each parcel's unit is at
        the mean of its voxels in world coordinates. Or a table of centroids (``.csv``, ``.tsv``, ``.txt``) whose first
        line names the columns x, y and z (or R, A and S), and perhaps name, region, label or roi.
    labels
        Which labels of a volume to take, in this order; by default all, in ascending order.
    names
        A table with the name of each label of a volume: columns index and name, as in BIDS (``_dseg.tsv``); or without
        a line of column names, as ``FreeSurferColorLUT.txt``. A label that it leaves out is called by its number. Of
        parcels with one name, the second is numbered 2, and so on: ``insula``, ``insula 2``.

    Raises
    ------
    ValueError
        If a file is not there or is not what is expected of it, a label is absent, there are fewer than two parcels, or
        two centroids share a place.

    Examples
    --------
    >>> from importlib.util import find_spec
    >>> data = Path(find_spec("nilearn").origin).parent / "datasets" / "data"
    >>> parcellation = Parcellation(data / "dosenbach_2010.csv")
    >>> parcellation.n_units, parcellation.unit_names()[:3]
    (160, ('vmPFC', 'aPFC', 'aPFC 2'))
    """

    length_unit: ClassVar[str] = "mm"
    references: ClassVar[tuple[str, ...]] = ()

    source: str
    labels: tuple[int, ...] = ()
    names: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", str(self.source))
        object.__setattr__(self, "labels", tuple(int(label) for label in self.labels))
        object.__setattr__(self, "names", None if self.names is None else str(self.names))
        repeated = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if repeated:
            raise ValueError(f"labels names {repeated[0]} twice")
        positions, called = self._centroids.positions, self.unit_names()
        if len(positions) < 2:
            raise ValueError(f"{self.source} has {len(positions)} parcel(s) to take; a network needs two or more")
        near = np.argwhere(np.triu(cdist(positions, positions) < SAME_PLACE, k=1))
        if len(near):
            one, other = (called[place] if called else place for place in near[0])
            raise ValueError(
                f"{self.source}: the centroids of {one} and {other} share a place; distances must be positive"
            )

    @cached_property
    def _centroids(self) -> Coordinates:
        if self.source.endswith(VOLUME_ENDINGS):
            return _of_volume(Path(self.source), self.labels, self.names)
        if not self.source.endswith(ENDINGS):
            expected = ", ".join(VOLUME_ENDINGS + ENDINGS)
            raise ValueError(f"{self.source} is no parcellation that can be read; expected one of {expected}")
        if self.labels or self.names is not None:
            raise ValueError(f"labels and names are for label volumes; {self.source} is a table of centroids")
        return read_coordinates(Path(self.source))

    @property
    def n_units(self) -> int:
        """How many parcels were taken."""
        return len(self._centroids.positions)

    def positions(self) -> FloatArray:
        """Return centroids ``(unit, 3)`` in mm."""
        return self._centroids.positions.copy()

    def distances(self) -> FloatArray:
        """Return straight lines between centroids ``(pre, post)`` in mm."""
        positions = self.positions()
        return cdist(positions, positions)

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each parcel, or None if a table of centroids has no names."""
        names = self._centroids.names
        return None if names is None else distinct(names)


def _of_volume(path: Path, labels: Sequence[int], names: str | None) -> Coordinates:
    """Return the centroids of the chosen labels of a volume, and their names."""
    data, affine = read_image(path)
    data = np.where(np.isfinite(data), data, 0)
    voxels = np.argwhere(data)
    values = data[tuple(voxels.T)]
    present, parcel, count = np.unique(values, return_inverse=True, return_counts=True)
    wrong = present[(present < 0) | (present != np.round(present))]
    if len(wrong):
        raise ValueError(f"{path} is no label image: it holds {wrong[0]:g}; expected whole numbers, 0 or more")
    known = [int(label) for label in present]
    absent = [label for label in labels if label not in known]
    if absent:
        has = some([str(label) for label in known], SHOWN) or "none"
        raise ValueError(f"{path} has no voxel of label {absent[0]}; it has {has}")
    # the affine is linear: it maps the mean voxel to the mean of the voxels' world coordinates
    mean = np.column_stack([np.bincount(parcel, along, minlength=len(known)) / count for along in voxels.T])
    centroids = mean @ affine[:3, :3].T + affine[:3, 3]
    taken = list(labels) or known
    by_label = {} if names is None else read_lookup(Path(names))
    if names is not None and not set(taken) & set(by_label):
        raise ValueError(f"{names} names none of the labels of {path}, such as {taken[0]}")
    positions = centroids[[known.index(label) for label in taken]]
    return Coordinates(positions, tuple(by_label.get(label, str(label)) for label in taken))
