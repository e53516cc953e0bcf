"""Geometry of the cortical surface."""

from __future__ import annotations

import json
import numbers
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from spatialnets.aliases import FloatArray
from spatialnets.errors import nearest
from spatialnets.files.atomic import digest_of
from spatialnets.files.cache import cached
from spatialnets.files.reading import VOLUME_ENDINGS
from spatialnets.geometries.anatomy.surfaces import read_surface
from spatialnets.geometries.anatomy.templates import (
    SURFACES,
    TEMPLATES,
    VOLUMES,
    Hemisphere,
    template_files,
    template_surface,
    template_volume,
)
from spatialnets.geometries.anatomy.volume import half, is_one_sided, read_volume, surface_of
from spatialnets.geometries.on_surface import Metric, OnSurface, PlacedUnits, Placement, code_digest
from spatialnets.geometries.union import Across, check_across, fraction_shortened, join_distances, join_surfaces
from spatialnets.protocols import Surface
from spatialnets.validation import require_positive

__all__ = ["Cortex"]

SIDES: tuple[Hemisphere, Hemisphere] = ("left", "right")


@dataclass(frozen=True)
class Cortex(OnSurface):
    """Units on the cortical surface of one or both hemispheres; distances are geodesics along it, in mm.

    A volume is converted to one closed surface without handles (see
    `spatialnets.geometries.anatomy.volume.surface_of`); a surface is used as it is. Geodesics are computed as in
    `Mesh`. Surfaces and distances are cached on disk by the contents of the files.

    Parameters
    ----------
    source
        A template installed with nilearn (nothing is downloaded): ``mni152_wm`` or ``mni152_gm``, the outer boundary of
        white or of grey matter in the MNI ICBM152 volume; ``fsaverage5_pial``, ``fsaverage5_white`` or
        ``fsaverage5_inflated``. Or a file: NIfTI (a mask, a probability map from 0 to 1 or to `full`, or a label image
        with `mask_labels`), GIFTI, or a FreeSurfer surface such as ``lh.pial``; or two such files, left and right.
    hemisphere
        ``"left"``, ``"right"`` or ``"both"``. A NIfTI volume is cut at x = 0 in world coordinates; one of a single
        hemisphere is used whole, for ``"left"`` and ``"right"`` alike. ``"whole"``: the volume is never cut.
    n
        Number of units, two or more, unless `labels` are given. If it is odd and there are two
        hemispheres, the left gets the extra unit.
    metric
        ``"geodesic"``: shortest path along the surface. ``"euclidean"``: straight line through space.
    voxel_mm
        Edge of the voxels to which a volume is resampled, in mm: 3 gives about 10,000 vertices per hemisphere, 2 about
        27,000, 1.5 about 50,000.
    labels
        A file with parcels: GIFTI labels or FreeSurfer ``.annot`` (for a source with the same vertices), or a label
        volume (NIfTI) in the same world coordinates; for both hemispheres, one volume or two files. Each parcel then
        has one unit, at the vertex nearest to the parcel's mean, with its name.
    across
        Distance between units of different hemispheres. ``"euclidean"``: the straight line. A number: this length in mm
        for all pairs (or the straight line, where it is longer), as through the corpus callosum. ``"refused"``: not
        defined, which is an error if `hemisphere` is ``"both"``.
    placement
        ``"farthest"``: each unit at the vertex farthest from all previous ones. ``"poisson_disk"``: at random, with the
        minimum distance between units chosen so that just `n` fit.
    seed
        Seed of the random placement.
    mask
        A file that marks the vertices that are cortex: for a surface, FreeSurfer ``.label``, GIFTI, text or ``.npy``
        (two for both hemispheres); or a NIfTI volume in the same world coordinates. Units and paths avoid all other
        vertices, such as the medial wall, and small islands of the mask. Without a mask, units are also placed on the
        medial wall or, on a surface made from a volume, on the cut between the hemispheres.
    mask_labels
        Labels of a label image that are inside, such as ``[2, 41]`` for the cerebral white matter in FreeSurfer's
        ``aseg.mgz``.
    full
        Value that corresponds to probability 1 in a probability map of whole numbers, such as 255.
    names
        A table with the name of each label (columns index and name, or as in ``FreeSurferColorLUT.txt``), for `labels`
        without names, such as those of a NIfTI volume.

    Raises
    ------
    ValueError
        If the source is neither a template nor a file, a field is invalid, or (when positions or distances are
        computed) the contents of a file are not as expected.

    References
    ----------
    Fonov et al. (2011), doi:10.1016/j.neuroimage.2010.07.033, for the MNI ICBM152 volume; Fischl et al. (1999),
    doi:10.1002/(sici)1097-0193(1999)8:4<272::aid-hbm10>3.0.co;2-4, for fsaverage; Bertrand & Malandain (1994),
    doi:10.1016/0167-8655(94)90046-9, and Latecki et al. (1995), doi:10.1006/cviu.1995.1006, for the topology; Mitchell
    et al. (1987), doi:10.1137/0216045, for geodesics.

    Examples
    --------
    >>> cortex = Cortex(source="fsaverage5_pial", n=100)
    >>> cortex.positions().shape
    (100, 3)
    >>> vertices, faces = cortex.surface()
    >>> len(vertices), len(faces)
    (10242, 20480)
    """

    references: ClassVar[tuple[str, ...]] = (
        "fonov2011",
        "fischl1999",
        "bertrand1994",
        "latecki1995",
        "mitchell1987",
        "gonzalez1985",
    )

    source: str | tuple[str, str] = "mni152_wm"
    hemisphere: Literal["left", "right", "both", "whole"] = "left"
    n: int = 100
    metric: Metric = "geodesic"
    voxel_mm: float = 2.0
    labels: str | tuple[str, str] | None = None
    across: Across = "refused"
    placement: Placement = "farthest"
    seed: int = 0
    mask: str | tuple[str, str] | None = None
    mask_labels: tuple[int, ...] = ()
    full: float | None = None
    names: str | None = None

    def __post_init__(self) -> None:
        for name in ("source", "labels", "mask", "names"):
            given = getattr(self, name)
            if isinstance(given, (list, tuple)):
                if len(given) != 2 or name == "names":
                    or_two = "" if name == "names" else ", or two (left and right)"
                    raise ValueError(f"{name} must be one file{or_two}, not {len(given)}")
                object.__setattr__(self, name, (str(given[0]), str(given[1])))
            elif given is not None:
                object.__setattr__(self, name, str(given))
            for path in self._files(name):
                if not Path(path).is_file():
                    raise ValueError(_missing_file(name, path))
        self._check_fields()
        object.__setattr__(self, "mask_labels", tuple(int(label) for label in self.mask_labels))
        self._check_volume()
        self._check_both()

    def _check_fields(self) -> None:
        if self.hemisphere not in ("left", "right", "both", "whole"):
            raise ValueError(f"hemisphere must be left, right, both or whole, not {self.hemisphere!r}")
        if self.hemisphere == "whole" and self.source in TEMPLATES:
            raise ValueError(f"hemisphere must be left, right or both for the template {self.source}, not whole")
        if self.hemisphere == "whole" and isinstance(self.source, tuple):
            raise ValueError("hemisphere must be left, right or both if source is two files, not whole")
        for name, value in {"voxel_mm": self.voxel_mm, "full": 1.0 if self.full is None else self.full}.items():
            if not isinstance(value, numbers.Real):
                raise ValueError(f"{name} must be a number, not {value!r}")
            require_positive(name, value)
        if not all(isinstance(label, numbers.Integral) for label in self.mask_labels):
            raise ValueError(f"mask_labels must be whole numbers, not {list(self.mask_labels)}")
        super().__post_init__()
        check_across(self.across)

    def _check_volume(self) -> None:
        """Raise a ValueError if fields about the values of a volume are given for another source."""
        if self.mask_labels and self.full is not None:
            raise ValueError("mask_labels (for a label image) and full (for a probability map) cannot be combined")
        for name in ("mask_labels", "full"):
            if not getattr(self, name):
                continue
            if self.source in TEMPLATES:
                raise ValueError(f"{name} applies to your own volumes only, but {self.source} is a template")
            if not self._is_volume():
                raise ValueError(f"{name} applies to volumes only, but {self._files('source')[0]} is a surface")

    def _check_both(self) -> None:
        if self.hemisphere != "both":
            return
        if self.across == "refused":
            raise ValueError(
                "the distance between the two hemispheres is not defined: write across: euclidean (straight lines), or "
                "across: a length in mm (for all pairs, as through the corpus callosum)"
            )
        if self.across == "euclidean" and self.source == "fsaverage5_inflated":
            raise ValueError("inflated hemispheres are not in their anatomical positions: write across: a length in mm")
        if self.labels is None and self.n < 4:
            raise ValueError(f"n must be 4 or more for two hemispheres, not {self.n}")
        one_file = isinstance(self.source, str) and self.source not in TEMPLATES and not _is_volume(self.source)
        if one_file:
            raise ValueError(f"{self.source} contains one hemisphere: write source: [left file, right file]")

    def _files(self, name: str) -> tuple[str, ...]:
        given = getattr(self, name)
        if given is None or (name == "source" and given in TEMPLATES):
            return ()
        return given if isinstance(given, tuple) else (given,)

    def _sides(self) -> tuple[Hemisphere, ...]:
        if self.hemisphere == "both":
            return SIDES
        return ("right",) if self.hemisphere == "right" else ("left",)

    @staticmethod
    def _file_of(given: str | tuple[str, str], side: Hemisphere) -> Path:
        return Path(given[SIDES.index(side)] if isinstance(given, tuple) else given)

    def _is_volume(self) -> bool:
        return self.source in VOLUMES or any(_is_volume(path) for path in self._files("source"))

    def _source_key(self) -> dict[str, Any]:
        if self.source in TEMPLATES:
            files = [path for side in self._sides() for path in template_files(str(self.source), side)]
        else:
            files = [Path(path) for path in self._files("source")]
        contents = [self.source if self.source in TEMPLATES else None, *map(digest_of, files)]
        fields = ("hemisphere", "voxel_mm", "mask_labels", "full") if self._is_volume() else ("hemisphere",)
        return {"source": contents} | {name: getattr(self, name) for name in fields}

    def _key(self) -> dict[str, Any]:
        units = [self.n, self.placement, self.seed] if self.labels is None else None
        return {
            **self._source_key(),
            "units": units or [digest_of(path) for path in (*self._files("labels"), *self._files("names"))],
            "mask": [digest_of(path) for path in self._files("mask")],
            "metric": self.metric,
            "across": self.across if self.hemisphere == "both" else None,
        }

    # Surfaces

    def _compute(self) -> PlacedUnits:
        hemispheres = [self._placed(side) for side in self._sides()]
        if len(hemispheres) == 1:
            return hemispheres[0]
        left, right = hemispheres
        separate = [left.distances, right.distances]
        distances = join_distances([left.positions, right.positions], separate, self.across)
        sphere = None if left.sphere is None or right.sphere is None else np.vstack([left.sphere, right.sphere])
        return PlacedUnits(
            join_surfaces([left.surface, right.surface]),
            np.r_[left.units, len(left.surface.vertices) + right.units],
            distances,
            tuple(f"{side} {name}" for side, hemi in zip(SIDES, hemispheres, strict=True) for name in hemi.names),
            {key: max(left.facts[key], right.facts[key]) for key in left.facts}
            | {"shortened": fraction_shortened(distances, separate)},
            sphere,
            np.repeat(np.arange(2, dtype=np.int64), [len(left.units), len(right.units)]),
        )

    def _surface_of(self, side: Hemisphere) -> tuple[Surface, FloatArray | None, dict[str, float]]:
        """Return the surface of one hemisphere, its vertices on the sphere it is registered to, if any, and facts."""
        if self.source in SURFACES:
            surface, sphere = template_surface(str(self.source), side)
            return surface, sphere.vertices, {}
        if not self._is_volume():
            return Surface(*read_surface(self._file_of(self.source, side))), None, {}
        key = {"code": code_digest(), "side": side, **self._source_key()}
        arrays = cached("surface", key, lambda: self._from_volume(side))
        return Surface(arrays["vertices"], arrays["faces"]), None, json.loads(str(arrays["facts"]))

    def _from_volume(self, side: Hemisphere) -> dict[str, NDArray[Any]]:
        name = str(self._file_of(self.source, side))
        if self.source in VOLUMES:
            volume = template_volume(name, side)
        else:
            volume = read_volume(Path(name), self.mask_labels, self.full)
            if isinstance(self.source, str) and self.hemisphere != "whole":
                if not is_one_sided(volume):
                    volume = half(volume, side)
                elif self.hemisphere == "both":
                    raise ValueError(f"{name} is on one side of x = 0 in world coordinates: it contains one hemisphere")
        surface, facts = surface_of(volume, self.voxel_mm, name)
        return {"vertices": surface.vertices, "faces": surface.faces, "facts": np.array(json.dumps(facts))}

    def _placed(self, side: Hemisphere) -> PlacedUnits:
        """Return the units of one hemisphere."""
        surface, sphere, facts = self._surface_of(side)
        name = str(self._file_of(self.source, side))
        labels, mask = (self._file_of(given, side) if given else None for given in (self.labels, self.mask))
        for field, path in (("labels", labels), ("mask", mask)):
            if self._is_volume() and path is not None and not _is_volume(str(path)):
                raise ValueError(
                    f"{field}: {path} has values for the vertices of another surface; for a surface made from a "
                    f"volume, {field} must be a volume (.nii)"
                )
        n = self.n
        if self.hemisphere == "both":
            n = self.n // 2 if side == "right" else self.n - self.n // 2
        units = self._place(surface, name, n, labels, mask)
        if sphere is not None and len(units.surface.vertices) != len(surface.vertices):
            raise RuntimeError(f"{name} has repeated or unused vertices, so it does not match its sphere")
        registered = None if sphere is None else sphere[units.units]
        return replace(units, facts={**facts, **units.facts}, sphere=registered)


def _is_volume(path: str) -> bool:
    return path.endswith(VOLUME_ENDINGS)


def _missing_file(name: str, path: str) -> str:
    message = f"{name}: there is no file {path}"
    return f"{message}, and no template of that name: {nearest(path, TEMPLATES)}" if name == "source" else message
