"""Geometry with one unit per parcel of an atlas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from spatialnets.aliases import FloatArray
from spatialnets.files.reading import VOLUME_ENDINGS, first_few
from spatialnets.files.table import ENDINGS, make_distinct
from spatialnets.geometries.anatomy.coordinates import Coordinates, read_coordinates
from spatialnets.geometries.anatomy.lookup import read_lookup
from spatialnets.geometries.anatomy.volume import read_image
from spatialnets.geometries.euclidean import Euclidean

__all__ = ["Parcellation"]

SAME_POSITION_MM = 1e-6  # the centroids of concentric parcels differ by rounding errors only
MAX_LABELS_SHOWN = 20  # in a message


@dataclass(frozen=True)
class Parcellation(Euclidean):
    """Units at the centroids of the parcels of an atlas; distances are Euclidean, in mm.

    Parameters
    ----------
    source
        A label volume (``.nii``, ``.nii.gz``, ``.mgz``) of whole numbers with 0 as background; each unit is at the mean
        position of its parcel's voxels in world coordinates. Or a table of centroids (``.csv``, ``.tsv``, ``.txt``)
        whose header names the columns x, y and z (or R, A and S) and, optionally, name, region, label or roi.
    labels
        Labels of a volume to use, in this order; by default all, in ascending order.
    names
        A table with the name of each label of a volume: columns index and name, as in BIDS (``_dseg.tsv``), or without
        a header, as in ``FreeSurferColorLUT.txt``. Labels that are not in the table are named by their number.
        Repeated names are numbered: ``insula``, ``insula 2``.

    Raises
    ------
    ValueError
        If a file is missing or invalid, the volume lacks a label, there are fewer than two parcels, or two centroids
        coincide.

    Examples
    --------
    >>> from importlib.util import find_spec
    >>> data = Path(find_spec("nilearn").origin).parent / "datasets" / "data"
    >>> parcellation = Parcellation(data / "dosenbach_2010.csv")
    >>> parcellation.n_units, parcellation.unit_names()[:3]
    (160, ('vmPFC', 'aPFC', 'aPFC 2'))
    """

    length_unit: ClassVar[str] = "mm"

    source: str
    labels: tuple[int, ...] = ()
    names: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "source", str(self.source))
        object.__setattr__(self, "labels", tuple(int(label) for label in self.labels))
        object.__setattr__(self, "names", None if self.names is None else str(self.names))
        repeated = sorted({label for label in self.labels if self.labels.count(label) > 1})
        if repeated:
            raise ValueError(f"labels contains {repeated[0]} more than once")
        if self.n_units < 2:
            raise ValueError(f"{self.source} has {self.n_units} parcel(s) to use; a network needs two or more")
        same = np.argwhere(np.triu(self.distances() < SAME_POSITION_MM, k=1))
        if len(same):
            names = self.unit_names()
            one, other = (names[unit] if names else unit for unit in same[0])
            raise ValueError(f"{self.source}: the centroids of {one} and {other} coincide; they must differ")

    @cached_property
    def _centroids(self) -> Coordinates:
        if self.source.endswith(VOLUME_ENDINGS):
            return _volume_centroids(Path(self.source), self.labels, self.names)
        if not self.source.endswith(ENDINGS):
            expected = ", ".join(VOLUME_ENDINGS + ENDINGS)
            raise ValueError(f"{self.source} is not a supported parcellation file; expected one of {expected}")
        if self.labels or self.names is not None:
            raise ValueError(f"labels and names apply to label volumes only, but {self.source} is a table of centroids")
        return read_coordinates(Path(self.source))

    @property
    def n_units(self) -> int:
        """Number of parcels used."""
        return len(self._centroids.positions)

    def positions(self) -> FloatArray:
        """Return the centroids of the parcels ``(unit, 3)`` in mm."""
        return self._centroids.positions.copy()

    def unit_names(self) -> tuple[str, ...] | None:
        """Return the name of each parcel, or None if the table of centroids has no names."""
        names = self._centroids.names
        return None if names is None else make_distinct(names)


def _volume_centroids(path: Path, labels: Sequence[int], names: str | None) -> Coordinates:
    """Return the centroids and names of the selected labels of a volume."""
    data, affine = read_image(path)
    data = np.where(np.isfinite(data), data, 0)
    voxels = np.argwhere(data)
    values = data[tuple(voxels.T)]
    present, parcel, count = np.unique(values, return_inverse=True, return_counts=True)
    wrong = present[(present < 0) | (present != np.round(present))]
    if len(wrong):
        raise ValueError(f"{path} is not a label image: it contains {wrong[0]:g}; expected whole numbers, 0 or more")
    available = [int(label) for label in present]
    missing = [label for label in labels if label not in available]
    if missing:
        shown = first_few([str(label) for label in available], MAX_LABELS_SHOWN) or "none"
        raise ValueError(f"{path} has no voxels with label {missing[0]}; its labels: {shown}")
    # the affine is linear: it maps the mean voxel to the mean of the voxels' world coordinates
    mean = np.column_stack([np.bincount(parcel, along, minlength=len(available)) / count for along in voxels.T])
    centroids = mean @ affine[:3, :3].T + affine[:3, 3]
    used = list(labels) or available
    by_label = {} if names is None else read_lookup(Path(names))
    if names is not None and not set(used) & set(by_label):
        raise ValueError(f"{names} contains none of the labels of {path}, such as {used[0]}")
    positions = centroids[[available.index(label) for label in used]]
    return Coordinates(positions, tuple(by_label.get(label, str(label)) for label in used))
